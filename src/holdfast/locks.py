"""Locks of a process that no signal leaves taken, nor a fork.

`with lock:` gives a lock back whatever is raised once it has it. In Python 3.14 it does not where a
signal comes while it takes the lock and the handler raises, as Ctrl-C does: then nobody ever gives
that lock back (CPython's issue 148874, mended in 3.15). There we take it in a method of our own, in
which that can be caught; everywhere else these are the locks of `threading`.

A forked child has one thread, and a copy of every lock: one that another thread of the parent had
at that moment is never given back there. `forkable` is for the locks that the code of a step may
meet in a child, by printing alone.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakSet

L = TypeVar("L")

if TYPE_CHECKING or sys.version_info[:2] != (3, 14):
    from threading import Lock as Lock
    from threading import RLock as RLock
else:
    import _thread

    class Lock(_thread.RLock):
        """A lock whose `__exit__` stays the interpreter's own: in one of Python's a signal could
        be served before its first line."""

        __slots__ = ()

        def __enter__(self):
            before = self._recursion_count()
            try:
                return self.acquire()
            except BaseException:
                if self._recursion_count() > before:
                    self.release()
                raise

    RLock = Lock


def forkable(lock: L) -> L:
    """Return the lock, which every forked child finds free."""
    _FORKABLE.add(lock)
    return lock


_FORKABLE: Final[WeakSet[Any]] = WeakSet()


def _after_fork_in_child() -> None:
    for lock in list(_FORKABLE):
        # As `threading` and `logging` do with theirs: whoever refers to the lock keeps it.
        lock._at_fork_reinit()


os.register_at_fork(after_in_child=_after_fork_in_child)
