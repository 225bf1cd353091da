"""Drive a program on an asyncio loop. The store stays blocking; its fsyncs run in a thread."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from datetime import datetime
from typing import NoReturn, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from holdfast.engine.effects import (
    Call,
    Effect,
    Landed,
    Outcome,
    Program,
    Raised,
    Record,
    Returned,
    Submit,
    Wait,
)
from holdfast.errors import Leaving
from holdfast.model.unknown import DependsOnUnknown
from holdfast.runtime import lanes
from holdfast.runtime.calling import SLICE_S, exited, monotonic_at
from holdfast.runtime.context import FRAME
from holdfast.runtime.dry import DryPerformer
from holdfast.runtime.journal import SHUT
from holdfast.runtime.life import Life
from holdfast.runtime.replay import refuse_new

T = TypeVar("T")


async def drive(program: Program[T], perform: AsyncPerformer) -> T:
    """Run `program` to its end, awaiting `perform` for each effect."""
    try:
        with perform.lanes.within():
            effect = next(program)
            while True:
                try:
                    answer = await perform(effect)
                except Exception as error:
                    effect = program.throw(error)
                else:
                    effect = program.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        perform.end_flight()


class AsyncPerformer:
    """Awaits calls and waits; the rest is the blocking performer's. When the workflow has ended
    only its `is_last` one goes on."""

    def __init__(self, life: Life, *, is_last: bool = False, gives_back: bool = False) -> None:
        self._life, self._is_last = life, is_last
        frame = FRAME.get()
        self._begins_in = "" if frame is None or frame.step or gives_back else frame.trace.scope
        self._blocking = life.performer()
        self._replays = life.replays_here()
        self.lanes = life.lanes
        self._flying: dict[asyncio.Task[Outcome | Leaving], str] = {}
        self._lane_of: dict[str, int] = {}
        self._left: Leaving | None = None
        self._flight: asyncio.Future[None] | None = None

    async def __call__(self, effect: Effect) -> object:
        if self._begins_in:  # Asked once: what has begun goes on.
            begins_in, self._begins_in = self._begins_in, ""
            if self._life.journal.is_shut(begins_in):
                await until_left(self._life)
        if self._replays:
            refuse_new(effect)
        if isinstance(self._blocking, DryPerformer):
            return await _planned(self._blocking, effect)
        match effect:
            case Submit(ticket, call):
                self._begin_flight()
                lane = self._lane_of[ticket] = self.lanes.open()
                self._flying[asyncio.create_task(_landing_of(call, lane))] = ticket
                return None
            case Wait(until, True):
                self._end_lanes(self._lane_of)
                await self._wait_without_calls(until)
                return {}
            case Wait(until):
                return await self._wait(until)
            case Record(durable=durable, boundary=boundary):
                if boundary:
                    self._raise_if_over()
                return await self._record(effect, durable=durable)
            case _:
                return self._blocking(effect)

    async def _record(self, effect: Record, *, durable: bool) -> object:
        self._begin_flight()
        try:
            if not durable:
                return self._blocking(effect)
            answer = await asyncio.to_thread(self._blocking, effect)
        except Leaving as leaving:
            if leaving.kind == SHUT:
                self.end_flight()
                await until_left(self._life)
            raise
        self.end_flight()
        return answer

    def _raise_if_over(self) -> None:
        if self._life in _OVER and not self._is_last:
            raise asyncio.CancelledError

    def _begin_flight(self) -> None:
        """What is begun here lands before the life ends: see `land`."""
        if self._flight is None:
            self._flight = asyncio.get_running_loop().create_future()
            _FLIGHTS.setdefault(self._life, set()).add(self._flight)

    def end_flight(self) -> None:
        if self._flight is not None:
            _FLIGHTS[self._life].discard(self._flight)
            if not self._flight.done():
                self._flight.set_result(None)
            self._flight = None

    async def _wait(self, until: datetime | None) -> Landed:
        try:
            if not self._flying:
                await self._wait_without_calls(until)
                return {}
            with self.lanes.waiting():
                landed = await self._landing(until)
        except asyncio.CancelledError:
            # Whoever awaited the step was cancelled: its body goes with it.
            for task in self._flying:
                task.cancel()
            raise
        self._end_lanes(landed)
        return landed

    def _end_lanes(self, tickets: Iterable[str]) -> None:
        """Say so of calls that have landed, or that are waited for no more."""
        for ticket in list(tickets):
            self.lanes.end(self._lane_of.pop(ticket))

    async def _landing(self, until: datetime | None) -> Landed:
        ends_at = monotonic_at(self._life.clock, until)
        while self._flying:
            left = SLICE_S
            if ends_at is not None:
                left = ends_at - self._life.clock.monotonic()
                if left <= 0:
                    return {}
            landed = await self._landed_within(min(left, SLICE_S))
            if landed:
                return landed
        assert self._left is not None
        raise self._left

    async def _landed_within(self, seconds: float) -> Landed:
        """Return what landed; a task that left makes the others be waited for, then leaves."""
        done, _ = await asyncio.wait(
            self._flying, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            self._life.raise_if_leaving_now()
        landed: dict[str, Outcome] = {}
        for task in done:
            ticket, landing = self._flying.pop(task), task.result()
            if isinstance(landing, Leaving):
                self._left = landing
            else:
                landed[ticket] = landing
        return {} if self._left is not None else landed

    async def _wait_without_calls(self, until: datetime | None) -> None:
        self.end_flight()
        # Tasks that were made beside this one begin first: the process must not leave before them.
        await asyncio.sleep(0)
        self._raise_if_over()
        if until is None:
            await asyncio.to_thread(self._life.wait_for_person)
            return
        foreign = self._life.journal.foreign
        with self.lanes.waiting(until):
            while True:
                left = self._life.left_of(until)
                self._raise_if_over()
                if left <= 0 or self._life.journal.foreign != foreign:
                    return
                await asyncio.sleep(self._life.clock.wait_s(left))
                await asyncio.to_thread(self._life.look_for_requests)


_FLIGHTS: WeakKeyDictionary[Life, set[asyncio.Future[None]]] = WeakKeyDictionary()
_OVER: WeakSet[Life] = WeakSet()
"""Lives whose workflow has ended, while tasks that it left behind may still run."""


async def until_left(life: Life) -> NoReturn:
    """Wait, in a stage that is being undone, for that to end the life, and leave then: a task that
    left before would make a TaskGroup cancel the one that undoes."""
    with life.lanes.waiting():
        while life.leaving is None:
            await asyncio.sleep(SLICE_S)
    raise life.leaving


def reopen(life: Life) -> None:
    """Say that the workflow begins anew, after a walk that only looked how to go back."""
    _OVER.discard(life)


async def land(life: Life) -> None:
    """Return when no body runs and nothing is being written any more in tasks that nobody awaits:
    the loop is about to cancel them, and that must cost no step its result. Nothing new starts
    in them; a second signal ends the wait."""
    _OVER.add(life)
    while (flights := _FLIGHTS.get(life)) and not life.is_cut_off:
        await asyncio.wait(set(flights), timeout=SLICE_S)


async def _planned(dry: DryPerformer, effect: Effect) -> object:
    """Answer an effect in a plan: a call that is made there is awaited, one after another."""
    if not isinstance(effect, Submit):
        return dry(effect)
    ticket = effect.ticket
    outcome = dry.foretold(ticket)
    if outcome is None:
        try:
            outcome = dry.told(ticket, await _outcome_of(effect.call))
        except DependsOnUnknown as unknown:
            outcome = dry.told(ticket, unknown)
    dry.land(ticket, outcome)
    return None


async def _landing_of(call: Call, lane: int) -> Outcome | Leaving:
    """Make `call` in its lane, and return what came of it."""
    lanes.enter(lane)
    try:
        return await _outcome_of(call)
    except Leaving as leaving:
        return leaving


async def _outcome_of(call: Call) -> Outcome:
    """Make `call`, in a thread when it is not async, and return what came of it. `sys.exit()` in
    it is a failure like any other: the loop would end in the middle of all that runs beside it."""
    try:
        if inspect.iscoroutinefunction(call):
            return Returned(await call())
        return Returned(await asyncio.to_thread(call))
    except asyncio.CancelledError:
        return Raised(TimeoutError("cancelled"))
    except Exception as error:
        return Raised(error)
    except SystemExit as exit:
        return exited(exit)
