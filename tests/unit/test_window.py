"""`window`: a run goes on inside it, over however many lives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import do, parallel, sleep, step, window, workflow
from holdfast.app.planning import plan
from holdfast.flow import verbs
from holdfast.model import windows
from holdfast.model.facts import TimerSet

SPEC = "Tue-Thu 09:00-16:00 Europe/Berlin"
OPENS = datetime(2030, 1, 1, 8, tzinfo=UTC)
"""The clock of the tests starts on that Tuesday, at midnight UTC."""
HOUR = 3_600


@workflow
def guarded(spec: str = SPEC) -> str:
    do("before", touch, "before")
    window(spec)
    return do("inside", touch, "inside")


def flow_that_fails(tries: int) -> Any:
    @workflow(name="guarded")
    def failing() -> int:
        window(SPEC)
        return do("inside", fail_until, tries)

    return failing


def test_a_run_goes_on_when_its_window_opens(runs: Runs) -> None:
    """And not before."""
    assert "inside" == runs.start(guarded).result
    assert runs.step("inside").started_at >= OPENS


def test_inside_there_is_no_wait(runs: Runs) -> None:
    """It is recorded that it was so."""
    runs.clock.step(10 * HOUR)
    before = runs.clock.now()
    runs.start(guarded)

    assert runs.clock.now() - before < timedelta(seconds=1)
    assert ["window"] == [fact.key for fact in runs.facts(TimerSet)]


def test_a_closed_window_is_left_to_a_later_life(runs: Runs) -> None:
    """The moment it opens is durable; a life that comes then goes on at once."""
    runs.start(guarded, budget_s=HOUR)
    assert ("waiting", OPENS) == (runs.row.status, runs.row.due_at)
    runs.clock.step(9 * HOUR)
    runs.resume(guarded, if_due=True)

    assert ("succeeded", 1) == (runs.row.status, CALLS["before"])


def test_a_life_that_comes_too_late_waits_for_the_next_opening(runs: Runs) -> None:
    """That it was open once is not enough."""
    runs.start(guarded, budget_s=HOUR)
    runs.clock.step(20 * HOUR)
    runs.start(guarded, budget_s=HOUR)

    assert OPENS + timedelta(days=1) == runs.row.due_at
    assert 0 == CALLS["inside"]


def test_a_window_that_was_not_used_must_be_open_again(runs: Runs) -> None:
    """A resume at night does not begin what was to begin by day."""
    failing = flow_that_fails(2)
    runs.start(failing)
    runs.clock.step(12 * HOUR)
    runs.start(failing, budget_s=HOUR)
    assert ("waiting", 1) == (runs.row.status, CALLS["try"])

    assert 2 == runs.start(failing).result
    assert OPENS + timedelta(days=1) <= runs.step("inside").started_at


def test_a_window_that_was_used_is_behind_the_run(runs: Runs) -> None:
    """What comes after something finished is not held up by it."""

    @workflow
    def flow() -> None:
        with_window()
        do("stumble", fail_until, 2)

    def with_window() -> None:
        window(SPEC)
        do("inside", touch, "inside")

    runs.start(flow)
    runs.clock.step(12 * HOUR)

    assert "succeeded" == runs.start(flow, budget_s=60).status


def test_a_window_guards_its_own_scope(runs: Runs) -> None:
    """What another branch has finished meanwhile says nothing about it."""

    def guarded_one() -> None:
        window(SPEC)
        do("stumble", fail_until, 2)

    def other() -> None:
        sleep("8h")  # the window opens at the same time
        do("work", touch, "work")

    @workflow
    def flow() -> None:
        parallel(("a", guarded_one), ("b", other))

    runs.start(flow)
    runs.clock.step(12 * HOUR)
    runs.start(flow, patience_s=60)

    assert ("waiting", 1, 1) == (runs.row.status, CALLS["try"], CALLS["work"])


@pytest.mark.parametrize("verb", ["retry", "done"])
def test_a_person_ends_the_wait(runs: Runs, verb: str) -> None:
    """`retry STEP` or `done STEP`: they know why it must be now."""
    runs.start(guarded, budget_s=60)
    runs.rearm("window") if verb == "retry" else runs.done("window")

    assert "succeeded" == runs.start(guarded, budget_s=60).status


def test_what_a_person_said_of_a_window_stays_said(runs: Runs) -> None:
    """A later life does not close it again."""
    failing = flow_that_fails(2)
    runs.start(failing, budget_s=60)
    runs.done("window")
    runs.start(failing, budget_s=60)

    assert 2 == runs.start(failing, budget_s=60).result


def test_a_clock_that_is_put_back_closes_it_again(runs: Runs) -> None:
    """What counts is the time when the run would go on."""
    runs.start(guarded, budget_s=60)
    runs.clock.step(9 * HOUR)
    runs.clock.step(-5 * HOUR)
    runs.start(guarded, budget_s=60)
    assert ("waiting", OPENS) == (runs.row.status, runs.row.due_at)
    runs.clock.step(-24 * 7 * HOUR)
    runs.start(guarded, budget_s=60)

    assert OPENS - timedelta(days=7) == runs.row.due_at


def test_an_edited_window_counts_from_the_next_life_on(runs: Runs) -> None:
    """While it waits nothing has been done with the old one: no question is asked."""
    runs.start(guarded, budget_s=60)

    @workflow(name="guarded")
    def edited(spec: str = SPEC) -> str:
        do("before", touch, "before")
        window("daily 20:00-22:00 UTC")
        return do("inside", touch, "inside")

    runs.start(edited, budget_s=60)

    assert datetime(2030, 1, 1, 20, tzinfo=UTC) == runs.row.due_at


def test_a_text_that_is_no_window_fails_the_run(runs: Runs) -> None:
    """With what is wrong in it, and nothing recorded of a wait."""
    outcome = runs.start(guarded, {"spec": "Mon-Fri"})

    assert ("failed", 2) == (outcome.status, outcome.exit_code)
    assert "example" in outcome.reason and "window" not in runs.state.steps


@pytest.mark.parametrize("zone", ["Mars/Base", "Europe", "Europe/Berlin/x"])
def test_a_zone_that_this_machine_does_not_know(runs: Runs, zone: str) -> None:
    """The error names it, and the package that knows them all."""
    outcome = runs.start(guarded, {"spec": f"daily 09:00-10:00 {zone}"})

    assert 2 == outcome.exit_code
    assert repr(zone) in outcome.reason and "pip install tzdata" in outcome.reason


def test_utc_needs_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a list of zones knows that one."""
    import zoneinfo

    monkeypatch.setattr(zoneinfo, "ZoneInfo", None)

    assert UTC == verbs.zone_of(windows.parse("daily 09:00-10:00 UTC"))


