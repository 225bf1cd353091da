"""Rewind beside what goes back otherwise, and beside somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.rewinding import back, line
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import (
    PastNoReturn,
    UsageError,
    do,
    no_return,
    step,
    workflow,
)
from holdfast.app.rewinding import rewind
from holdfast.model.facts import Rewound
from holdfast.testing.crash import TESTER


def test_a_point_of_no_return_is_not_passed_back(runs: Runs) -> None:
    """Its reason is given; what was reached after it can run again."""

    @workflow(name="flow")
    def flow() -> object:
        do("a", touch, "a")
        no_return("the old format is gone")
        do("b", touch, "b")
        return do("end", fail_until, 2)

    runs.start(flow)
    for place in ("a", runs.state.ledger.points[0].key):
        with pytest.raises(PastNoReturn, match=r"no way back since .*the old format is gone"):
            back(runs, place)
    back(runs, "b")

    assert 2 == runs.start(flow).result
    assert {"a": 1, "b": 2, "try": 2} == dict(CALLS)


def test_a_run_that_is_being_undone_is_not_rewound(runs: Runs) -> None:
    """One way back at a time."""

    @workflow(name="flow")
    def flow() -> None:
        do("a", touch, "a", undo=lambda: fail_until(2))
        do("end", fail_until, 9, "end")

    runs.start(flow)
    runs.rollback(flow)

    with pytest.raises(UsageError, match=r"being undone.*holdfast resume r"):
        back(runs, "a")


def test_what_was_set_aside_can_still_be_undone(runs: Runs) -> None:
    """It changed the world, whether or not it runs again."""

    @workflow(name="flow")
    def flow() -> None:
        do("a", touch, "a", undo=lambda: touch("undo a"))
        do("end", fail_until, 9, "end")

    runs.start(flow)
    back(runs, "a")
    runs.rollback(flow)

    assert ("rolled_back", 1) == (runs.row.status, CALLS["undo a"])


def test_whoever_borrowed_for_what_runs_again_borrows_again(runs: Runs) -> None:
    """The node was given back at the end: to drain it once more, it is cordoned first."""

    @step("uncordon {node}")
    def uncordon(node: str) -> None:
        touch("uncordon")

    @step("cordon {node}", owes=uncordon)
    def cordon(node: str) -> None:
        touch("cordon")

    @workflow(name="flow")
    def flow() -> object:
        cordon("n1")
        do("drain", touch, "drain")
        uncordon("n1")
        return do("end", fail_until, 2)

    runs.start(flow)
    said = back(runs, "drain")

    assert said.endswith("4 steps run again: cordon n1, drain, uncordon n1, end")
    assert 2 == runs.start(flow).result
    assert {"cordon": 2, "drain": 2, "uncordon": 2, "try": 2} == dict(CALLS)
    assert [] == runs.state.ledger.open_debts


# --- side by side ---


def test_of_two_verbs_at_once_the_second_sees_the_first(runs: Runs) -> None:
    """The one that finds the journal moved looks again, and decides anew."""
    runs.start(line)
    once: list[Callable[[], object]] = [lambda: back(runs, "c")]
    store = Interrupted(runs, once)

    said = rewind(store, "r", "b", runs.clock, TESTER).text  # type: ignore[arg-type]
    assert "back to b: 1 step runs again: b" == said
    assert ["c", "b"] == [fact.to for fact in runs.facts(Rewound)]


class Interrupted:
    """A store in which somebody else is faster, the first time that a run is claimed."""

    def __init__(self, runs: Runs, once: list[Callable[[], object]]) -> None:
        self._store, self._once = runs.store, once

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def claim(self, *args: Any, **options: Any) -> int | None:
        while self._once:
            self._once.pop()()
        return self._store.claim(*args, **options)
