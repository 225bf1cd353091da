"""One unfinished run per target: refused, explained, taken over with a reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.cordons import cordon
from tests.unit.runs import Runs, touch

from holdfast.app import commands
from holdfast.app.judging import person_named
from holdfast.app.reasons import why
from holdfast.app.views import view_run
from holdfast.cli.paper import Paper
from holdfast.cli.showing import run_lines
from holdfast.errors import TargetLocked, UsageError
from holdfast.flow.questions import confirm
from holdfast.flow.running import Outcome
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.model.facts import LifeStarted, LockStolen
from holdfast.runtime.ownership import this_process
from holdfast.testing.crash import TESTER
from holdfast.testing.samples import life_started


@workflow
def upgrade(holds: bool = False) -> str:
    do("drain", touch, "drain")
    if holds:
        confirm("go on?")
    return "upgraded"


def start(runs: Runs, id: str, *, holds: bool = False, **more: Any) -> Outcome:
    return runs.start(upgrade, {"holds": holds}, id=id, target="db", **more)


def test_a_run_on_hold_keeps_its_target(runs: Runs) -> None:
    """A second run is refused before anything of it is recorded, and told how to go on."""
    start(runs, "r", holds=True)

    with pytest.raises(TargetLocked) as refused:
        start(runs, "s")
    assert 5 == refused.value.exit_code
    assert runs.store.row("s") is None
    for part in ("run r, which is on hold", "holdfast resume r", "cancel r", "--steal -m REASON"):
        assert part in str(refused.value)


def test_a_failed_run_keeps_its_target(runs: Runs) -> None:
    """What it did there is half done, whoever looks at it next."""

    @workflow
    def fails() -> None:
        do("fails", lambda: 1 // 0)

    runs.start(fails, target="db")

    with pytest.raises(TargetLocked, match="which has failed"):
        start(runs, "s")


@pytest.mark.parametrize("end", ["succeed", "cancel"])
def test_a_run_that_is_over_frees_its_target(runs: Runs, end: str) -> None:
    """The next one starts at once."""
    start(runs, "r", holds=end == "cancel")
    if end == "cancel":
        commands.cancel(runs.store, "r", runs.clock, TESTER, "no longer needed")

    assert "succeeded" == start(runs, "s").status


def test_a_run_without_a_target_locks_nothing(runs: Runs) -> None:
    """Any number of them may be on hold at once."""
    runs.start(upgrade, {"holds": True})

    assert "succeeded" == runs.start(upgrade, id="s").status


def test_a_cancelled_run_whose_process_died_keeps_nothing(runs: Runs) -> None:
    """Its process cannot let go of the target any more; whoever comes next does it for it."""
    start(runs, "r", holds=True)
    dead = replace(this_process(), started="0")
    life = life_started(2, owner=dead, at=runs.clock.now())
    runs.store.claim("r", life, after=runs.state.seq, expected_epoch=1)
    commands.cancel(runs.store, "r", runs.clock, TESTER, "no longer needed")

    assert "succeeded" == start(runs, "s").status


def test_a_target_is_stolen_with_a_reason(runs: Runs) -> None:
    """Both journals say so: the one that lost it, by whom and why; the other, from whom."""
    start(runs, "r", holds=True)
    stolen = start(runs, "s", steal="r is forgotten")

    assert "succeeded" == stolen.status
    (lost,) = runs.facts(LockStolen)
    assert (TESTER, "r is forgotten") == (lost.by, lost.reason)
    (life,) = [f.fact for f in runs.store.read("s") if isinstance(f.fact, LifeStarted)]
    assert life.took_over.startswith("target db taken from run r by ")
    assert (
        f"taken from it by {person_named(TESTER)}: r is forgotten" in why(runs.store, "r").summary
    )


def test_a_target_is_never_stolen_from_a_living_process(runs: Runs) -> None:
    """Its step in hand still acts on the target: it has to be stopped first."""
    start(runs, "r", holds=True)
    runs.owned_by_a_living_process()

    with pytest.raises(TargetLocked, match=r"never stolen from a living process.*holdfast stop r"):
        start(runs, "s", steal="in a hurry")


def test_stealing_needs_a_reason(runs: Runs) -> None:
    """It stands in the journal of the run that lost its target."""
    start(runs, "r", holds=True)

    with pytest.raises(UsageError, match="-m REASON"):
        start(runs, "s", steal=" ")


def test_a_robbed_run_goes_on_when_its_target_is_free(runs: Runs) -> None:
    """Until then a resume is refused, naming the run that has it now."""
    start(runs, "r", holds=True)
    start(runs, "s", holds=True, steal="first")
    runs.answer("approve")

    with pytest.raises(TargetLocked, match="held by run s"):
        runs.resume(upgrade)
    commands.cancel(runs.store, "s", runs.clock, TESTER, "no longer needed")
    assert "succeeded" == runs.resume(upgrade).status
    assert None is runs.store.holder("db")


def test_a_resume_may_take_its_target_back(runs: Runs) -> None:
    """With a reason, as a start may."""
    start(runs, "r", holds=True)
    start(runs, "s", holds=True, steal="first")
    runs.answer("approve")

    assert "succeeded" == runs.resume(upgrade, steal="this one is half done").status


def test_a_robbed_run_is_offered_nothing_that_needs_its_target(runs: Runs) -> None:
    """Until the run that has it is over: then it may go on, and give back what it owes."""

    @workflow
    def owing() -> None:
        cordon("n1")
        confirm("go on?")

    runs.start(owing, target="db")
    start(runs, "s", holds=True, steal="first")
    robbed = [way.line() for way in why(runs.store, "r").next]
    with pytest.raises(UsageError, match="once run s, which has it, has ended") as refused:
        commands.cancel(runs.store, "r", runs.clock, TESTER, "over")
    commands.cancel(runs.store, "s", runs.clock, TESTER, "no longer needed")
    free = [way.line() for way in why(runs.store, "r").next]

    assert [
        "holdfast why s",
        "holdfast resume r --steal -m REASON",
        "holdfast approve r",
        "holdfast reject r -m REASON",
        "holdfast cancel r --abandon -m REASON",
    ] == robbed
    assert "--abandon" in str(refused.value)
    assert "holdfast resume r" in free and "holdfast settle r" in free
    runs.settle(owing)
    assert [] == list(runs.store.debts())


def test_a_robbed_run_that_asks_about_its_debts_is_not_told_to_settle(runs: Runs) -> None:
    """Neither below the question nor below the whole."""

    @workflow
    def owing() -> None:
        cordon("n1")

    runs.start(owing, target="db")
    start(runs, "s", holds=True, steal="first")
    sheet = Paper(None, has_colour=False, can_redraw=False, is_plain=True)
    drawn = "\n".join(run_lines(view_run(runs.store, "r"), sheet, runs.clock.now()))

    assert "holdfast approve r -m REASON" in drawn and "holdfast settle" not in drawn
