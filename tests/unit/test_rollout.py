"""Rollouts: units in waves, how many may fail, what comes between, and what a later life finds."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.probes import says
from tests.unit.rolling import BROKEN, fleet, statuses, upgrade
from tests.unit.runs import CALLS, Runs, Says, touch

from holdfast import confirm, do, gate, rollout, workflow
from holdfast.app.reasons import why
from holdfast.model.facts import (
    FailuresGranted,
    HoldOpened,
    ScopeClosed,
    UnitFailed,
)


@pytest.fixture(autouse=True)
def _nothing_is_broken() -> None:
    BROKEN.clear()


def order(runs: Runs) -> list[str]:
    """Return the units in the order in which they ended."""
    closed = runs.facts(ScopeClosed)
    return [fact.key.rpartition("/")[2] for fact in closed if fact.kind == "unit"]


# --- units ------------------------------------------------------------------------------------


def test_each_unit_is_a_scope_and_its_result_is_kept(runs: Runs) -> None:
    """Under its own key, whatever wave it is in; in order."""
    outcome = runs.start(fleet(waves=[1, "50%", "rest"]))

    assert "succeeded" == outcome.status
    assert {f"n{n}": f"n{n} upgraded" for n in range(1, 5)} == outcome.result.done
    assert "flight/n3/upgrade n3" in runs.state.steps
    assert "unit" == runs.state.scopes["flight/n3"].kind
    assert ["n1", "n2", "n3", "n4"] == order(runs)


def test_a_unit_that_is_done_is_not_entered_again(runs: Runs) -> None:
    """A later life returns its result, and none of its code runs."""

    def one(node: str) -> str:
        touch(f"entered {node}")
        return upgrade(node)

    BROKEN.add("n2")
    runs.start(fleet(one=one))
    BROKEN.clear()
    runs.rearm("flight/n2/upgrade n2")
    outcome = runs.resume(fleet(one=one))

    assert "n1 upgraded" == outcome.result["n1"]
    assert (1, 2) == (CALLS["entered n1"], CALLS["entered n2"])


def test_units_of_a_wave_run_side_by_side_and_apart(runs: Runs) -> None:
    """At most so many at once, and never two of one rack."""
    lock, now, most, racks = threading.Lock(), set[str](), [0], list[set[str]]()
    both = threading.Barrier(2, timeout=10)

    def rack(node: str) -> str:
        return "a" if node in ("n1", "n2") else node

    def one(node: str) -> None:
        with lock:
            now.add(node)
            most[0] = max(most[0], len(now))
            racks.append({rack(other) for other in now} if len(now) > 1 else set())
            assert len({rack(other) for other in now}) == len(now)
        do("wait", both.wait)
        with lock:
            now.discard(node)

    outcome = runs.start(fleet(4, one=one, at_once=2, apart=rack))

    assert "succeeded" == outcome.status, outcome.reason
    assert 2 == most[0]


def test_two_rollouts_may_have_the_same_units(runs: Runs) -> None:
    """Each unit of the second has a scope of its own."""

    @workflow
    def flow() -> int:
        return len(rollout(["a"], upgrade)) + len(rollout(["a"], upgrade))

    assert 2 == runs.start(flow).result
    assert {"a/upgrade a", "a#2/upgrade a"} == set(runs.state.steps)
    assert {"rollout", "rollout#2"} == set(runs.state.rollouts)


@pytest.mark.parametrize(
    "rules",
    [{"waves": [1]}, {"at_once": 0}, {"budget": -1}, {"gates": [3]}, {"between": 3}, {"soak": "x"},
     {"window": "sometimes"}, {"between": lambda wave: None}, {"gates": [lambda: True]}],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_done(
    runs: Runs, rules: dict[str, Any]
) -> None:
    """As a mistake of the script's."""
    outcome = runs.start(fleet(**rules))

    assert ("failed", 2) == (outcome.status, outcome.exit_code)
    assert {} == dict(CALLS)


# --- the budget ---------------------------------------------------------------------------------


def test_one_failed_unit_too_many_holds(runs: Runs) -> None:
    """Exit 4; what was not begun is not reached, and the report says so."""
    BROKEN.add("n2")
    outcome = runs.start(fleet())

    assert ("on_hold", 4) == (outcome.status, outcome.exit_code)
    assert ["done", "failed", "not reached", "not reached"] == list(statuses(runs).values())
    assert "budget" == runs.hold().opened.kind
    assert ["flight/n3", "flight/n4"] == runs.hold().opened.evidence["not_reached"]
    assert ("retry", "r", "flight/n2/upgrade n2") in [w.argv for w in why(runs.store, "r").next]


def test_within_the_budget_the_rollout_goes_on_and_says_who_failed(runs: Runs) -> None:
    """Over all waves together."""
    BROKEN.update(("n1", "n3"))
    outcome = runs.start(fleet(waves=[2, "rest"], budget=2))

    assert "succeeded" == outcome.status
    assert (["n2", "n4"], ["n1", "n3"]) == (list(outcome.result.done), list(outcome.result.failed))


