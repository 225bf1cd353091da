"""Which lanes of a life only wait for a time: when all of them do, the process may leave.

A lane is the workflow itself, and each call that was given to a thread or a task of its own: a
branch, a body with a limit, a check; in an async workflow each program too, for they may be
gathered. A process that leaves stops every lane at its next boundary, so it must not leave for
the sake of a wait while another lane has work in hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from itertools import count

ROOT = 0
_LANE: ContextVar[int] = ContextVar("holdfast_lane", default=ROOT)


def enter(lane: int) -> None:
    """Make the calling context a part of this lane."""
    _LANE.set(lane)


class Lanes:
    """The lanes of one life.

    Read by signal handlers, so there is no lock to be held: each change is a single operation on
    a dictionary, and a reader works on a copy.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._open: dict[int, None] = {ROOT: None}
        self._waits: dict[int, tuple[int, datetime | None]] = {}

    def open(self) -> int:
        """Return a new lane, for a call that is about to be given to a thread or a task."""
        lane = next(self._numbers)
        self._open[lane] = None
        return lane

    def end(self, lane: int) -> None:
        """The lane's call has landed, or nobody waits for it any more."""
        self._open.pop(lane, None)

    @contextmanager
    def waiting(self, until: datetime | None = None) -> Iterator[None]:
        """Say that the calling lane waits until a moment, or, without one, for lanes of its own."""
        token = next(self._numbers)
        self._waits[token] = _LANE.get(), until
        try:
            yield
        finally:
            del self._waits[token]

    @contextmanager
    def within(self) -> Iterator[None]:
        """Make what is done here a lane of its own, which the calling one waits for."""
        lane, token = self.open(), next(self._numbers)
        self._waits[token] = _LANE.get(), None
        before = _LANE.set(lane)
        try:
            yield
        finally:
            _LANE.reset(before)
            del self._waits[token]
            self.end(lane)

    def soonest(self) -> datetime | None:
        """Return when the first of the lanes that wait for a time goes on; None without any."""
        moments = [until for _, until in self._waits.copy().values() if until is not None]
        return min(moments, default=None)

    def idle_until(self) -> datetime | None:
        """Return when the first lane goes on, if all of them only wait for a time, else None."""
        waiting = {lane for lane, _ in self._waits.copy().values()}
        return self.soonest() if waiting.issuperset(self._open.copy()) else None
