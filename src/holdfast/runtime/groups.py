"""The process groups that run for a step or a run, so that they can be told to end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from threading import Condition

from holdfast.locks import RLock, forkable

GRACE_S = 2.0
"""How long a program may take between SIGTERM and SIGKILL."""
POLL_S = 0.02


class Groups:
    """The process groups that run for one step, or, as its parent, for the whole run.

    Safe to use from any thread, and from a signal handler.
    """

    def __init__(self, parent: Groups | None = None) -> None:
        self._parent = parent
        self._closed = False
        self._live: set[int] = set()
        # Family-wide: a group must not be reaped while someone still means to signal it.
        self._lock: RLock = parent._lock if parent else forkable(RLock())
        # Entered by its lock: in the condition's own methods a signal may be served.
        self._changed: Condition = parent._changed if parent else Condition(self._lock)
        self._doomed: set[int] = parent._doomed if parent else set()

    def kill_all(self, grace_s: float = GRACE_S) -> None:
        """End every program here: SIGTERM, then SIGKILL to what is left after `grace_s`.

        Returns when none of their processes is left, or has been sent SIGKILL. From now on no
        program starts here: a step that timed out cannot go on to its next command.
        """
        with self._lock:
            self._closed = True
            self._kill(set(self._live), grace_s)

    def kill(self, group: int, grace_s: float = GRACE_S) -> None:
        """End the program that leads `group`, in the same way; the others go on."""
        with self._lock:
            self._kill({group}, grace_s)

    def add(self, group: int) -> bool:
        """Return whether `group` is now ours to kill; False when we were told to end."""
        with self._lock:
            if any(each._closed for each in self._line()):
                return False
            for each in self._line():
                each._live.add(group)
            return True

    def discard(self, group: int) -> None:
        """Give up a group whose leader has ended but is not reaped; nobody signals it any more.

        Waits while a kill of this group is under way: the leader's grandchildren have the same
        grace as their leader, and the number stays theirs until it is over.
        """
        with self._lock:
            self._changed.notify_all()
            while group in self._doomed:
                self._changed.wait()
            for each in self._line():
                each._live.discard(group)

    def _line(self) -> Iterator[Groups]:
        each: Groups | None = self
        while each is not None:
            yield each
            each = each._parent

    def _kill(self, groups: set[int], grace_s: float) -> None:
        self._doomed |= groups
        deadline = time.monotonic() + grace_s
        try:
            for group in groups & self._live:
                _signal(group, signal.SIGTERM)
                _signal(group, signal.SIGCONT)  # a stopped process would never see the first
            while groups & self._live & _groups_alive():
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(min(left_s, POLL_S))
        finally:
            for group in groups & self._live:
                _signal(group, signal.SIGKILL)
            self._doomed -= groups
            self._changed.notify_all()


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left, or it runs as another user now: nothing we could do


def _groups_alive() -> set[int]:
    """Return the process groups that have a member which is not a zombie."""
    alive = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, _, group = file.read().rpartition(b")")[2].split()[:3]
            except OSError:
                continue  # It has ended, or is not shown to us (hidepid): then it is not ours.
            if state not in b"ZX":
                alive.add(int(group))
    return alive