def test_an_async_workflow_waits_for_it_too(runs: Runs) -> None:
    """The same program, awaited; beside it another task goes on with its work."""
    import asyncio

    from holdfast import aio

    @aio.step
    async def work(number: int) -> None:
        touch("work")

    async def works() -> None:
        for number in range(20):
            await work(number)

    @aio.workflow
    async def flow() -> None:
        await asyncio.gather(aio.window(SPEC), works())

    runs.start(flow, budget_s=HOUR)
    assert ("waiting", OPENS, 20) == (runs.row.status, runs.row.due_at, CALLS["work"])
    runs.clock.step(9 * HOUR)

    assert "succeeded" == runs.start(flow, budget_s=HOUR).status


def test_a_plan_tells_when_it_opens(runs: Runs) -> None:
    """And what comes after it; a plan waits for nothing."""

    @workflow
    def flow() -> None:
        sleep("10h")
        window(SPEC)
        sleep("10h")
        window(SPEC)
        do("inside", touch, "inside")

    lines = [(line.key, line.rule[:22]) for line in plan(flow, {}, runs.clock).steps]

    assert [
        ("sleep 10h", "until 2030-01-01 10:00"),
        ("window", "until 2030-01-01 10:00"),
        ("sleep 10h#2", "until 2030-01-01 20:00"),
        ("window#2", "until 2030-01-02 08:00"),
        ("inside", "auto"),
    ] == lines


# --- going back -------------------------------------------------------------------------------


def flow_that_owes() -> Any:
    @step("put back")
    def put_back() -> None:
        touch("put back")

    @step("borrow", owes=put_back)
    def borrow() -> None:
        fail_until(9, "borrow")

    @workflow(name="guarded")
    def borrowing() -> None:
        do("before", touch, "before", undo=lambda: touch("undone"))
        window(SPEC)
        borrow()
        put_back()

    return borrowing


@pytest.mark.parametrize("hours", [1, 12])
def test_what_is_owed_behind_a_window_is_given_back_at_any_time(runs: Runs, hours: int) -> None:
    """A window is about what begins: nobody who goes back is asked about it, open or closed."""
    owing = flow_that_owes()
    runs.start(owing)
    runs.clock.step(hours * HOUR)
    runs.settle(owing)

    assert (1, 1) == (CALLS["borrow"], CALLS["put back"])
    assert 1 == len(runs.facts(TimerSet))


def test_a_run_that_waits_for_its_window_can_go_back(runs: Runs) -> None:
    """At once: it need not be open for that."""
    owing = flow_that_owes()
    runs.start(owing, budget_s=HOUR)
    before = runs.clock.now()
    outcome = runs.rollback(owing)

    assert ("rolled_back", 1) == (outcome.status, CALLS["undone"])
    assert runs.clock.now() - before < timedelta(minutes=1)
