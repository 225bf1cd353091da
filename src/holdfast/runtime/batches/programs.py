"""Who does the items: programs, one for each item, which this very thread starts and waits for.

A thread for each would only wait, and hand what it got to the driver: two turns of the interpreter
for every item. Here the driver's own wait for whoever lands is the wait for the programs.

*No orphans.* A program leads a session of its own, so that it can be told to end with all that it
started. It is noted in its slot; should this process die in any way, a guard (`orphans.py`) reads
there what to kill, and what even the guard's death leaves over is killed by the next life before
it begins.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty
from time import monotonic
from typing import Final, Protocol

from holdfast.runtime.batches.crews import Site, timed_out
from holdfast.runtime.batches.orphans import Guard, end_orphans
from holdfast.runtime.batches.spawning import Program, spawn
from holdfast.runtime.batches.work import Landed, Landing, Work, failure_of
from holdfast.runtime.batches.wrote import Wrote
from holdfast.runtime.groups import GRACE_S, Groups
from holdfast.runtime.watchdog import close, pipe

CHUNK_BYTES: Final = 64 * 1024
QUIET_S: Final = 1.0
DRAIN_S: Final = 10.0
"""After a program's end what it wrote is read until nobody holds it open, until it was quiet for
QUIET_S, or for DRAIN_S: as of the program of a step."""
DRAIN_CHUNKS: Final = 16
"""So much is read at once when a program ends: what it left behind may write without end."""
LOOK_S: Final = 0.02
"""How often a program is looked at where no handle on a process can be had."""
OUT, ERR, END = 0, 1, 2
_SCARCE: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM))
"""What the machine is short of says nothing of an item: the batch fails, and goes on later."""


class Commands(Protocol):
    """What the items of a batch are done with."""

    groups: Groups
    marker: bytes
    """What `HOLDFAST_TOKEN` begins with in the environment of every program."""

    def program_of(self, work: Work) -> Program:
        """Return what to run for an item. An error it raises is the item's failure."""

    def refused(self, program: Program, error: OSError) -> Exception:
        """Return what an item failed with whose program could not be started."""

    def value_of(self, work: Work, code: int, wrote: Wrote) -> object:
        """Return what the item is worth whose program ended with `code`, `-n` for signal n; raise
        why it failed. Raises Leaving when the batch cannot go on."""

    def is_cut_off(self) -> bool:
        """Whether what runs is to be given up on: it is killed then, and how it ends says nothing
        of its item."""


class _Running:
    """One program on its way."""

    __slots__ = (
        "began",
        "deadline",
        "drained_by",
        "ends",
        "has_ended",
        "is_late",
        "pid",
        "slot",
        "unkept",
        "work",
        "wrote",
    )

    def __init__(self, slot: int, work: Work, pid: int, ends: list[int], began: float) -> None:
        self.slot, self.work, self.pid, self.ends, self.began = slot, work, pid, ends, began
        self.wrote = Wrote()
        self.has_ended = self.is_late = False
        self.deadline: float | None = None
        self.drained_by = 0.0
        self.unkept: OSError | None = None
        """Why there was no room for what it wrote."""

    @property
    def is_over(self) -> bool:
        return self.has_ended and self.ends[OUT] < 0 and self.ends[ERR] < 0


