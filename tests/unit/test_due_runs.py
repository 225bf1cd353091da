"""Which runs go on without a person, when somebody asks for those that are due."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.resting import due, sleeper
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import RunLocked, confirm, do, sleep, workflow
from holdfast.app.due import interrupted_runs
from holdfast.app.holds import answer
from holdfast.app.starting import start
from holdfast.model.facts import LifeStarted, Owner, Who
from holdfast.model.inventory import Inventory, Target
from holdfast.runtime.ownership import host_name
from holdfast.testing.samples import life_started

HOUR, DAY = 3_600, 86_400
DEAD = Owner(host_name(), 1, "another start", "", "tester")


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
