"""Locks that a signal cannot leave taken."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from holdfast.locks import Lock, RLock

HITS = 300
EVERY_S = 0.000_3


class Hit(Exception):
    """What the handler raises, as that of Ctrl-C does."""


class Striker:
    """The handler of a signal that comes again and again; it raises once each time it is armed."""

    is_armed = False

    def __call__(self, number: int, frame: object) -> None:
        if self.is_armed:
            self.is_armed = False
            raise Hit

    def strike(self, lock: Any) -> bool:
        """Take the lock and give it back until a signal comes, half of the time in the middle.
        Return whether its handler raised from there."""
        self.is_armed = True
        try:
            self._turn(lock)
        except Hit:
            return True
        return False

    def _turn(self, lock: Any) -> None:
        while self.is_armed:
            with lock:
                pass


@contextmanager
def striking() -> Iterator[Striker]:
    """Let the signal come."""
    striker = Striker()
    before = signal.signal(signal.SIGALRM, striker)
    signal.setitimer(signal.ITIMER_REAL, EVERY_S, EVERY_S)
    try:
        yield striker
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def is_free(lock: Any) -> bool:
    """Whether another thread gets the lock."""
    found: list[bool] = []

    def look() -> None:
        found.append(lock.acquire(blocking=False))
        if found[0]:
            lock.release()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("make", [Lock, RLock])
def test_a_signal_never_leaves_a_lock_taken(make: Callable[[], Any]) -> None:
    """Whenever it comes: before the lock is taken, while it is, or while it is given back."""
    lock, hits = make(), 0
    with striking() as striker:
        while hits < HITS:
            hits += striker.strike(lock)
            assert is_free(lock)


def test_a_lock_that_is_held_is_waited_for() -> None:
    """By one thread at a time; a second `with` of the same RLock is no wait."""
    lock, order = RLock(), list[str]()

    def second() -> None:
        with lock:
            order.append("second")

    thread = threading.Thread(target=second)
    with lock, lock:
        thread.start()
        order.append("first")
    thread.join()

    assert ["first", "second"] == order
