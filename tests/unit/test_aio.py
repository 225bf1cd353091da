"""Async workflows: one engine, the same promises, and tasks that land before the loop ends."""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import replace

import pytest
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import StepFailed, UsageError, aio, step
from holdfast.app.planning import plan
from holdfast.model.facts import StepSucceeded
from holdfast.runtime.clock import SystemClock
from holdfast.testing.crash import Crash


@aio.step("work {name}")
async def work(name: str) -> str:
    await asyncio.sleep(0)
    return touch(name)


@aio.step("plain {name}")
def plain(name: str) -> str:
    return touch(name)


@step("blocking {name}")
def blocking(name: str) -> str:
    return touch(name)


def test_results_are_recorded_and_replayed(runs: Runs) -> None:
    """Async and plain functions, in sequence and gathered; a tuple is a tuple both times."""

    @aio.workflow
    async def flow() -> list[object]:
        both = await asyncio.gather(work("a"), plain("b"))
        pair = await aio.do("pair", lambda: touch("pair", (1, 2)))
        return [both, pair, await aio.do("stumble", fail_until, 2)]

    runs.start(flow)
    outcome = runs.start(flow)

    assert [["a", "b"], (1, 2), 2] == outcome.result
    assert {"a": 1, "b": 1, "pair": 1, "try": 2} == dict(CALLS)


def test_a_blocking_step_in_a_thread_is_recorded(runs: Runs) -> None:
    """`asyncio.to_thread` carries the run's context."""

    @aio.workflow
    async def flow() -> list[str]:
        return list(await asyncio.gather(*[asyncio.to_thread(blocking, n) for n in "abc"]))

    assert ["a", "b", "c"] == runs.start(flow).result
    assert 3 == len(runs.facts(StepSucceeded))


def test_outside_any_run_an_async_step_is_its_function() -> None:
    """It is awaited like any coroutine function."""
    assert "a" == asyncio.run(work("a"))


def test_an_async_function_needs_the_async_decorators() -> None:
    """A blocking decorator would never await it: refused where it is written."""
    with pytest.raises(UsageError, match=r"holdfast\.aio"):

        @step
        async def never() -> None: ...


def test_a_failure_is_step_failed(runs: Runs) -> None:
    """The first time and on replay, with its attempts."""
    seen: list[tuple[str, int]] = []

    @aio.step("bad", retry=2)
    async def bad() -> None:
        raise OSError("no luck")

    @aio.workflow
    async def flow() -> None:
        try:
            await bad()
        except StepFailed as failure:
            seen.append((failure.message, failure.attempts))
        await aio.do("stumble", fail_until, 2)

    runs.start(flow)
    runs.start(flow)

    assert [("no luck", 2)] * 2 == seen


def test_a_step_that_takes_too_long_is_cancelled(runs: Runs) -> None:
    """It gets its CancelledError, so it can clean up, and is recorded as timed out."""
    cancelled: list[str] = []

    @aio.step("slow", timeout="10ms")
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("slow")
            raise

    @aio.workflow
    async def flow() -> None:
        await slow()

    runs.setting = replace(runs.setting, clock=SystemClock())
    outcome = runs.start(flow)

    assert ("failed", 1, ["slow"]) == (outcome.status, outcome.exit_code, cancelled)
    assert "timed out after 0.01 s" == runs.step("slow").error


def test_a_thread_cannot_be_cancelled(runs: Runs) -> None:
    """A plain function that outlives its limit may still be running, and that is said."""
    release = threading.Event()

    @aio.step("stuck", timeout="1m")
    def stuck() -> None:
        while not release.wait(0.005):
            runs.clock.jump(1)

    @aio.workflow
    async def flow() -> None:
        try:
            await stuck()
        finally:
            release.set()

    runs.start(flow)

    assert "may still be running" in runs.step("stuck").error


def test_a_stop_costs_no_task_its_step(runs: Runs) -> None:
    """One task reaches a boundary and leaves; the others' bodies end and are recorded."""
    both_began = threading.Barrier(2)

    @aio.step("long")
    def long() -> str:
        both_began.wait()
        stopped.wait()
        return touch("long")

    @aio.step("short")
    def short() -> None:
        both_began.wait()
        runs.stop()

    async def chain() -> None:
        await short()
        try:
            await work("never")
        finally:
            stopped.set()

    @aio.workflow
    async def flow() -> None:
        await asyncio.gather(chain(), long())

    stopped = threading.Event()
    outcome = runs.start(flow)

    assert ("stopped", 3) == (outcome.status, outcome.exit_code)
    assert "succeeded" == runs.step("long").status
    assert 0 == CALLS["never"]


def test_a_failure_costs_no_task_its_step(runs: Runs) -> None:
    """What runs beside the failure is recorded, and nothing more starts in those tasks."""

    @aio.step("long")
    def long() -> str:
        failed.wait()
        return touch("long")

    async def chain() -> None:
        await long()
        await work("never")

    async def bad() -> None:
        try:
            await aio.do("bad", lambda: 1 / 0)
        finally:
            failed.set()

    @aio.workflow
    async def flow() -> None:
        await asyncio.gather(chain(), bad())

    failed = threading.Event()
    outcome = runs.start(flow)

    assert "failed" == outcome.status
    assert "succeeded" == runs.step("long").status
    assert "work never" not in runs.state.steps


def test_a_crash_in_a_once_step_holds(runs: Runs) -> None:
    """As in a blocking workflow: in doubt, exit 6."""

    @aio.step("pay", once=True)
    async def pay() -> None:
        touch("pay")
        dying[0].is_dead = True
        raise Crash

    @aio.workflow
    async def flow() -> None:
        await pay()

    dying: list = []
    runs.die_in(flow, dying.append)

    assert 6 == runs.start(flow).exit_code
    assert 1 == CALLS["pay"]


