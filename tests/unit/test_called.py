"""Functions that run nothing when they are called: awaited by `holdfast.aio`, else never done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import pytest
from tests.unit.runs import CALLS, Runs, touch

from holdfast import StepFailed, UsageError, aio, do, each, step, workflow
from holdfast.model.called import is_async, is_generator
from holdfast.model.undo_facts import DebtSettled, StepUndone
from holdfast.testing.crash import Crash


async def give_back(name: str) -> None:
    touch(f"gave {name} back")


class GiveBack:
    """An object that is called like an `async def`."""

    async def __call__(self, name: str) -> None:
        await give_back(name)


def give_back_later(name: str) -> Iterator[None]:
    touch(f"gave {name} back")
    yield


KNOWN = [give_back, partial(give_back), GiveBack()]
TOLD_BY_WHAT_THEY_RETURN = [lambda name: give_back(name)]
YIELDING = [give_back_later, partial(give_back_later)]


def test_outside_the_event_loop_nothing_else_is_a_coroutine_function() -> None:
    """Classes, builtins and plain objects are called as they are."""
    assert [] == [fn for fn in (int, len, print, GiveBack, touch, 5) if is_async(fn)]
    assert [] == [fn for fn in (int, len, print, GiveBack, touch, 5) if is_generator(fn)]


# --- what gives a step back ---


@pytest.mark.parametrize("way", KNOWN + TOLD_BY_WHAT_THEY_RETURN)
def test_an_undo_that_is_to_be_awaited_is_awaited(runs: Runs, way: Callable[..., Any]) -> None:
    """Before the step counts as undone, whatever kind of callable it is."""

    @aio.step("take {name}", undo=way)
    async def take(name: str) -> None: ...

    @aio.workflow
    async def flow() -> None:
        await take("a")
        await aio.do("more", lambda name: None, "b", undo=way)
        raise OSError

    runs.start(flow)
    outcome = runs.rollback(flow)

    assert "rolled_back" == outcome.status
    assert {"gave a back": 1, "gave b back": 1} == dict(CALLS)


@pytest.mark.parametrize("way", [*TOLD_BY_WHAT_THEY_RETURN, lambda name: give_back_later(name)])
def test_an_undo_of_which_nothing_ran_is_not_done(runs: Runs, way: Callable[..., Any]) -> None:
    """A blocking run awaits nothing: the undo has failed, and says why."""

    @step("take {name}", undo=way)
    def take(name: str) -> None: ...

    @workflow
    def flow() -> None:
        take("a")
        raise OSError

    runs.start(flow)
    outcome = runs.rollback(flow)

    assert ("failed", []) == (outcome.status, runs.facts(StepUndone))
    assert "that nobody" in outcome.reason


def test_an_undo_that_yields_is_not_done_in_an_async_run(runs: Runs) -> None:
    """There is nothing to await, and nobody to run through it."""

    @aio.step("take {name}", undo=give_back_later)
    async def take(name: str) -> None: ...

    @aio.workflow
    async def flow() -> None:
        await take("a")
        raise OSError

    runs.start(flow)
    outcome = runs.rollback(flow)

    assert ("failed", []) == (outcome.status, runs.facts(StepUndone))
    assert "a generator that nobody ran through" in outcome.reason


def test_a_debt_is_settled_by_what_ran(runs: Runs) -> None:
    """`owes=` is awaited in an async run, and in a blocking one it fails."""

    @aio.step("borrow {name}", owes=lambda name: give_back(name))
    async def borrow(name: str) -> None: ...

    @step("lend {name}", owes=lambda name: give_back(name))
    def lend(name: str) -> None: ...

    @aio.workflow
    async def awaited() -> None:
        await borrow("a")

    @workflow
    def blocking() -> None:
        lend("b")

    runs.start(awaited)
    runs.settle(awaited)
    other = Runs()
    other.start(blocking)
    outcome = other.settle(blocking)

    assert (1, {"gave a back": 1}) == (len(runs.facts(DebtSettled)), dict(CALLS))
    assert ("failed", []) == (outcome.status, other.facts(DebtSettled))


@pytest.mark.parametrize("word", ["undo", "owes", "check"])
@pytest.mark.parametrize("way", KNOWN + YIELDING)
def test_what_would_run_nothing_is_refused_where_it_is_written(
    runs: Runs, word: str, way: Callable[..., Any]
) -> None:
    """By the decorator, and by `do` before its step begins."""

    @workflow
    def flow() -> None:
        do("take", touch, "take", **{word: way})

    with pytest.raises(UsageError, match=r"is async|is a generator function"):
        step("take {name}", **{word: way})(touch)
    assert 2 == runs.start(flow).exit_code
    assert not CALLS


async def yield_awaited() -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize("function", [give_back_later, yield_awaited])
@pytest.mark.parametrize(
    "decorate",
    [step, step("a"), workflow, workflow(name="a"), aio.step, aio.step("a"), aio.workflow],
)
def test_what_yields_is_no_step_and_no_workflow(
    decorate: Callable[..., Any], function: Callable[..., Any]
) -> None:
    """A call of it runs nothing: it is refused when the script is loaded, not when it is begun."""
    with pytest.raises(UsageError, match="is a generator function"):
        decorate(function)


# --- whether it is already so ---


async def is_paid(name: str) -> bool:
    touch(f"asked of {name}")
    return CALLS[f"pay {name}"] > 0


@pytest.mark.parametrize("check", [is_paid, partial(is_paid), lambda name: is_paid(name)])
def test_an_async_check_is_asked(runs: Runs, check: Callable[..., Any]) -> None:
    """What a dead life has done is found done, and not repeated."""

    @aio.step("pay {name}", check=check)
    async def pay(name: str) -> None:
        touch(f"pay {name}")
        dying[0].is_dead = True
        raise Crash

    @aio.workflow
    async def flow() -> None:
        await pay("a")

    dying: list[Any] = []
    runs.die_in(flow, dying.append)
    outcome = runs.start(flow)

    assert ("succeeded", "already_done") == (outcome.status, runs.step("pay a").status)
    assert {"asked of a": 2, "pay a": 1} == dict(CALLS)


def test_the_check_of_a_step_speaks_for_its_undo_in_an_async_run(runs: Runs) -> None:
    """What is no longer so has been undone: an undo that was cut short is not repeated, before
    all of it runs again."""

    async def is_there() -> bool:
        return CALLS["put"] > CALLS["removed"]

    async def remove() -> None:
        touch("removed")
        if dying:
            dying.pop().is_dead = True
            raise Crash

    @aio.step("put", check=is_there, undo=remove)
    async def put() -> None:
        touch("put")

    @aio.workflow
    async def flow() -> None:
        async with aio.preflight():
            await put()
            raise OSError

    dying: list[Any] = []
    runs.die_in(flow, dying.append)
    runs.start(flow)

    assert {"put": 2, "removed": 2} == dict(CALLS)


def test_a_check_of_which_nothing_ran_stops_the_run(runs: Runs) -> None:
    """It can never say anything: to go on would repeat what it is there to prevent."""

    @workflow
    def flow() -> None:
        do("pay", touch, "a", check=lambda name: is_paid(name))

    outcome = runs.start(flow)

    assert (2, {}) == (outcome.exit_code, dict(CALLS))
    assert "a coroutine that nobody awaited" in outcome.reason


# --- whether it is so ---


def test_a_requirement_is_judged_by_what_was_awaited(runs: Runs) -> None:
    """Not by the coroutine, which is true."""

    async def agrees() -> bool:
        return False

    @aio.workflow
    async def flow() -> None:
        with pytest.raises(StepFailed, match="agrees: False"):
            await aio.require("agrees", lambda: agrees())

    assert "succeeded" == runs.start(flow).status


# --- the items of a batch ---


async def work(item: int) -> int:
    return int(touch(f"item {item}", item))


class Work:
    """An object that is called like an `async def`."""

    __name__ = "work"

    async def __call__(self, item: int) -> int:
        return await work(item)


def work_later(item: int) -> Iterator[int]:
    yield touch(f"item {item}", item)


@pytest.mark.parametrize("fn", [work, partial(work), Work()])
def test_items_of_any_async_callable_are_awaited(runs: Runs, fn: Callable[..., Any]) -> None:
    """On a loop of their own in a blocking workflow, and on its loop in an async one."""

    @aio.workflow
    async def awaited() -> int:
        return (await aio.each([1, 2], fn, at_once=2)).done

    @workflow
    def blocking() -> int:
        return each([3, 4], fn, at_once=2).done

    other = Runs()

    assert (2, 2) == (runs.start(awaited).result, other.start(blocking).result)
    assert {f"item {item}": 1 for item in (1, 2, 3, 4)} == dict(CALLS)


async def promise(item: int) -> Any:
    return work(item)


def lazy(item: int) -> Any:
    return work(item)


@pytest.mark.parametrize("fn", [lazy, promise, lambda item: work_later(item)])
@pytest.mark.parametrize("at_once", [1, 2])
def test_an_item_of_which_nothing_ran_has_failed(
    runs: Runs, fn: Callable[..., Any], at_once: int
) -> None:
    """In a blocking and in an async workflow, with one worker and with several."""

    @aio.workflow
    async def awaited() -> int:
        return (await aio.each([1, 2], fn, name="work", at_once=at_once, budget=2)).failed

    @workflow
    def blocking() -> int:
        return each([1, 2], fn, name="work", at_once=at_once, budget=2).failed

    other = Runs()

    assert (2, 2) == (runs.start(awaited).result, other.start(blocking).result)
    assert not CALLS
    assert all("that nobody" in row.error for row in other.store.batches.items("r", "work"))


def test_an_item_of_which_nothing_ran_in_another_process_has_failed(runs: Runs) -> None:
    """What comes back from a pool is judged there, before it is sent."""

    @workflow
    def flow() -> int:
        return each([1], lazy, executor=lambda: ProcessPoolExecutor(1), at_once=1, budget=1).failed

    assert 1 == runs.start(flow).result


def test_a_generator_function_is_refused_by_each(runs: Runs) -> None:
    """Before an item begins."""

    @workflow
    def flow() -> None:
        each([1], work_later)

    outcome = runs.start(flow)

    assert 2 == outcome.exit_code
    assert "each: work_later is a generator function" in outcome.reason
