"""Who of a quorum must still agree, where whoever takes the run up may not."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.runs import Runs, touch

from holdfast.app import holds
from holdfast.app.reasons import why
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.model import facts as f
from holdfast.model.inventory import Inventory, Target

ANA, BEN = (f.Who(name, "host") for name in ("ana", "ben"))


def says(runs: Runs, by: f.Who) -> str:
    return holds.answer(runs.store, "r", runs.clock, by, "approve", hold="h1").text


def guarded(runs: Runs, by: f.Who, *approvers: str) -> None:
    """Start a run of one step, which two of these must let run, but not whoever took it up."""

    @workflow
    def upgrade() -> None:
        do("cordon", touch, "cordon")

    prod = Target("prod", risk="high", approvers=approvers, quorum=2, separate=True)
    runs.setting = replace(runs.setting, inventory=Inventory(targets={"prod": prod}))
    runs.start(upgrade, target="prod", by=by)


def test_whoever_took_the_run_up_is_none_of_those_who_must_agree(runs: Runs) -> None:
    """They are not named as people to ask."""
    guarded(runs, ANA, "ana", "ben", "cleo")

    assert says(runs, BEN).endswith("approved by 1 of 2; 1 more of cleo must agree")
    assert ("so far", "yes of ben; 1 more of cleo must agree") in why(runs.store, "r").reasons[
        0
    ].fields


def test_too_few_who_may_agree_are_told(runs: Runs) -> None:
    """Both who looks and who answers learn that the run cannot go on so, and what to do."""
    guarded(runs, ANA, "ana", "ben")
    (seen,) = [text for name, text in why(runs.store, "r").reasons[0].fields if name == "so far"]
    answered = says(runs, BEN)

    assert "2 more must agree, but only ben may: ana started or resumed the run" in seen
    assert "1 more must agree, but nobody is left who may: ana started" in answered
    assert "`resume` asks anew" in answered
