"""Waits that no process sits out: when a life leaves them, and which runs are due."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.resting import due, sleeper
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import Retry, confirm, do, parallel, sleep, wait_for, workflow
from holdfast.app.due import PATIENCE_S
from holdfast.model.facts import Owner, RunStopped, TimerSet
from holdfast.runtime.context import FRAME
from holdfast.runtime.ownership import host_name

HOUR, DAY = 3_600, 86_400
DEAD = Owner(host_name(), 1, "another start", "", "tester")


def on_timer(runs: Runs, act: Any) -> Any:
    """Return a listener that acts once a wait has begun."""

    def fact(fact: object, state: object) -> None:
        if isinstance(fact, TimerSet):
            act()

    def nothing(*_: object) -> None: ...

    return SimpleNamespace(fact=fact, progress=nothing, output=nothing, note=nothing)


# --- when a life leaves a wait ---


def test_a_wait_that_outlasts_the_budget_is_left_at_once(runs: Runs) -> None:
    """Nothing is gained by sitting there; the row says when it can go on."""
    before = runs.clock.now()
    outcome = runs.start(sleeper, budget_s=HOUR)

    assert ("waiting", 75) == (outcome.status, outcome.exit_code)
    assert runs.clock.now() - before < timedelta(minutes=1)
    assert runs.row.due_at == runs.step("sleep 2h").next_at is not None
    assert "waits until" in outcome.reason


def test_a_wait_that_ends_within_the_budget_is_waited_for(runs: Runs) -> None:
    """The same command need not be run again for it."""
    assert "succeeded" == runs.start(sleeper, budget_s=3 * HOUR).status


def test_without_a_budget_a_run_stays_and_waits(runs: Runs) -> None:
    """Nobody may be there to take it up again."""
    assert "succeeded" == runs.start(sleeper).status
    assert not runs.facts(RunStopped)


def test_a_run_that_lives_again_is_not_due(runs: Runs) -> None:
    """The time is forgotten with the first fact of the next life."""
    runs.start(sleeper, budget_s=1)
    runs.owned_by_a_living_process()

    assert ("running", None) == (runs.row.status, runs.row.due_at)


@pytest.mark.parametrize("word", ["stopped", "paused"])
def test_a_stop_in_a_wait_is_a_persons(runs: Runs, word: str) -> None:
    """It is not the time that the run waits for, from then on."""
    listener = on_timer(runs, lambda: runs.stop(pause=word == "paused"))
    outcome = runs.start(sleeper, listeners=[listener])

    assert (word, 3, None) == (outcome.status, outcome.exit_code, runs.row.due_at)


@pytest.mark.parametrize(("code", "status"), [(143, "waiting"), (129, "waiting"), (130, "stopped")])
def test_a_signal_in_a_wait(runs: Runs, code: int, status: str) -> None:
    """A machine that shuts down takes the process, not the wait; Ctrl-C is a person's hand."""

    def leave() -> None:
        life = FRAME.get().life
        with life.lanes.waiting(runs.step("sleep 2h").next_at):
            life.leave("received", code, "signal")

    outcome = runs.start(sleeper, listeners=[on_timer(runs, leave)])

    assert (status, code) == (outcome.status, outcome.exit_code)
    assert (status == "waiting") == (runs.row.due_at is not None)


def test_a_stop_beside_a_signal_is_a_persons_still(runs: Runs) -> None:
    """`stop --now` signals before the process has read the stop."""

    def leave() -> None:
        life = FRAME.get().life
        with life.lanes.waiting(runs.step("sleep 2h").next_at):
            life.leave("SIGTERM received", 143, "signal")
        runs.stop(now=True)

    runs.start(sleeper, listeners=[on_timer(runs, leave)])

    assert ("stopped", None) == (runs.row.status, runs.row.due_at)


def test_a_store_that_is_lost_in_a_wait_ends_the_life(runs: Runs) -> None:
    """The script cannot catch that and go on: nothing of what it did could be recorded."""

    @workflow
    def flow() -> None:
        with suppress(Exception):
            sleep("2h")
        touch("after")

    outcome = runs.start(flow, listeners=[on_timer(runs, runs.store.close)])

    assert (74, 0) == (outcome.exit_code, CALLS["after"])


