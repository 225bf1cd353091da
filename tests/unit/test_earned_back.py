"""What going back does to trust: what was undone did not do what was wanted."""

from __future__ import annotations

from tests.unit.runs import Runs, touch

from holdfast.app.starting import rollback
from holdfast.flow.point import no_return
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow


def test_what_was_rolled_back_starts_over(runs: Runs) -> None:
    """However cleanly it ran."""

    @workflow(name="earning", mode="auto")
    def auto() -> None:
        do("drain", touch, "drain", undo=lambda: None)
        do("fail", lambda: 1 // 0)

    runs.start(auto, target="db")
    rollback(runs.setting, "r", auto)

    assert ["rolled_back", "clean"] == [
        trial.outcome for trial in runs.store.trials("earning", "drain")
    ]


def test_nothing_is_earned_after_a_point_of_no_return(runs: Runs) -> None:
    """What comes there asks, and its clean outcomes do not count."""

    @workflow(name="past", mode="auto")
    def auto() -> None:
        do("before", touch, "before")
        no_return("the last member flips the version")
        do("after", touch, "after")

    @workflow(name="past", mode="earned")
    def earned() -> None:
        no_return("the last member flips the version")
        do("after", touch, "after")

    for number in range(4):
        runs.start(auto, id=f"a{number}", target="db")
    outcome = runs.start(earned, target="db")
    while outcome.status == "on_hold" and runs.hold().opened.key != "after":
        runs.answer("approve")
        outcome = runs.resume(earned)

    assert 4 == len(runs.store.trials("past", "before"))
    assert [] == list(runs.store.trials("past", "after"))
    assert "earned: never after a point of no return" == runs.hold().opened.evidence["why"]
