"""Bodies that take longer than they may, and a clock that is set meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from tests.unit.runs import CALLS, Runs, touch

from holdfast import do, sh, workflow
from holdfast.model.facts import AttemptFailed, StepSucceeded
from holdfast.runtime.clock import SystemClock
from holdfast.testing.clock import JumpClock


def test_a_step_that_takes_too_long_is_ended(runs: Runs) -> None:
    """Its programs are killed, and it fails with the limit it had."""

    @workflow
    def flow() -> None:
        do("slow", lambda: sh("sleep", "60"), timeout="50ms")

    runs.setting = replace(runs.setting, clock=SystemClock())
    outcome = runs.start(flow)

    assert ("failed", 1) == (outcome.status, outcome.exit_code)
    assert "timed out after 0.05 s" == runs.step("slow").error
    assert "TimeoutError" == runs.step("slow").error_type


class WatchedClock(JumpClock):
    """Lets a body wait until it is waited for: the time is looked at again and again then."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = threading.Semaphore(0)

    def monotonic(self) -> float:
        if threading.current_thread() is threading.main_thread():
            self.looks.release()
        return super().monotonic()

    def wait_until_waited_for(self) -> None:
        self.looks = threading.Semaphore(0)
        for _ in range(3):
            assert self.looks.acquire(timeout=60)


@pytest.mark.parametrize("hours", [1, -1])
def test_the_clock_being_set_takes_no_grace_from_a_body(hours: int, runs: Runs) -> None:
    """It ends when its programs are killed, and is tried again as after any timeout."""

    def body() -> None:
        if touch("body") and CALLS["body"] == 1:
            clock.wait_until_waited_for()
            clock.step(hours * 3600)
            clock.jump(61)
            sh("sleep", "60")

    @workflow
    def flow() -> None:
        do("slow", body, timeout="1m", retry=2)

    clock = WatchedClock()
    runs.setting = replace(runs.setting, clock=clock)
    assert ("succeeded", 2) == (runs.start(flow).status, CALLS["body"])
    assert ["timed out after 60 s"] == [fact.message for fact in runs.facts(AttemptFailed)]


@pytest.mark.parametrize("hours", [0, 1, -1])
def test_a_step_that_does_not_end_is_given_up_on(hours: int, runs: Runs) -> None:
    """Five seconds after the limit it is recorded as perhaps still running, also when the clock is
    set meanwhile; nothing is tried again beside it."""
    release = threading.Event()

    def body() -> None:
        touch("stuck")
        clock.wait_until_waited_for()
        clock.step(hours * 3600)
        while not release.wait(0.005):
            clock.jump(1)

    @workflow
    def flow() -> None:
        do("stuck", body, timeout="1m", retry=3)

    clock = WatchedClock()
    runs.setting = replace(runs.setting, clock=clock)
    outcome = runs.start(flow)
    took_s = clock.monotonic()
    release.set()

    assert ("failed", 1) == (outcome.status, outcome.exit_code)
    assert "timed out after 60 s; it may still be running" == runs.step("stuck").error
    assert 1 == CALLS["stuck"] and 65 <= took_s < 1_000


def test_a_step_within_its_limit_is_as_any_other(runs: Runs) -> None:
    """A timeout alone changes neither the result nor what is recorded."""

    @workflow
    def flow() -> str:
        return do("quick", touch, "quick", timeout="1h")

    assert "quick" == runs.start(flow).result
    assert ["quick"] == [fact.key for fact in runs.facts(StepSucceeded)]
