"""Waits that no process sits out: when a life leaves them, and which runs are due."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import Retry, RunLocked, confirm, do, parallel, sleep, wait_for, workflow
from holdfast.app.due import PATIENCE_S, due_runs, interrupted_runs
from holdfast.app.holds import answer
from holdfast.app.starting import start
from holdfast.model.facts import LifeStarted, Owner, RunStopped, TimerSet, Who
from holdfast.model.inventory import Inventory, Target
from holdfast.runtime.context import FRAME
from holdfast.runtime.ownership import host_name
from holdfast.testing.samples import life_started

HOUR, DAY = 3_600, 86_400
DEAD = Owner(host_name(), 1, "another start", "", "tester")


@workflow
def sleeper() -> str:
    sleep("2h")
    return do("awake", touch, "awake")


def due(runs: Runs) -> list[str]:
    return [found.row.id for found in due_runs(runs.store, runs.clock.now())]


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


# --- which runs are due ---


@workflow
def asker(expires: str = "") -> str:
    confirm("go on?", expires=expires or None)
    return do("after", touch, "after")


def test_a_run_is_due_when_its_time_has_come(runs: Runs) -> None:
    """Not before; and then it goes on."""
    runs.start(sleeper, budget_s=1)
    early = runs.resume(sleeper, if_due=True)
    assert ([], "waiting", 75) == (due(runs), early.status, early.exit_code)
    runs.clock.jump(2 * HOUR)

    assert ["r"] == due(runs)
    assert "succeeded" == runs.resume(sleeper, if_due=True).status
    assert [] == due(runs)


def test_a_clock_that_is_set_moves_what_is_due(runs: Runs) -> None:
    """Put forward it is due; put back it is not; nothing is lost either way."""
    runs.start(sleeper, budget_s=1)
    runs.clock.step(3 * HOUR)
    assert ["r"] == due(runs)
    runs.clock.step(-3 * HOUR)
    assert [] == due(runs)
    assert "waiting" == runs.resume(sleeper, if_due=True).status
    runs.clock.jump(2 * HOUR)

    assert "succeeded" == runs.resume(sleeper, if_due=True).status
    assert 1 == CALLS["awake"]


def test_a_run_is_due_when_its_question_is_answered(runs: Runs) -> None:
    """By a person; while nobody has, it is no time that it waits for."""
    runs.start(asker)
    assert ("on_hold", 3) == _held(runs)
    assert [] == due(runs)
    runs.answer("approve")

    assert ["r"] == due(runs)
    assert "after" == runs.resume(asker, if_due=True).result


def _held(runs: Runs) -> tuple[str, int]:
    outcome = runs.resume(asker, if_due=True)
    return outcome.status, outcome.exit_code


def test_a_run_is_due_when_its_question_has_expired(runs: Runs) -> None:
    """It is asked anew, with a new time; so it is due once for each."""
    runs.start(asker, {"expires": "1h"})
    first = runs.row.due_at
    assert first == runs.hold().opened.expires_at
    runs.clock.jump(2 * HOUR)
    assert ["r"] == due(runs)
    runs.resume(asker, if_due=True)

    assert ("on_hold", []) == (runs.row.status, due(runs))
    assert runs.row.due_at == runs.hold().opened.expires_at > first


def test_one_yes_of_two_is_no_answer(runs: Runs) -> None:
    """The run waits for the other person still."""

    @workflow
    def flow() -> None:
        confirm("go on?", approvers=["ana", "ben"], quorum=2)

    runs.start(flow)
    answer(runs.store, "r", runs.clock, Who("ana", ""), "approve", hold="h1")
    assert [] == due(runs)
    answer(runs.store, "r", runs.clock, Who("ben", ""), "approve", hold="h1")

    assert ["r"] == due(runs)


@pytest.mark.parametrize("pause", [False, True])
def test_what_a_person_stopped_is_never_due(runs: Runs, pause: bool) -> None:
    """Not when its time comes, and not when its question is answered; a `resume` lifts it."""
    runs.start(sleeper, budget_s=1)
    runs.stop(pause=pause)
    runs.clock.jump(DAY)
    outcome = runs.resume(sleeper, if_due=True)

    assert ([], 3) == (due(runs), outcome.exit_code)
    assert 1 == len(runs.facts(LifeStarted))
    assert "succeeded" == runs.resume(sleeper).status


def test_a_stop_that_comes_while_it_is_taken_up_holds(runs: Runs) -> None:
    """Nobody's word is lost between the look and the first step."""
    runs.start(sleeper, budget_s=1)
    runs.clock.jump(DAY)
    real = runs.store.claim

    def claim(*args: Any, **options: Any) -> int | None:
        runs.store.claim = real
        runs.stop()
        return real(*args, **options)

    runs.store.claim = claim
    outcome = runs.resume(sleeper, if_due=True)

    assert ("stopped", 3, 0) == (outcome.status, outcome.exit_code, CALLS["awake"])


