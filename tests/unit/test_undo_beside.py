"""A stage that undoes itself while branches and tasks in it, or beside it, are at work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.makings import MADE, boom, make, unmake
from tests.unit.runs import CALLS, Runs, touch

from holdfast import aio, each
from holdfast.app.reasons import why_of
from holdfast.app.views import view_run
from holdfast.flow.decorator import step
from holdfast.flow.scopes import parallel, preflight, stage
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.model.facts import AttemptFailed, Fact, HoldOpened, RunFailed, StageUndone, UndoBegun
from holdfast.model.state import RunState
from holdfast.testing.crash import Crash, Mortal

WAIT_S = 30.0


@dataclass
class Moments:
    """When one branch is at work, and when the stage begins to be undone, which is heard."""

    is_at_work: threading.Event = field(default_factory=threading.Event)
    is_begun: threading.Event = field(default_factory=threading.Event)

    def fact(self, fact: Fact, state: RunState) -> None:
        if isinstance(fact, UndoBegun):
            self.is_begun.set()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *told, **more: None  # Of all that a listener hears this is enough.

    def hold_up(self) -> None:
        """Be at work until the stage beside begins to be undone."""
        self.is_at_work.set()
        assert self.is_begun.wait(WAIT_S)

    def fail_meanwhile(self) -> None:
        """Fail while the other is at work."""
        assert self.is_at_work.wait(WAIT_S)
        boom()


moments = Moments()


@pytest.fixture(autouse=True)
def new_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test waits for its own."""
    monkeypatch.setitem(globals(), "moments", Moments())


@step("make {name}", undo=unmake)
def make_slowly(name: str) -> None:
    moments.hold_up()
    MADE.append(name)


@aio.step("make {name}", undo=unmake)
async def make_awaited(name: str) -> None:
    await asyncio.to_thread(moments.hold_up)
    MADE.append(name)


def works() -> None:
    """Go through two steps, the first of which is under way when the stage fails."""
    make_slowly("slow")
    make("late")


def works_on_items() -> None:
    """Do the same with items."""
    each(["slow"], lambda item: moments.hold_up(), name="items")
    make("late")


def works_in_a_scope() -> None:
    """Do the same, and come to a scope of its own afterwards."""
    make_slowly("slow")
    with stage("late"):
        do("late", MADE.append, "late")


def fails() -> None:
    with stage("inner"):
        do("bad", moments.fail_meanwhile)


@pytest.mark.parametrize("work", [works, works_on_items, works_in_a_scope])
def test_branches_of_a_stage_begin_nothing_while_it_is_undone(
    runs: Runs, work: Callable[[], None]
) -> None:
    """What was under way ends first and is undone, too. What came after it was done beside the
    undoing and stayed, and the branch counted as finished."""

    @workflow
    def flow() -> None:
        with preflight():
            make("first")
            parallel(("works", work), ("fails", fails))

    outcome = runs.start(flow, listeners=[moments])

    assert_nothing_left(runs, outcome)


def test_tasks_of_a_stage_begin_nothing_while_it_is_undone(runs: Runs) -> None:
    """Those that nobody awaits any more, because another has failed, are no others."""

    async def work() -> None:
        await make_awaited("slow")
        await aio.do("late", MADE.append, "late")

    @aio.workflow
    async def flow() -> None:
        async with aio.preflight():
            await aio.do("first", MADE.append, "first", undo=lambda: unmake("first"))
            await asyncio.gather(work(), aio.do("bad", moments.fail_meanwhile))

    outcome = runs.start(flow, listeners=[moments])

    assert_nothing_left(runs, outcome)


async def fail() -> None:
    """Fail in a stage within the one that is undone."""
    async with aio.stage("inner"):
        await aio.do("bad", moments.fail_meanwhile)


@pytest.mark.parametrize("is_group", [False, True])
def test_a_task_that_undoes_a_stage_is_not_ended_by_the_others(runs: Runs, is_group: bool) -> None:
    """They wait until it has: an error of one of them would cancel it, in an asyncio.TaskGroup."""

    async def work() -> None:
        await make_awaited("slow")
        await aio.do("late", MADE.append, "late")

    @aio.workflow
    async def flow() -> None:
        async with aio.preflight():
            if is_group:
                async with asyncio.TaskGroup() as group:
                    group.create_task(work())
                    group.create_task(fail())
            await asyncio.gather(work(), fail())

    outcome = runs.start(flow, listeners=[moments])

    assert_nothing_left(runs, outcome)


def test_what_a_dead_life_had_under_way_is_not_waited_for(runs: Runs) -> None:
    """It is asked about: the step comes to its place again, where nothing begins any more."""
    mortal = Mortal(runs.store)

    class Killing(Moments):
        def fact(self, fact: Fact, state: RunState) -> None:
            if isinstance(fact, AttemptFailed):
                mortal.is_dead = True
                moments.is_begun.set()

    @aio.workflow
    async def flow() -> None:
        async with aio.preflight():
            await asyncio.gather(fail(), aio.do("slow", moments.hold_up, undo=lambda: None))

    with pytest.raises(Crash):
        runs.start(flow, store=mortal, listeners=[Killing()])
    runs.store.release("r", runs.row.epoch)
    outcome = runs.resume(flow)

    assert 6 == outcome.exit_code, outcome
    assert "pre-flight/slow" == runs.hold().opened.key


def test_a_run_is_rolled_back_through_a_group_of_tasks(runs: Runs) -> None:
    """The walk that learns how things are given back ends within it: that was an error."""

    @aio.workflow
    async def flow() -> None:
        await aio.do("first", MADE.append, "first", undo=lambda: unmake("first"))
        async with asyncio.TaskGroup() as group:
            group.create_task(aio.confirm("go on?"))
            group.create_task(aio.do("beside", touch, "beside"))

    runs.start(flow)
    outcome = runs.rollback(flow)

    assert ("rolled_back", []) == (outcome.status, MADE), outcome.reason


def assert_nothing_left(runs: Runs, outcome: Any) -> None:
    """The pre-flight has failed with nothing committed, without a question."""
    (failed,) = runs.facts(RunFailed)
    *_, undone, last = runs.facts()

    assert ("failed", 1, []) == (outcome.status, outcome.exit_code, MADE)
    assert (failed, True) == (last, failed.is_undone)
    assert isinstance(undone, StageUndone)
    assert [] == runs.facts(HoldOpened)
    assert 0 == CALLS["undo late"]


def test_a_branch_beside_the_stage_goes_on(runs: Runs) -> None:
    """It is none of its steps; what to do next is told, though the step that failed was set
    aside with its stage."""

    def fails_and_is_undone() -> None:
        with stage("inner", on_failure="undo"):
            make("inner")
            do("bad", moments.fail_meanwhile)

    @workflow
    def flow() -> None:
        parallel(("works", works), ("fails", fails_and_is_undone))

    runs.start(flow, listeners=[moments])
    why = why_of(view_run(runs.store, "r"))

    assert "slow" in MADE and "inner" not in MADE
    assert ["holdfast resume r", "holdfast rollback r", "holdfast cancel r -m REASON"] == [
        way.line() for way in why.next
    ]