def test_a_check_that_was_given_up_on_disturbs_nothing(runs: Runs) -> None:
    """Its late answer is not taken for the step's."""
    release = threading.Event()

    def slow() -> bool:
        runs.clock.jump(31)
        release.wait()
        return True

    @aio.step("job", check=slow)
    async def job() -> str:
        release.set()
        for _ in range(10):
            await asyncio.sleep(0)
        return touch("job")

    @aio.workflow
    async def flow() -> str:
        return await job()

    assert "job" == runs.start(flow).result


def test_a_park_leaves_in_order(runs: Runs) -> None:
    """No `finally:` starts anything, and the question waits."""

    @aio.workflow
    async def flow() -> str:
        try:
            await aio.confirm("go on?")
        finally:
            await work("cleanup")
        return "done"

    assert ("on_hold", 0) == (runs.start(flow).status, CALLS["cleanup"])
    runs.answer("approve")

    assert "done" == runs.start(flow).result


def test_stages_branches_and_nested_workflows(runs: Runs) -> None:
    """The same scopes and keys as in a blocking workflow."""

    @aio.workflow
    async def child(name: str) -> tuple[str, str]:
        return await work(name), "child"

    @aio.workflow
    async def flow() -> list[object]:
        async with aio.flight():
            found = await aio.parallel(("x", work, "a"), ("y", child, "b"))
        await aio.sleep("1h")
        return [found, await aio.do("stumble", fail_until, 2)]

    runs.start(flow)
    outcome = runs.start(flow)

    assert [["a", ("b", "child")], 2] == outcome.result
    assert {"a": 1, "b": 1, "try": 2} == dict(CALLS)
    assert {"flight/x/work a", "flight/y/child/work b", "sleep 1h", "stumble"} == {
        fact.key for fact in runs.facts(StepSucceeded)
    }


def test_a_task_group_works(runs: Runs) -> None:
    """Its failure is retried on resume, and what it cancelled goes on."""

    @aio.workflow
    async def flow() -> int:
        async with asyncio.TaskGroup() as group:
            group.create_task(work("a"))
            found = group.create_task(aio.do("stumble", fail_until, 2))
        return found.result()

    assert "failed" == runs.start(flow).status
    assert 2 == runs.start(flow).result


def test_a_cancelled_once_step_is_in_doubt(runs: Runs) -> None:
    """The script gave up on it and went on; the run cannot succeed before somebody decided."""

    @aio.step("pay", once=True)
    async def pay() -> None:
        touch("pay")
        await asyncio.Event().wait()

    @aio.workflow
    async def flow() -> None:
        paying = asyncio.create_task(pay())
        while not CALLS["pay"]:
            await asyncio.sleep(0)
        paying.cancel()
        await asyncio.wait([paying])
        await work("more")

    outcome = runs.start(flow)

    assert ("on_hold", 6) == (outcome.status, outcome.exit_code)
    assert 1 == CALLS["more"]
    assert "cancelled" in str(runs.hold().opened.evidence["why"])


@pytest.mark.parametrize("is_async", [True, False])
def test_an_exit_in_a_step_is_its_failure_and_nobody_elses(runs: Runs, is_async: bool) -> None:
    """As in a blocking workflow: what runs beside it ends, and no once step is in doubt."""
    paying = asyncio.Event()

    @aio.step("exit")
    async def awaited() -> None:
        await paying.wait()
        sys.exit(7)

    @aio.step("exit")
    def called() -> None:
        sys.exit(7)

    @aio.step("pay", once=True)
    async def pay() -> None:
        paying.set()
        for _ in range(10):
            await asyncio.sleep(0)
        touch("paid")

    @aio.workflow
    async def flow() -> None:
        await aio.parallel(("exit", awaited if is_async else called), pay)

    outcome = runs.start(flow)

    assert (1, "succeeded") == (outcome.exit_code, runs.step("pay/pay").status)
    assert "sys.exit(7) was called; raise an exception instead" in outcome.reason


def test_a_plan_of_an_async_workflow_calls_no_step(runs: Runs) -> None:
    """Nor does it wait: only checks, probes and steps that read are called."""

    async def is_done(name: str) -> bool:
        return bool(touch(f"asked of {name}"))

    @aio.workflow
    async def flow() -> None:
        await aio.do("checked", touch, "checked", check=is_done)
        await aio.sleep("1h")
        await aio.parallel(("one", work, "a"), ("other", plain, "b"))
        await aio.gate("g", lambda: touch("probed", 5), below=9, samples=9)
        await aio.each([1, 2], work, name="items")
        if await work("last"):
            await work("never")

    found = plan(flow, {}, runs.clock)

    assert {"asked of checked": 1, "probed": 1} == dict(CALLS)
    assert "work last" in found.depends_on
    assert ["checked", "sleep 1h", "one/work a", "other/plain b", "g", "items", "work last"] == [
        line.key for line in found.steps if line.will != "enter"
    ]


def test_a_loop_that_runs_already_is_told_before_anything_is_recorded(runs: Runs) -> None:
    """As in a notebook; a thread, which has no loop, is the way that is named."""

    @aio.workflow
    async def flow() -> str:
        return str(await work("a"))

    async def notebook() -> object:
        with pytest.raises(UsageError, match=r"await asyncio\.to_thread"):
            runs.start(flow)
        assert runs.store.row("r") is None
        return (await asyncio.to_thread(runs.start, flow)).result

    assert "a" == asyncio.run(notebook())
