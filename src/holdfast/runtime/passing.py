"""Run a command in the place of a shell: its streams pass through, and are kept beside it.

It reads our standard input, has the descriptors that we were given, and leads a session of its
own. What it writes is passed on as it comes, byte for byte, and given to whoever keeps it. How it
is kept from outliving us is told in `watchdog.py`; it waits at a gate here too, but at a
descriptor of its own, because its input is the user's.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from holdfast.errors import CommandFailed, NotDone, StoreError
from holdfast.model.making import dataclass, field
from holdfast.runtime.groups import Groups
from holdfast.runtime.watchdog import GROUP, SHELL, close, pipe, watchdog

Keep: TypeAlias = Callable[[str, bytes], None]
"""Takes the stream, "out" or "err", and bytes as they come."""

CHUNK_BYTES: Final = 64 * 1024
QUIET_S: Final = 1.0
DRAIN_S: Final = 10.0
"""After the command's end what it wrote is read until nobody holds it open, until it was quiet
for QUIET_S, or for DRAIN_S: as in `processes.py`."""
NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
KILLED: Final = 128

_GATE: Final = f'IFS= read -r _ <&{{0}} && exec {{0}}<&- && export {GROUP}=$$ && exec "$@"'
_RESET_SIGNALS: Final = (signal.SIGPIPE, signal.SIGXFSZ)


class NotStarted(NotDone):
    """Why the system, or its caller's open files, had no room for a command: nothing of it ran."""


@dataclass(slots=True)
class Passing:
    """One command on its way. `keep` gets what it writes; with `holds_back` its output is not
    passed on, because another attempt may follow. `env` is laid over our environment. It
    `is_running` while it may still do something."""

    argv: Sequence[str]
    keep: Keep
    holds_back: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    is_running: bool = False
    lost: StoreError | None = None
    """Why its standard output could not be passed on to its end."""
    _pid: int = 0
    _full: set[str] = field(default_factory=set)

    def run(self, group: Groups) -> int:
        """Run the command to its end and return its code as a shell would: 126 and 127 when it
        could not be run, 128+n when signal n killed it.

        Raises NotStarted; CommandFailed when `group` was told to end before it began. Any
        exception in here first ends the command.
        """
        try:
            ends = self._start()
        except OSError as error:
            raise NotStarted(str(error.strerror).lower()) from error
        return self._attend(ends, group)

    def kill(self) -> None:
        """Kill the command and its group at once; from a thread, while it runs."""
        if self._pid:
            try:
                os.killpg(self._pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def _start(self) -> tuple[int, int, int]:
        """Start the command at its gate; return our ends of the gate and of its two outputs."""
        digit = _free_digit()
        env = {**os.environ, **self.env}
        odd = [f"{k}={v}" for k, v in env.items() if not (k.isascii() and k.isidentifier())]
        # A shell drops variables whose names it cannot say, among them bash's exported functions.
        words = ["/usr/bin/env", "--", *odd, *self.argv] if odd else [*self.argv]
        pipes: list[int] = []
        try:
            for _ in range(3):
                pipes += pipe()
            gate, ours_gate, out, theirs_out, err, theirs_err = pipes
            moves = [
                (os.POSIX_SPAWN_DUP2, 0, 0),
                (os.POSIX_SPAWN_DUP2, theirs_out, 1),
                (os.POSIX_SPAWN_DUP2, theirs_err, 2),
                (os.POSIX_SPAWN_DUP2, gate, digit),
            ]
            self._pid = os.posix_spawn(
                SHELL, [SHELL, "-c", _GATE.format(digit), "sh", *words], env,
                file_actions=moves, setsid=True, setsigmask=(), setsigdef=_RESET_SIGNALS,
            )  # fmt: skip
        except BaseException:
            close(pipes)
            raise
        close((gate, theirs_out, theirs_err))
        return ours_gate, out, err

    def _attend(self, ends: tuple[int, int, int], group: Groups) -> int:
        """Open the gate, pass on what comes, reap, and return the code."""
        gate, out, err = ends
        started = False
        try:
            started = group.add(self._pid)
            if started:
                watchdog.guard(self._pid)
                self.is_running = True
                os.write(gate, b"\n")
                self._pass_on({out: "out", err: "err"})
                _wait(self._pid)
        except BaseException:
            group.kill(self._pid)
            raise
        finally:
            for end in ends:
                _close(end)
            if not started:
                os.kill(self._pid, signal.SIGKILL)  # It waits at the gate.
            _wait(self._pid)
            self.is_running = False
            group.discard(self._pid)
            watchdog.release(self._pid)
            code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        if not started:
            raise CommandFailed(self.argv, -signal.SIGKILL, "not started: told to end")
        return code if code >= 0 else KILLED - code

    def _pass_on(self, streams: dict[int, str]) -> None:
        """Read until nothing more is to come."""
        poll = select.poll()
        for end in streams:
            poll.register(end, select.POLLIN)
        deadline = None
        while streams:
            if deadline is None and _has_ended(self._pid):
                deadline = time.monotonic() + DRAIN_S
            events = poll.poll(QUIET_S * 1000)
            # The order matters: what it wrote was in the pipe before we asked whether it ended.
            if deadline is not None and (not events or time.monotonic() > deadline):
                return
            for end, _ in events:
                chunk = os.read(end, CHUNK_BYTES)
                if not chunk or not self._take(streams[end], chunk):
                    poll.unregister(end)
                    _close(end)
                    del streams[end]

    def _take(self, stream: str, chunk: bytes) -> bool:
        """Keep a chunk and pass it on; False when nobody reads it any more: then the command is
        to find that out itself, as it would without us. For what there is no room the command
        goes on, because what is kept can be had again."""
        self.keep(stream, chunk)
        if stream in self._full or (stream == "out" and self.holds_back):
            return True
        try:
            return write_all(1 if stream == "out" else 2, chunk)
        except StoreError as error:
            self._full.add(stream)
            self.lost = error if stream == "out" else self.lost
            return True


def write_all(fd: int, data: bytes) -> bool:
    """Write all of it, however slow the reader is; False when nobody reads. Raises StoreError
    where there is no room."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(fd, left[:CHUNK_BYTES]) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except BrokenPipeError:
            return False
        except OSError as error:
            raise no_room(error) from error
    return True


def no_room(error: OSError) -> StoreError:
    """Return what is said of an output of ours that cannot be written."""
    return StoreError(f"standard output cannot be written: {error.strerror}")


def cannot_run(name: str) -> int:
    """Return 127 when there is no such program, 126 when it cannot be executed, else 0: looked
    at beforehand, because a command that never began is in no doubt."""
    if "/" in name:
        candidates = [name]
    else:
        folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
        candidates = [os.path.join(folder or ".", name) for folder in folders]
    there = [path for path in candidates if os.path.exists(path)]
    if not there:
        return NOT_FOUND
    if any(os.path.isfile(path) and os.access(path, os.X_OK) for path in there):
        return 0
    return NOT_EXECUTABLE


def _free_digit() -> int:
    """Return a descriptor from 3 to 9, the ones that every shell can name, that the caller of
    this process did not open for the command."""
    for digit in range(3, 10):
        try:
            if not os.get_inheritable(digit):
                return digit
        except OSError:
            return digit
    raise NotStarted("the descriptors 3 to 9 are all open; close one of them before this step")


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _wait(pid: int) -> None:
    """Return when the command has ended; it stays a zombie, and its number its own."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _close(end: int) -> None:
    try:
        os.close(end)
    except OSError:
        pass
