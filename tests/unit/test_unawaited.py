"""A call that nobody awaited did nothing: the run says so, and never counts it as done."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.runs import CALLS, Runs, touch

from holdfast import aio
from holdfast.model.facts import RunSucceeded, ScopeClosed, StepSucceeded


@aio.step("work {name}")
async def work(name: str, waits: bool = False) -> str:
    while waits:
        await asyncio.sleep(3600)
    return touch(name)


@aio.step
def plain(name: str) -> str:
    return touch(name)


@aio.step
async def calls_another(name: str) -> str:
    return await plain(name)


@aio.workflow
async def inner(name: str) -> None:
    await work(name)


@aio.step
async def command() -> None:
    aio.sh("true")


@aio.step
def command_in_a_thread() -> None:
    aio.sh("true")


FORGOTTEN = {
    "step 'work'": lambda: work("a"),
    "workflow 'inner'": lambda: inner("a"),
    "do": lambda: aio.do("a", touch, "a"),
    "require": lambda: aio.require("a", touch, "a"),
    "wait_for": lambda: aio.wait_for("a", touch, "a"),
    "parallel": lambda: aio.parallel(("a", touch, "a")),
    "each": lambda: aio.each(["a"], touch),
    "rollout": lambda: aio.rollout(["a"], touch),
    "gate": lambda: aio.gate("a", lambda: 1.0, below=2.0),
    "measure": lambda: aio.measure("a", lambda: 1.0, span="1s"),
    "confirm": lambda: aio.confirm("a?"),
    "ask": lambda: aio.ask("a?"),
    "sleep": lambda: aio.sleep("1h"),
    "sh": lambda: aio.sh("true"),
    "no_return": lambda: aio.no_return("a"),
    "window": lambda: aio.window("Mon-Sun 00:00-24:00"),
}


@pytest.mark.parametrize("verb", FORGOTTEN)
def test_a_workflow_that_forgot_to_await_fails(runs: Runs, verb: str) -> None:
    """Whatever it is: it names what did nothing, and where that stands."""

    @aio.workflow
    async def flow() -> None:
        await work("before")
        FORGOTTEN[verb]()
        await work("after")

    outcome = runs.start(flow)

    assert ("failed", 2) == (outcome.status, outcome.exit_code)
    assert f"called and never awaited, so it did nothing: {verb} ({__file__}:" in outcome.reason
    assert {"before": 1, "after": 1} == CALLS
    assert not runs.facts(RunSucceeded)


@pytest.mark.parametrize("forgetful", [command, command_in_a_thread])
def test_a_step_that_forgot_to_await_fails(runs: Runs, forgetful) -> None:
    """It is not recorded as done: its program never ran."""

    @aio.workflow
    async def flow() -> None:
        await forgetful()

    outcome = runs.start(flow)

    assert "failed" == outcome.status
    assert "called and never awaited, so it did nothing: sh (" in outcome.reason
    assert not runs.facts(StepSucceeded)


def test_a_scope_is_not_closed_over_it(runs: Runs) -> None:
    """A closed scope is never entered again: what it forgot could not be made good."""

    @aio.workflow(name="nested")
    async def nested() -> None:
        work("a")

    async def branch() -> None:
        async with aio.stage("part"):
            work("b")

    @aio.workflow
    async def flow() -> None:
        await aio.parallel(("workflow", nested), ("branch", branch))

    outcome = runs.start(flow)

    assert "2 of the parallel branches failed" in outcome.reason
    assert ["branch/part"] == [fact.key for fact in runs.facts(ScopeClosed)]


def test_a_step_inside_a_step_is_awaited(runs: Runs) -> None:
    """It is a plain call there, also where its function is plain."""

    @aio.workflow
    async def flow() -> str:
        return await calls_another("a")

    assert "a" == runs.start(flow).result
    assert ["calls_another a"] == [fact.key for fact in runs.facts(StepSucceeded)]


def test_a_task_that_never_began_is_one(runs: Runs) -> None:
    """The loop would cancel it without a word."""

    @aio.workflow
    async def flow() -> None:
        asyncio.create_task(work("a"))  # noqa: RUF006 - that is the fault

    outcome = runs.start(flow)

    assert 2 == outcome.exit_code
    assert "step 'work'" in outcome.reason


def test_what_is_awaited_later_or_cancelled_is_none(runs: Runs) -> None:
    """A coroutine may wait for its turn, and a task may be cancelled before it began."""

    @aio.workflow
    async def flow() -> list[str]:
        later = work("later")
        task = asyncio.create_task(work("never"))
        task.cancel()
        many = [work(f"n{n}") for n in range(150)]
        await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work("too long", waits=True), 0)
        return [await later, *await asyncio.gather(*many)]

    outcome = runs.start(flow)

    assert ["later", *(f"n{n}" for n in range(150))] == outcome.result, outcome.reason
    assert not CALLS["never"]


def test_a_failure_is_told_before_what_it_kept_from_being_awaited(runs: Runs) -> None:
    """Python warns of the coroutine; the run fails for its own reason."""

    @aio.workflow
    async def flow() -> None:
        later = work("later")
        try:
            raise ValueError("first")
        finally:
            later.close()

    assert "ValueError: first" == runs.start(flow).reason


def test_outside_any_run_nothing_is_kept() -> None:
    """There an awaited step is just its function; a plain one is awaited too, as in a run."""
    assert "a" == asyncio.run(work("a"))
    assert "b" == asyncio.run(plain("b"))
