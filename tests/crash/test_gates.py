"""Killed beside every effect, a gate forgets no failure and takes no sample for what it is not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from holdfast import Reading, do, gate, measure, workflow
from holdfast.app import commands
from holdfast.errors import Leaving
from holdfast.flow.running import Outcome
from holdfast.flow.workflows import Workflow
from holdfast.model.facts import GateOverridden, SampleTaken, StepSucceeded
from holdfast.stores.memory import MemoryStore
from holdfast.testing.clock import JumpClock
from holdfast.testing.crash import MOMENTS, TESTER, live_once, sweep


class Spy:
    """A probe whose bad minute comes once."""

    window = "1m"

    def __init__(self, clock: JumpClock, *values: float | None) -> None:
        self.clock, self.values, self.asked = clock, values, 0

    def __call__(self) -> Reading:
        value = self.values[min(self.asked, len(self.values) - 1)]
        self.asked += 1
        return Reading(value, self.clock.now())


def watched(spy: Spy, **rules: Any) -> Workflow[..., Any]:
    @workflow(name="watched")
    def flow() -> float:
        base = measure("base", lambda: 5, span="10s")
        do("change", lambda: None)
        gate("p99", spy, below=2 * base.mean, **{"timeout": "10d", **rules})
        return base.mean

    return flow


def test_a_gate_ends_as_in_calm_weather() -> None:
    """Whenever the process dies: with all its samples, none of them counted twice."""
    clock = JumpClock()
    spy = Spy(clock)

    def reset() -> None:
        spy.values, spy.asked = (None, 4.0, math.nan, 5.0, 6.0), 0

    def verdict(outcome: Outcome, at: int, when: str, store: Any) -> None:
        facts = [stored.fact for stored in store.read("r")]
        passed = [f for f in facts if isinstance(f, SampleTaken) and f.verdict == "pass"]
        assert ("succeeded", 5.0) == (outcome.status, outcome.result), (at, when)
        assert 3 == len([f for f in passed if f.key == "p99"]), (at, when)
        assert 3 == len([f for f in facts if isinstance(f, StepSucceeded)]), (at, when)

    reset()
    runs = sweep(watched(spy, samples=3), MemoryStore, verdict, reset=reset, clock=clock)

    assert runs > 60


@pytest.mark.parametrize("when", MOMENTS)
def test_a_recorded_failure_survives_every_death(when: Any) -> None:
    """Once it is in the journal the gate never passes by itself, though all that follows is good:
    a person has to say so."""
    clock, at, failed = JumpClock(), 0, 0
    while True:
        at += 1
        store, spy = MemoryStore(), Spy(clock, 4.0, 11.0, 4.0)
        flow = watched(spy, samples=3)
        outcome, _ = live_once(flow, store, fuse_at=at, when=when, clock=clock)
        facts = [stored.fact for stored in store.read("r")]
        was_failed = any(isinstance(f, SampleTaken) and f.verdict == "fail" for f in facts)
        if outcome is not None:
            break
        spy.asked = 2
        outcome, _ = live_once(flow, store, clock=clock)
        facts = [stored.fact for stored in store.read("r")]
        overridden = [f for f in facts if isinstance(f, GateOverridden)]
        if was_failed:
            failed += 1
            assert overridden, (at, when)
        assert outcome is not None and outcome.status == "succeeded"

    assert failed > 3


def test_a_retry_between_two_deaths_takes_every_sample_anew() -> None:
    """What was seen before it does not count, however the process that takes them dies."""
    clock = JumpClock()
    for at in range(1, 60):
        store, spy = MemoryStore(), Spy(clock, 11.0, 4.0)
        flow = watched(spy, samples=2)
        live_once(flow, store, clock=clock, person=Away())
        commands.rearm(store, "r", "p99", clock, TESTER)
        outcome, _ = live_once(flow, store, fuse_at=at, clock=clock, person=Away())
        while outcome is None:
            outcome, _ = live_once(flow, store, clock=clock, person=Away())
        facts = [stored.fact for stored in store.read("r") if isinstance(stored.fact, SampleTaken)]

        assert "succeeded" == outcome.status, at
        assert ["fail", "pass", "pass"] == [f.verdict for f in facts if f.key == "p99"], at


class Away:
    """Nobody is there: a hold parks the run."""

    def attend(self, run: str, state: Any, holds: Any) -> None:
        raise Leaving("waits for a person", 3, "park")
