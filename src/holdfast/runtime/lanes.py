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

from holdfast.model.making import dataclass

ROOT = 0
_LANE: ContextVar[int] = ContextVar("holdfast_lane", default=ROOT)


def enter(lane: int) -> None:
    """Make the calling context a part of this lane."""
    _LANE.set(lane)


@dataclass(frozen=True, slots=True)
class Lull:
    """What the lanes of a life wait for: whether all of them wait, whether one waits for a
    person, and when the first goes on of those that wait for a time."""

    is_idle: bool = False
    for_person: bool = False
    soonest: datetime | None = None

    @property
    def until(self) -> datetime | None:
        """When the first lane goes on, if nothing but time is waited for."""
        return self.soonest if self.is_idle and not self.for_person else None


class Lanes:
    """The lanes of one life.

    Read by signal handlers, so there is no lock to be held: each change is a single operation on
    a dictionary, and a reader works on a copy.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._open: dict[int, None] = {ROOT: None}
        self._waits: dict[int, tuple[int, datetime | None, bool]] = {}

    def open(self) -> int:
        """Return a new lane, for a call that is about to be given to a thread or a task."""
        lane = next(self._numbers)
        self._open[lane] = None
        return lane

    def end(self, lane: int) -> None:
        """The lane's call has landed, or nobody waits for it any more."""
        self._open.pop(lane, None)

    @contextmanager
    def waiting(self, until: datetime | None = None, *, for_person: bool = False) -> Iterator[None]:
        """Say that the calling lane waits: until a moment, for a person, or for its own lanes."""
        token = next(self._numbers)
        self._waits[token] = _LANE.get(), until, for_person
        try:
            yield
        finally:
            del self._waits[token]

    @contextmanager
    def within(self) -> Iterator[None]:
        """Make what is done here a lane of its own, which the calling one waits for."""
        lane, token = self.open(), next(self._numbers)
        self._waits[token] = _LANE.get(), None, False
        before = _LANE.set(lane)
        try:
            yield
        finally:
            _LANE.reset(before)
            del self._waits[token]
            self.end(lane)

    def lull(self) -> Lull:
        """Return what the lanes wait for now."""
        waits = self._waits.copy().values()
        waiting = {lane for lane, _, _ in waits}
        moments = [until for _, until, _ in waits if until is not None]
        return Lull(
            waiting.issuperset(self._open.copy()),
            any(for_person for _, _, for_person in waits),
            min(moments, default=None),
        )