class Programs:
    """A crew whose workers are programs. What lands is asked of it as of a queue: while somebody
    waits for that, it attends to the programs."""

    is_inline = False

    def __init__(
        self, site: Site, size: int, commands: Commands, is_unfinished: Callable[[int], bool]
    ) -> None:
        """What earlier lives have left running for unfinished items is killed first. Raises
        RunLocked when it cannot be."""
        end_orphans(commands.marker, is_unfinished)
        self.size = size
        self._site, self._commands = site, commands
        self._landed: deque[Landed] = deque()
        self._running: dict[int, _Running] = {}
        """By descriptor: each program under its two outputs and the handle on it."""
        self._slots: dict[int, _Running] = {}
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.epoll()
        self._poll.register(self._wake, select.EPOLLIN)
        self._guard = Guard(site.tail.slots_path, commands.marker)
        site.landed = self

    # --- the crew ---

    def start(self, slot: int, chunk: Sequence[Work]) -> None:
        (work,) = chunk
        tail, began = self._site.tail, monotonic()
        tail.occupy(slot, work.ordinal, os.getpid())
        try:
            pid, ends = self._started(self._commands.program_of(work))
        except Exception as error:
            tail.vacate(slot)
            is_ours = isinstance(error.__cause__, OSError) and error.__cause__.errno in _SCARCE
            lost = Landed(slot, lost=(work,), error=error.__cause__)
            self._landed.append(lost if is_ours else self._failed(slot, work, error, began))
            return
        except BaseException as error:
            self._landed.append(Landed(slot, lost=(work,), error=error))
            return
        running = _Running(slot, work, pid, ends, began)
        self._slots[slot] = running
        tail.occupy(slot, work.ordinal, pid)
        for end in ends:
            if end >= 0:
                self._running[end] = running
                self._poll.register(end, select.EPOLLIN)
        if self._site.timeout_s is not None:
            running.deadline = began + self._site.timeout_s
        if not self._commands.groups.add(pid):
            _kill(pid, signal.SIGKILL)

    def look(self) -> None:
        return None  # It looks whenever it is asked what has landed.

    def close(self) -> bool:
        """End what still runs, without a word about its items, and wait until it is gone."""
        running_now, until = list(self._slots.values()), monotonic() + GRACE_S
        for running in running_now:
            _kill(running.pid, signal.SIGTERM)
            _kill(running.pid, signal.SIGCONT)
        for running in running_now:
            _wait_until(running.pid, until)
            _kill(running.pid, signal.SIGKILL)  # What it started may still be there.
            self._reap(running)
            self._site.tail.vacate(running.slot)
        self._guard.close()
        self._poll.close()
        close((self._null, self._wake))
        return False

    # --- the queue ---

    def put(self, landed: Landed) -> None:
        """Add what landed elsewhere; from any thread."""
        self._landed.append(landed)
        os.eventfd_write(self._wake, 1)

    def empty(self) -> bool:
        return not self._landed

    def get_nowait(self) -> Landed:
        return self._landed.popleft()

    def get(self, timeout: float) -> Landed:
        """Return what has landed; attend to the programs until then. Raises Empty."""
        until = monotonic() + timeout
        while not self._landed:
            left_s = until - monotonic()
            self._attend(max(0.0, left_s))
            if left_s <= 0 and not self._landed:
                raise Empty
        return self._landed.popleft()

    # --- attending ---

    def _attend(self, wait_s: float) -> None:
        """Read what the programs write, and land those that are over."""
        for end, _ in self._poll.poll(min(wait_s, self._due_s())):
            running = self._running.get(end)
            if running is None:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            elif end == running.ends[END]:
                self._ended(running)
            else:
                self._read(running, end)
            if running is not None and running.is_over:
                self._land(running)
        self._look_at_times()

    def _due_s(self) -> float:
        """Return how long nothing has to be done but to wait."""
        moments = [one.deadline for one in self._slots.values() if one.deadline is not None]
        due_s = max(0.0, min(moments) - monotonic()) if moments else 60.0
        has_handles = all(one.has_ended or one.ends[END] >= 0 for one in self._slots.values())
        return due_s if has_handles else min(due_s, LOOK_S)

    def _read(self, running: _Running, end: int) -> bool:
        """Read what is there; return False when that is nothing."""
        try:
            chunk = os.read(end, CHUNK_BYTES)
        except BlockingIOError:
            # One poll told of this and of the program's end, at which all of it was read; what it
            # left behind still holds the pipe.
            return False
        which = OUT if end == running.ends[OUT] else ERR
        if not chunk:
            self._close(running, which)
            return False
        self._keep(running, which, chunk)
        if running.has_ended:
            running.deadline = min(monotonic() + QUIET_S, running.drained_by)
        return True

    def _keep(self, running: _Running, which: int, chunk: bytes) -> None:
        """Keep what a program wrote; one for which there is no room is killed, and the
        batch ends once what else is in hand has landed."""
        if running.unkept is not None:
            return
        try:
            (running.wrote.out if which == OUT else running.wrote.err).add(chunk)
        except OSError as error:
            running.unkept = error
            _kill(running.pid, signal.SIGKILL)

    def _ended(self, running: _Running) -> None:
        """The program has ended, and is not reaped. What it wrote may still be in its pipes."""
        running.has_ended = True
        if running.is_late:
            _kill(running.pid, signal.SIGKILL)  # What it started had as long as it had.
        self._close(running, END)
        now = monotonic()
        running.deadline, running.drained_by = now + QUIET_S, now + DRAIN_S
        for which in (OUT, ERR):
            self._drain(running, which)

    def _drain(self, running: _Running, which: int) -> None:
        """Read what is there already; whoever else holds the pipe may write on."""
        end = running.ends[which]
        if end < 0:
            return
        os.set_blocking(end, False)
        for _ in range(DRAIN_CHUNKS):
            if not self._read(running, end):
                return

    def _look_at_times(self) -> None:
        now = monotonic()
        for running in list(self._slots.values()):
            if not running.has_ended and running.ends[END] < 0 and _has_ended(running.pid):
                self._ended(running)
            if running.deadline is not None and now >= running.deadline:
                self._overdue(running, now)
            if running.is_over:
                self._land(running)

    def _overdue(self, running: _Running, now: float) -> None:
        if running.has_ended:  # What it left in the background keeps its outputs open.
            self._close(running, OUT)
            self._close(running, ERR)
        elif not running.is_late:
            running.is_late, running.deadline = True, now + GRACE_S
            _kill(running.pid, signal.SIGTERM)
            _kill(running.pid, signal.SIGCONT)
        else:
            running.deadline = None
            _kill(running.pid, signal.SIGKILL)

    # --- landing ---

    def _land(self, running: _Running) -> None:
        if self._slots.get(running.slot) is not running:
            return
        code = self._reap(running)
        self._site.tail.vacate(running.slot)
        self._landed.append(self._came_of(running, code))
        running.wrote.close()

    def _came_of(self, running: _Running, code: int) -> Landed:
        """Return what came of an item whose program ended with `code`."""
        slot, work, site = running.slot, running.work, self._site
        if self._commands.is_cut_off() and code != 0:
            return Landed(slot, lost=(work,))
        if running.unkept is not None:
            return Landed(slot, lost=(work,), error=running.unkept)
        try:
            value = self._commands.value_of(work, code, running.wrote)
        except Exception as error:
            if running.is_late and site.timeout_s is not None:
                return self._late(running, site.timeout_s)
            return self._failed(slot, work, error, running.began)
        except BaseException as error:
            return Landed(slot, lost=(work,), error=error)
        if running.is_late and site.timeout_s is not None:
            return self._late(running, site.timeout_s)
        return Landed(slot, ((work, value),), seconds=monotonic() - running.began)

    def _late(self, running: _Running, limit_s: float) -> Landed:
        """Return what came of an item that took too long; how its program ended says less."""
        failure, seconds = timed_out(limit_s, self._site.retry), monotonic() - running.began
        return Landed.of(running.slot, (Landing(running.work, None, failure, None, seconds),))

    def _failed(self, slot: int, work: Work, error: Exception, began: float) -> Landed:
        site = self._site
        failure = failure_of(error, site.retry, site.redact)
        landing = Landing(work, None, failure, None, monotonic() - began)
        return Landed(slot, failed=(landing,), seconds=landing.seconds)

    def _reap(self, running: _Running) -> int:
        del self._slots[running.slot]
        for which in (OUT, ERR, END):
            self._close(running, which)
        # Its number stays its own until nobody means to signal it.
        os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
        self._commands.groups.discard(running.pid)
        return os.waitstatus_to_exitcode(os.waitpid(running.pid, 0)[1])

    def _close(self, running: _Running, which: int) -> None:
        end = running.ends[which]
        if end >= 0:
            running.ends[which] = -1
            del self._running[end]
            self._poll.unregister(end)
            os.close(end)

    # --- starting ---

    def _started(self, program: Program) -> tuple[int, list[int]]:
        """Start a program; return its number, and our ends: of its outputs, and the handle."""
        pipes: list[int] = []
        try:
            pipes += pipe()
            pipes += pipe()
            out, theirs_out, err, theirs_err = pipes
            pid = spawn(program, self._null, theirs_out, theirs_err)
        except BaseException as error:
            close(pipes)
            if isinstance(error, OSError):
                raise self._commands.refused(program, error) from error
            raise
        close((theirs_out, theirs_err))
        try:
            handle = os.pidfd_open(pid)
        except (AttributeError, OSError):
            handle = -1
        return pid, [out, err, handle]


def _kill(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _wait_until(pid: int, until: float) -> None:
    """Wait for a program to end, but no longer; it is left to be reaped."""
    while not _has_ended(pid) and monotonic() < until:
        select.select([], [], [], LOOK_S)
