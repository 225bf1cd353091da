"""Branches side by side."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import ParallelFailed, confirm, do, here, parallel, stage, step, workflow
from holdfast.model import types
from holdfast.model.facts import HoldOpened, ScopeClosed, StepSucceeded


@dataclass(frozen=True)
class Size:
    width: int


@step("make {name}")
def make(name: str) -> str:
    return touch(name)


def test_results_come_in_order(runs: Runs) -> None:
    """Whichever branch ends first."""
    second_is_done = threading.Event()

    def first() -> str:
        second_is_done.wait()
        return make("first")

    def second() -> str:
        value = make("second")
        second_is_done.set()
        return value

    @workflow
    def flow() -> list[str]:
        return parallel(first, ("named", second), ("args", make, "third"))

    assert ["first", "second", "third"] == runs.start(flow).result
    assert {"first/make first", "named/make second", "args/make third"} == {
        fact.key for fact in runs.facts(StepSucceeded)
    }


def test_no_branch_at_all_is_no_trouble(runs: Runs) -> None:
    """A computed list of branches may be empty."""

    @workflow
    def flow() -> list[str]:
        return parallel()

    assert [] == runs.start(flow).result


def test_a_closed_branch_is_not_entered_again(runs: Runs) -> None:
    """Resume returns its result; its plain code does not run either."""

    def branch() -> tuple[str, Size]:
        touch("code")
        return make("a"), Size(2)

    @workflow
    def flow() -> object:
        return [parallel(branch), do("stumble", fail_until, 2)]

    runs.start(flow)
    outcome = runs.start(flow)

    assert [[("a", Size(2))], 2] == outcome.result
    assert {"code": 1, "a": 1, "try": 2} == dict(CALLS)


def sized(width: int) -> Size:
    return Size(width)


def test_a_branch_with_arguments_knows_its_classes(runs: Runs, monkeypatch) -> None:
    """A later process finds the class of a recorded result by the function's annotations."""

    @workflow
    def flow() -> int:
        (size,) = parallel(("sized", sized, 3))
        do("stumble", fail_until, 2)
        return size.width

    runs.start(flow)
    monkeypatch.setattr(types, "_met", {})

    assert 3 == runs.start(flow).result


def test_all_run_to_the_end_before_any_failure_is_raised(runs: Runs) -> None:
    """Every failure is named, by its branch; what the others did is recorded."""
    caught: list[ParallelFailed] = []

    @workflow
    def flow() -> None:
        try:
            parallel(
                ("a", lambda: do("bad", lambda: 1 / 0)),
                ("b", lambda: make("b")),
                ("c", lambda: [][1]),
                at_once=1,
            )
        except ParallelFailed as failed:
            caught.append(failed)
            raise

    outcome = runs.start(flow)

    assert ("failed", 1) == (outcome.status, outcome.exit_code)
    assert ["a", "c"] == [label for label, _ in caught[0].failures]
    assert ["StepFailed", "IndexError"] == [type(e).__name__ for _, e in caught[0].failures]
    assert ["b"] == [fact.key for fact in runs.facts(ScopeClosed)]


def test_the_first_failure_is_told_with_its_kind(runs: Runs) -> None:
    """The text of a KeyError is only the key."""

    @workflow
    def flow() -> None:
        parallel(("a", lambda: {}["x"]), ("b", make, "b"))

    assert runs.start(flow).reason.endswith("branches failed: 'a'; first: KeyError: 'x'")


def test_duplicate_labels_are_refused_before_anything_starts(runs: Runs) -> None:
    """Two branches of one name would be one scope."""

    @workflow
    def flow() -> None:
        parallel(("a", make, "1"), ("a", make, "2"))

    outcome = runs.start(flow)

    assert 2 == outcome.exit_code
    assert {} == dict(CALLS)


@pytest.mark.parametrize("call", [lambda: 1, 5, ("a",), ("a", 5), (5, touch)])
def test_what_is_no_call_is_refused(runs: Runs, call: object) -> None:
    """A branch is a named function, or a label with a function."""

    @workflow
    def flow() -> None:
        parallel(("fine", make, "fine"), call)

    assert 2 == runs.start(flow).exit_code
    assert 0 == CALLS["fine"]


def test_two_parallels_of_the_same_branches(runs: Runs) -> None:
    """The second use of a label in a scope is numbered."""

    @workflow
    def flow() -> list[object]:
        return [parallel(("a", make, "1")), parallel(("a", make, "2"))]

    assert [["1"], ["2"]] == runs.start(flow).result
    assert ["a", "a#2"] == [fact.key for fact in runs.facts(ScopeClosed)]


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_at_most_so_many_run_at_once(runs: Runs, at_once: int) -> None:
    """`at_once` bounds the branches that are under way."""
    lock, running, most = threading.Lock(), [0], [0]
    full = threading.Barrier(at_once)

    def branch() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        full.wait()
        with lock:
            running[0] -= 1

    @workflow
    def flow() -> None:
        parallel(*[(f"b{n}", branch) for n in range(10)], at_once=at_once)

    assert "succeeded" == runs.start(flow).status
    assert at_once == most[0]


def test_at_once_is_at_least_one(runs: Runs) -> None:
    """Zero branches at once would never end."""

    @workflow
    def flow() -> None:
        parallel(("a", make, "1"), at_once=0)

    assert 2 == runs.start(flow).exit_code


def test_branches_may_hold_stages_and_branches(runs: Runs) -> None:
    """Keys are paths, however deep; `here()` works in each."""

    def unit(name: str) -> list[object]:
        with stage("flight"):
            found = parallel(("x", make, name), ("run", lambda: here().run_id))
        return [*found, make("end")]

    @workflow
    def flow() -> object:
        return parallel(("u1", unit, "1"), ("u2", unit, "2"))

    assert [["1", "r", "end"], ["2", "r", "end"]] == runs.start(flow).result
    assert "u2/flight/x/make 2" in {fact.key for fact in runs.facts(StepSucceeded)}


def test_holds_of_branches_have_ids_of_their_own(runs: Runs) -> None:
    """Two branches that ask at the same moment ask two questions."""

    @workflow
    def flow() -> list[object]:
        return parallel(*[(f"b{n}", confirm, f"q{n}") for n in range(8)])

    while runs.start(flow).status != "succeeded":
        for hold in runs.state.open_holds:
            runs.answer("approve", hold=hold.opened.id)
    opened = runs.facts(HoldOpened)

    assert len(opened) == len({fact.id for fact in opened})
    assert {f"q{n}" for n in range(8)} == {fact.question for fact in opened}
