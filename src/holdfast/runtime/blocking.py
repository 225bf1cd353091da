"""Answer effects in the calling thread."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import copy_context
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Thread

from holdfast.engine.effects import (
    Call,
    Effect,
    Landed,
    Look,
    Now,
    Outcome,
    Raised,
    Record,
    Submit,
    Wait,
)
from holdfast.errors import Leaving, NotDone
from holdfast.runtime import lanes
from holdfast.runtime.calling import SLICE_S, landing_of, monotonic_at
from holdfast.runtime.life import Life
from holdfast.runtime.threads import NONE_LEFT

_NONE: set[str] = set()
"""Shared by all performers that start no thread; the first thread gives one its own."""


class Performer:
    """Answers the effects of one program for one life."""

    __slots__ = ("_flying", "_landed", "_lanes", "_left", "_life", "_queue")

    def __init__(self, life: Life) -> None:
        self._life = life
        self._landed: dict[str, Outcome] = {}
        self._queue: SimpleQueue[tuple[str, Outcome | BaseException]] | None = None
        self._flying: set[str] = _NONE
        self._lanes: dict[str, int] = {}
        self._left: Leaving | None = None

    def __call__(self, effect: Effect) -> object:
        # By exact type, the most frequent first: this is the hot path of every step.
        if type(effect) is Record:
            return self._life.record(effect)
        if type(effect) is Now:
            return self._life.clock.now()
        if type(effect) is Wait:
            return self._wait(effect)
        if type(effect) is Submit:
            if effect.place == "here":
                self._landed[effect.ticket] = self._life.run_body(effect.call)
            else:
                self._start_thread(effect.ticket, effect.call)
            return None
        assert type(effect) is Look
        self._life.raise_if_leaving()
        return self._life.journal.state

    def _start_thread(self, ticket: str, call: Call) -> None:
        if self._queue is None:
            self._queue, self._flying = SimpleQueue(), set()
        queue = self._queue
        context = copy_context()
        self._flying.add(ticket)
        lane = self._lanes[ticket] = self._life.lanes.open()
        context.run(lanes.enter, lane)
        # A daemon: a body that was given up on must not keep the process from ending.
        thread = Thread(
            target=lambda: queue.put((ticket, context.run(landing_of, call))),
            name=f"holdfast {ticket}",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError as refused:
            # The system has no thread left for us. A call that was not made had no effect.
            queue.put((ticket, Raised(NotDone(f"{refused}: {NONE_LEFT}"))))

    def _wait(self, effect: Wait) -> Landed:
        if effect.idle or not self._landed:
            until = effect.until
            if effect.idle and self._lanes:
                self._end_lanes(self._lanes)
            if self._queue is not None and self._flying and not effect.idle:
                with self._life.lanes.waiting():
                    self._wait_for_threads(until)
                self._end_lanes(self._landed)
            elif until is not None:
                self._life.wait_until(until)
            else:
                self._life.wait_for_person()
        landed, self._landed = self._landed, {}
        return landed

    def _end_lanes(self, tickets: Iterable[str]) -> None:
        """Say so of calls that have landed, or that are waited for no more."""
        for ticket in list(tickets):
            lane = self._lanes.pop(ticket, None)
            if lane is not None:
                self._life.lanes.end(lane)

    def _wait_for_threads(self, until: datetime | None) -> None:
        """Wait for one thread to land. When one of them left, wait for the others to reach
        their own boundaries, so that none is cut off in the middle, and leave with it."""
        assert self._queue is not None
        ends_at = monotonic_at(self._life.clock, until)
        while self._flying:
            left = SLICE_S
            if ends_at is not None:
                left = ends_at - self._life.clock.monotonic()
                if left <= 0:
                    return
            try:
                ticket, landing = self._queue.get(timeout=min(left, SLICE_S))
            except Empty:
                self._life.raise_if_leaving_now()
                continue
            self._flying.discard(ticket)
            if isinstance(landing, Leaving):
                self._left = landing
            elif isinstance(landing, BaseException):
                raise landing
            elif self._left is None:
                self._landed[ticket] = landing
                return
        if self._left is not None:
            raise self._left