def test_the_budget_is_over_all_waves(runs: Runs) -> None:
    """One in the first wave and one in the second are two."""
    BROKEN.update(("n1", "n3"))
    outcome = runs.start(fleet(waves=[2, "rest"], budget=1))

    assert 4 == outcome.exit_code
    assert "not reached" == statuses(runs)["n4"]


def test_a_yes_goes_on_without_those_that_failed_and_grants_the_budget_anew(runs: Runs) -> None:
    """Each later one counts again."""
    BROKEN.update(("n2", "n3"))
    runs.start(fleet())
    runs.answer("approve", comment="n2 is broken hardware")
    again = runs.resume(fleet())
    runs.answer("approve")
    outcome = runs.resume(fleet())

    assert (4, "succeeded") == (again.exit_code, outcome.status)
    assert ["n1", "n4"] == list(outcome.result.done)
    assert [("flight/n2",), ("flight/n2", "flight/n3")] == [
        fact.units for fact in runs.facts(FailuresGranted)
    ]
    assert 1 == CALLS["n2"]


def test_retry_of_what_failed_takes_the_unit_up_again(runs: Runs) -> None:
    """And the hold is no more; the others follow."""
    BROKEN.add("n2")
    runs.start(fleet())
    BROKEN.clear()
    runs.rearm("flight/n2")
    outcome = runs.resume(fleet())

    assert "succeeded" == outcome.status
    assert {"n1": 1, "n2": 2, "n3": 1, "n4": 1} == dict(CALLS)
    assert [] == runs.state.open_holds


def test_a_resume_alone_asks_again_and_begins_nothing(runs: Runs) -> None:
    """The unit that failed is not repeated, and no other is reached."""
    BROKEN.add("n2")
    runs.start(fleet())
    outcome = runs.resume(fleet(at_once=1))

    assert 4 == outcome.exit_code
    assert {"n1": 1, "n2": 1} == dict(CALLS)
    assert 1 == len(runs.facts(HoldOpened)) == len(runs.facts(UnitFailed))


def test_a_no_ends_the_run(runs: Runs) -> None:
    """It is asked again when the run is resumed; a rollout is no step that could have failed."""
    BROKEN.add("n1")
    runs.start(fleet())
    steps = set(runs.state.steps)
    runs.answer("reject", comment="stop here")

    assert ("failed", steps) == (runs.row.status, set(runs.state.steps))
    assert 4 == runs.resume(fleet()).exit_code


def test_units_that_run_beside_a_failed_one_are_brought_to_their_end(runs: Runs) -> None:
    """Only what was not begun is not reached."""
    both = threading.Barrier(2, timeout=10)

    def one(node: str) -> str:
        if node in ("n1", "n2"):
            do("meet", both.wait)
        return upgrade(node)

    BROKEN.add("n1")
    runs.start(fleet(one=one, at_once=2))
    found = statuses(runs)

    assert ("failed", "done") == (found["n1"], found["n2"])
    assert "in flight" not in found.values()


def test_an_error_of_the_script_in_a_unit_is_its_failure_and_is_tried_again(runs: Runs) -> None:
    """No step failed, so the next life enters the unit anew, before any other."""

    def one(node: str) -> str:
        if node in BROKEN:
            raise KeyError(node)
        return upgrade(node)

    BROKEN.add("n2")
    first = runs.start(fleet(one=one))
    BROKEN.clear()

    assert 4 == first.exit_code
    assert "succeeded" == runs.resume(fleet(one=one)).status


def test_a_person_s_no_to_a_step_is_no_failure_of_the_unit(runs: Runs) -> None:
    """It ends the run, like every no."""

    def one(node: str) -> None:
        confirm(f"{node}?")

    outcome = runs.start(fleet(one=one), person=Says("reject", comment="not now"))

    assert ("failed", 1) == (outcome.status, outcome.exit_code)
    assert [] == runs.facts(UnitFailed)


def test_a_gate_that_holds_in_a_unit_holds_the_run(runs: Runs) -> None:
    """The unit waits, the others are not reached; when it passes all go on."""

    def one(node: str) -> None:
        upgrade(node)
        gate("p99", probe, below=10)

    probe = says(5, 11, 5)
    outcome = runs.start(fleet(one=one))

    assert 4 == outcome.exit_code
    assert ["done", "waiting", "not reached", "not reached"] == list(statuses(runs).values())
    runs.rearm("flight/n2/p99")
    assert "succeeded" == runs.resume(fleet(one=one)).status


# --- many that fail ---------------------------------------------------------------------------


@pytest.fixture
def _threads_take_turns_often() -> Iterator[None]:
    """As if each of them had to wait for a disk at every line."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_threads_take_turns_often")
def test_many_units_that_fail_side_by_side_are_all_brought_to_their_end(runs: Runs) -> None:
    """Who has failed is counted while the others go on recording."""
    names = [f"n{n}" for n in range(1, 251)]
    BROKEN.update(names)
    outcome = runs.start(fleet(250, at_once=8, budget=249))

    assert (4, dict.fromkeys(names, "failed")) == (outcome.exit_code, statuses(runs))
    assert set(names) == {fact.key.rpartition("/")[2] for fact in runs.facts(UnitFailed)}
    assert dict.fromkeys(names, 1) == CALLS
