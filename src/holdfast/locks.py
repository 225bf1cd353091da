"""Locks of a process that no signal leaves taken.

`with lock:` gives a lock back whatever is raised once it has it. In Python 3.14 it does not where a
signal comes while it takes the lock and the handler raises, as Ctrl-C does: then nobody ever gives
that lock back (CPython's issue 148874, mended in 3.15). There we take it in a method of our own, in
which that can be caught; everywhere else these are the locks of `threading`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

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
