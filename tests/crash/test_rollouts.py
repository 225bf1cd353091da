"""Killed beside every effect, a rollout ends as in calm weather and no unit is done twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

from holdfast import Gate, Results, do, flight, rollout, workflow
from holdfast.flow.running import Outcome
from holdfast.flow.workflows import Workflow
from holdfast.model.facts import (
    FailuresGranted,
    RolloutPlanned,
    ScopeClosed,
    StepSucceeded,
    UnitFailed,
)
from holdfast.stores.memory import MemoryStore
from holdfast.testing.clock import JumpClock
from holdfast.testing.crash import sweep

DONE: Counter[str] = Counter()


def one(node: str) -> str:
    do(f"drain {node}", lambda: DONE.update([node]))
    if node == "n2":
        do("ready", lambda: 1 // 0)
    return do(f"start {node}", lambda: f"{node} is up")


def calm() -> bool:
    return True


def upgrade(**rules: Any) -> Workflow[..., Any]:
    @workflow(name="upgrade")
    def flow() -> Results:
        with flight():
            return rollout(["n1", "n2", "n3", "n4"], one, **rules)

    return flow


def judge(outcome: Outcome, at: int, when: str, store: Any) -> None:
    """Every unit that can be is done, once, and each fact that says so stands once."""
    facts = [stored.fact for stored in store.read("r")]
    closed = [f.key for f in facts if isinstance(f, ScopeClosed) and f.kind == "unit"]
    steps = Counter(f.key for f in facts if isinstance(f, StepSucceeded))
    assert "succeeded" == outcome.status, (at, when, outcome.reason)
    assert ["n1", "n3", "n4"] == sorted(outcome.result.done), (at, when)
    assert ["n2"] == list(outcome.result.failed), (at, when)
    assert 3 == len(closed) == len(set(closed)), (at, when)
    assert {1} == set(steps.values()), (at, when)
    assert 1 == sum(isinstance(f, UnitFailed) for f in facts), (at, when)
    assert 1 == len([f for f in facts if isinstance(f, RolloutPlanned)]), (at, when)


def test_waves_with_a_soak_and_gates_survive_every_death() -> None:
    """With one unit that fails within the budget."""
    watch = Gate("calm", calm, every="10m", timeout="10d")
    flow = upgrade(waves=[1, "rest"], budget=1, soak="20m", gates=[watch])
    clock = JumpClock()
    runs = sweep(flow, MemoryStore, judge, reset=DONE.clear, clock=clock)

    assert runs > 100


def test_a_budget_that_is_used_up_survives_every_death() -> None:
    """The person's yes is to exactly the units that failed, and is given once."""

    def verdict(outcome: Outcome, at: int, when: str, store: Any) -> None:
        judge(outcome, at, when, store)
        granted = [s.fact for s in store.read("r") if isinstance(s.fact, FailuresGranted)]
        assert [("flight/n2",)] == [fact.units for fact in granted], (at, when)

    sweep(upgrade(), MemoryStore, verdict, reset=DONE.clear, clock=JumpClock())


def test_units_side_by_side_survive_every_death() -> None:
    """Their threads die with the process; what each had in hand is taken up again."""
    sweep(upgrade(at_once=2, budget=1), MemoryStore, judge, reset=DONE.clear, clock=JumpClock())