def test_two_at_the_same_time_take_it_up_once(runs: Runs) -> None:
    """Whoever looked before the other's whole life is refused, and changes nothing."""

    @workflow
    def flow() -> None:
        sleep("2h")
        do("between", touch, "between")
        confirm("go on?")

    runs.start(flow, budget_s=1)
    runs.clock.jump(DAY)
    stale, real = runs.row, runs.store.row

    def row(run: str) -> Any:
        runs.store.row = real
        runs.resume(flow, if_due=True)
        return stale

    runs.store.row = row
    with pytest.raises(RunLocked):
        runs.resume(flow, if_due=True)

    assert (2, 1) == (len(runs.facts(LifeStarted)), CALLS["between"])


def test_what_failed_is_not_due(runs: Runs) -> None:
    """A person looks at it first."""

    @workflow
    def flow() -> None:
        sleep("1h")
        do("stumble", fail_until, 9)

    runs.start(flow)
    runs.clock.jump(DAY)
    outcome = runs.resume(flow, if_due=True)

    assert ([], 1) == (due(runs), outcome.exit_code)
    assert 1 == CALLS["try"]


def test_what_died_is_named_and_left(runs: Runs) -> None:
    """Also in a wait: nobody knows yet what killed it."""
    runs.start(sleeper, budget_s=1)
    fact = life_started(runs.row.epoch + 1, owner=DEAD, at=runs.clock.now())
    runs.store.claim("r", fact, after=runs.state.seq, expected_epoch=runs.row.epoch)
    runs.clock.jump(DAY)
    outcome = runs.resume(sleeper, if_due=True)

    assert ("interrupted", 3) == (outcome.status, outcome.exit_code)
    assert ([], ["r"]) == (due(runs), [row.id for row in interrupted_runs(runs.store)])


def test_a_living_owner_is_left_alone(runs: Runs) -> None:
    """Whatever its row says of the time before."""
    runs.start(sleeper, budget_s=1)
    runs.clock.jump(DAY)
    runs.owned_by_a_living_process()

    assert [] == due(runs)
    assert 5 == runs.resume(sleeper, if_due=True).exit_code
    assert [] == interrupted_runs(runs.store)


def test_a_run_whose_target_another_has_is_not_due(runs: Runs) -> None:
    """It cannot go on; cron need not say so every minute."""
    inventory = Inventory(targets={"db": Target("db")})
    setting = replace(runs.setting, budget_s=1, inventory=inventory)
    start(setting, sleeper, {}, id="one", target="db")
    start(setting, sleeper, {}, id="two", target="db", steal="it is needed")
    runs.clock.jump(DAY)

    assert ["two"] == due(runs)


def test_the_longest_due_goes_first(runs: Runs) -> None:
    """So that none is left behind by those that come again and again."""

    @workflow
    def flow(hours: int) -> None:
        sleep(timedelta(hours=hours))

    for hours in (3, 1, 2):
        runs.start(flow, {"hours": hours}, id=f"r{hours}", budget_s=1)
    runs.clock.jump(DAY)

    assert ["r1", "r2", "r3"] == due(runs)