def test_a_retrys_wait_is_left_too(runs: Runs) -> None:
    """With the time of the next attempt, which costs none."""

    @workflow
    def flow() -> int:
        return do("stumble", fail_until, 2, retry=Retry(attempts=2, first="1h", most="1h"))

    runs.start(flow, budget_s=60)
    assert ("waiting", runs.step("stumble").next_at) == (runs.row.status, runs.row.due_at)
    runs.clock.jump(HOUR * 2)

    assert 2 == runs.start(flow).result


def test_a_probe_is_asked_again_by_a_later_life(runs: Runs) -> None:
    """A wait for the world is due when it would have been asked again."""

    @workflow
    def flow() -> object:
        return wait_for("ready", lambda: touch("look") and CALLS["ready"], every="10m")

    runs.start(flow, patience_s=PATIENCE_S)
    left = runs.row.due_at - runs.clock.now()
    assert (1, "waiting") == (CALLS["look"], runs.row.status)
    runs.clock.jump(600)
    CALLS["ready"] = 1

    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    assert ["r"] == due(runs)
    assert 1 == runs.resume(flow, if_due=True).result


def test_patience_is_for_short_waits_and_runs_out(runs: Runs) -> None:
    """A few seconds are waited for, again and again, but not more than so many in all."""

    @workflow
    def flow() -> None:
        for _ in range(100):
            sleep("500ms")

    before = runs.clock.now()
    outcome = runs.start(flow, patience_s=PATIENCE_S)
    done = sum(step.is_finished for step in runs.state.steps.values())

    assert "waiting" == outcome.status
    assert 2 <= done <= 100
    assert runs.clock.now() - before >= timedelta(seconds=1)


# --- lanes ---


def test_a_wait_does_not_stop_what_runs_beside_it(runs: Runs) -> None:
    """The life leaves when nothing but waits is left, and is due at the first of them."""

    def work() -> None:
        for number in range(20):
            do(f"step {number}", touch, "work")

    @workflow
    def flow() -> None:
        parallel(("long", sleep, "300d"), ("short", sleep, "200d"), ("work", work))

    # The clock runs fast while a branch sleeps; the work is done long before.
    outcome = runs.start(flow, budget_s=100 * DAY)

    assert ("waiting", 20) == (outcome.status, CALLS["work"])
    assert runs.row.due_at == runs.step("short/sleep 200d").next_at


def test_the_end_of_a_budget_beside_a_wait_leaves_work(runs: Runs) -> None:
    """Not `waiting`: the same command goes on at once with what was not done."""

    def work() -> None:
        do("slow", lambda: runs.clock.jump(2 * HOUR))
        do("never", touch, "never")

    @workflow
    def flow() -> None:
        parallel(("sleeps", sleep, "9h"), ("works", work))

    outcome = runs.start(flow, budget_s=HOUR)

    assert ("stopped", 75, None) == (outcome.status, outcome.exit_code, runs.row.due_at)
    assert 0 == CALLS["never"]


def test_a_check_that_was_given_up_on_keeps_nobody(runs: Runs) -> None:
    """Its thread may run for ever; the wait after it is left all the same."""
    from threading import Event

    over = Event()

    def looking() -> None:
        runs.clock.jump(60)
        over.wait(20)

    @workflow
    def flow() -> None:
        retry = Retry(attempts=2, first="5h", most="5h")
        do("stumble", fail_until, 9, check=looking, retry=retry)

    outcome = runs.start(flow, budget_s=HOUR)
    over.set()

    assert "waiting" == outcome.status


def test_a_question_beside_a_sleep_is_due_with_the_sleep(runs: Runs) -> None:
    """The branch that slept may go on at its time, whether or not anybody answered; once, not
    at every look."""

    @workflow
    def flow() -> None:
        parallel(("sleeps", sleep, "2h"), ("asks", confirm, "go on?"))

    while "sleeps/sleep 2h" not in runs.state.steps:  # the branch that asks may be first
        runs.start(flow)
    assert ("on_hold", []) == (runs.row.status, due(runs))
    runs.clock.jump(3 * HOUR)
    assert ["r"] == due(runs)
    runs.resume(flow, if_due=True)

    assert ("on_hold", []) == (runs.row.status, due(runs))
