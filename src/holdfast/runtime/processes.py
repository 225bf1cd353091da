"""Programs that a step runs: streamed line by line, captured, and told to end as a group.

How they are kept from outliving a driver that is killed is told in `watchdog.py`. Linux only:
groups are looked up in /proc, and `waitid` must be able to leave a zombie.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from holdfast.errors import CommandFailed, UsageError
from holdfast.model.making import dataclass
from holdfast.runtime.groups import GRACE_S, POLL_S, Groups
from holdfast.runtime.watchdog import GROUP, SHELL, close, pipe, spawn, watchdog

__all__ = ["GRACE_S", "Done", "Groups", "Sink", "run_program"]

Sink: TypeAlias = Callable[[str, str], None]
"""Takes the stream, "out" or "err", and one line without its newline."""

CAPTURED_BYTES_MAX = 16 * 1024 * 1024
LINE_BYTES_MAX = 64 * 1024
TAIL_LINES_MAX = 10
TAIL_BYTES_MAX = 4 * 1024
QUIET_S = 1.0
DRAIN_S = 10.0
"""After a program's end its output is read until nobody holds it open, until it was quiet for
QUIET_S, or for DRAIN_S: a daemon that it left behind must not hold up the step for ever."""
CHUNK_BYTES = 64 * 1024
NOT_EXECUTABLE = 126
NOT_FOUND = 127
STATUS_LOST = 255

_GATE = f'IFS= read -r _ && export {GROUP}=$$ && exec "$@"'
_CHANGE_DIRECTORY = f'cd "$1" || exit {NOT_EXECUTABLE}; shift; '


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended: what it wrote, without trailing newlines as in `$(...)`, and its code.

    The code is the exit status, and `-n` for a program that signal `n` killed. As in a shell it
    is 127 when there is no such program, and 126 when it cannot be executed.
    """

    out: str
    err: str
    code: int

    @property
    def lines(self) -> list[str]:
        """Return the lines of standard output."""
        return self.out.splitlines()


def run_program(
    argv: Sequence[str | os.PathLike[str]],
    *,
    input: str | bytes | None = None,
    env: Mapping[str, str | None] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    check: bool = True,
    sink: Sink,
    group: Groups,
    limit_s: float | None = None,
) -> Done:
    """Run a program to its end and return what it wrote; `sink` gets each line as it comes.

    It leads a session of its own, without a terminal; it reads `input`, or else nothing. `env` is
    laid over our environment; None takes a variable away. Of each stream CAPTURED_BYTES_MAX are
    kept: beyond that the middle is left out, and the text says so. Bytes that are not UTF-8 are
    shown as replacement marks.

    Raises CommandFailed when `check` and the code is not 0, and always when `group` was told to
    end before the program began, or when it has not ended after `limit_s`. Any exception in here,
    also one that a signal handler or the sink raises, first ends the program: SIGTERM, GRACE_S,
    SIGKILL.
    """
    command = _command(argv)
    text = input.encode() if isinstance(input, str) else input
    out, err = _Stream("out", sink), _Stream("err", sink)
    try:
        program = _start(command, text is not None, _environment(env), _directory(cwd))
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        code = NOT_EXECUTABLE
        err.take(f"{command[0]}: {error.strerror}\n".encode())
    else:
        until = None if limit_s is None else time.monotonic() + limit_s
        try:
            code = _attend(program, command, text, (out, err), group, until)
        except _TookTooLong:
            why = f"it had not ended after {limit_s:g} s, and was ended"
            raise CommandFailed(command, -signal.SIGTERM, why) from None
    if check and code != 0:
        raise CommandFailed(command, code, _hinted(command, code, err.tail() or out.tail()))
    return Done(out.text(), err.text(), code)


class _TookTooLong(Exception):
    """A program has not ended in its time."""


@dataclass(slots=True)
class _Program:
    """A program that waits at its gate, and our ends of its pipes."""

    pid: int
    stdin: int
    out: int
    err: int

    def close(self, end: int) -> None:
        """Close one of our ends."""
        for name in ("stdin", "out", "err"):
            if getattr(self, name) == end:
                setattr(self, name, -1)
                os.close(end)

    def close_all(self) -> None:
        """Close what is still open."""
        for end in (self.stdin, self.out, self.err):
            if end >= 0:
                self.close(end)

    def has_ended(self) -> bool:
        """Return whether the program ended; it stays a zombie, and its number stays its own."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
        except ChildProcessError:
            return True

    def wait_until(self, until: float | None) -> None:
        """As `wait`. Raises _TookTooLong at a moment of the monotonic clock."""
        while until is not None and not self.has_ended():
            _refuse_after(until)
            time.sleep(POLL_S)
        self.wait()

    def wait(self) -> None:
        """Return when the program has ended; it stays a zombie."""
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            pass  # reap() will say so

    def reap(self) -> int | None:
        """Return the exit code; None when the script waited for our child before us."""
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:
            return None


class _Stream:
    """One output of a program: lines go to the sink, the beginning and the end are kept."""

    def __init__(self, name: str, sink: Sink) -> None:
        self._name, self._sink = name, sink
        self._partial = b""
        self._head, self._tail = bytearray(), bytearray()
        self._size = 0

    def take(self, chunk: bytes) -> None:
        """Keep `chunk` and pass on the lines that it completes."""
        self._keep(chunk)
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        for line in lines:
            self.say(line.decode(errors="replace"))
        if len(self._partial) > LINE_BYTES_MAX:
            self.end()

    def end(self) -> None:
        """Pass on a last line that has no newline."""
        if self._partial:
            line, self._partial = self._partial, b""
            self.say(line.decode(errors="replace"))

    def say(self, line: str) -> None:
        """Pass on a line that is not part of what is captured."""
        self._sink(self._name, line)

    def text(self) -> str:
        """Return what was kept; where something is missing it says how much."""
        half = CAPTURED_BYTES_MAX // 2
        end = self._tail[-half:]
        left_out = self._size - len(self._head) - len(end)
        note = f"\n[holdfast: {left_out} bytes left out here]\n".encode() if left_out else b""
        return (self._head + note + end).decode(errors="replace").rstrip("\n")

    def tail(self) -> str:
        """Return the last lines."""
        end = (self._head[-TAIL_BYTES_MAX:] + self._tail[-TAIL_BYTES_MAX:])[-TAIL_BYTES_MAX:]
        return "\n".join(end.decode(errors="replace").splitlines()[-TAIL_LINES_MAX:])

    def _keep(self, chunk: bytes) -> None:
        half = CAPTURED_BYTES_MAX // 2
        self._size += len(chunk)
        room = half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * half:  # seldom, so that trimming costs little per byte
            del self._tail[:-half]


def _attend(
    program: _Program,
    command: list[str],
    text: bytes | None,
    streams: tuple[_Stream, _Stream],
    group: Groups,
    until: float | None,
) -> int:
    """Open the gate, serve the pipes, reap, and return the exit code. Raises _TookTooLong."""
    started = False
    try:
        started = group.add(program.pid)
        if started:
            watchdog.guard(program.pid)
            _serve(program, text, streams, until)
            program.wait_until(until)
    except BaseException:
        group.kill(program.pid)
        raise
    finally:
        program.close_all()
        if not started:
            os.kill(program.pid, signal.SIGKILL)  # it waits at the gate
        program.wait()
        group.discard(program.pid)
        watchdog.release(program.pid)
        code = program.reap()
    if not started:
        raise CommandFailed(command, -signal.SIGKILL, "not started: the step was told to end")
    if code is None:
        streams[1].take(b"holdfast: another wait in this process took the exit status\n")
    return STATUS_LOST if code is None else code


def _serve(
    program: _Program,
    text: bytes | None,
    streams: tuple[_Stream, _Stream],
    until: float | None,
) -> None:
    """Let the program begin, feed it, and read until there is nothing more to come."""
    outputs = dict(zip((program.out, program.err), streams, strict=True))
    feed = memoryview(b"\n" + (text or b""))  # the newline opens the gate
    poll = select.poll()
    poll.register(program.stdin, select.POLLOUT)
    for end in outputs:
        poll.register(end, select.POLLIN)
    deadline = None
    while outputs or program.stdin >= 0:
        if deadline is None and program.has_ended():
            deadline = time.monotonic() + DRAIN_S
        elif deadline is None and until is not None:
            _refuse_after(until)
        events = poll.poll(QUIET_S * 1000)
        # The order matters: what it wrote was in the pipe before we asked whether it had ended.
        if deadline is not None and (not events or time.monotonic() > deadline):
            streams[1].say("holdfast: what it left in the background keeps its output open")
            break
        for end, _ in events:
            if end == program.stdin:
                feed = _feed(end, feed)
                over = not feed
            else:
                over = not _read(end, outputs[end])
            if over:
                poll.unregister(end)
                program.close(end)
                outputs.pop(end, None)
    for stream in streams:
        stream.end()


def _refuse_after(until: float) -> None:
    if time.monotonic() > until:
        raise _TookTooLong


def _feed(end: int, rest: memoryview) -> memoryview:
    """Write what the pipe takes, and return what is left; nothing once nobody reads."""
    try:
        return rest[os.write(end, rest[:CHUNK_BYTES]) :]
    except BlockingIOError:
        return rest
    except BrokenPipeError:
        return rest[:0]


def _read(end: int, stream: _Stream) -> bool:
    """Pass on what is there, and return whether more may come."""
    chunk = os.read(end, CHUNK_BYTES)
    stream.take(chunk)
    return bool(chunk)


def _command(argv: Sequence[object]) -> list[str]:
    command = []
    for number, word in enumerate(argv):
        if not isinstance(word, str | os.PathLike):
            instead = "write it as text"
            if isinstance(word, list | tuple):
                instead = "give each word by itself, as in sh(*words)"
            raise UsageError(f"sh: argument {number} is {word!r}; {instead}")
        command.append(os.fspath(word))
    if not command or not command[0] or command[0].startswith("-"):
        raise UsageError(f"sh: {command[:1]} names no program")
    if any("\0" in word for word in command):
        raise UsageError("sh: an argument holds a NUL character, which no program can be given")
    return command


def _hinted(command: list[str], code: int, said: str) -> str:
    """Return what a program said at last; where a whole line was taken for its name, how to write
    that."""
    if code != NOT_FOUND or len(command) > 1 or len(words := command[0].split()) < 2:
        return said
    line = ", ".join(map(repr, words))
    return f"{said}\neach word is an argument of its own: sh({line}); a shell's: sh('sh', '-c', …)"


def _environment(extra: Mapping[str, str | None] | None) -> dict[str, str]:
    whole = {**os.environ, **(extra or {})}
    return {name: text for name, text in whole.items() if text is not None}


def _directory(cwd: str | os.PathLike[str] | None) -> str | None:
    if cwd is None:
        return None
    path = os.path.abspath(cwd)  # so that CDPATH has no say
    if not os.path.isdir(path):
        raise NotADirectoryError(errno.ENOTDIR, "sh: cwd is not a directory", path)
    return path


def _start(command: list[str], fed: bool, env: dict[str, str], cwd: str | None) -> _Program:
    """Start a program that waits at its gate; `fed` when its input follows through it."""
    gate = _GATE if fed else f"{_GATE} <{os.devnull}"
    # A shell drops variables whose names it cannot say, among them bash's exported functions.
    odd = [f"{k}={v}" for k, v in env.items() if not (k.isascii() and k.isidentifier())]
    words = ["/usr/bin/env", "--", *odd, *command] if odd else command
    if cwd is not None:
        gate, words = _CHANGE_DIRECTORY + gate, [cwd, *words]
    pipes: list[int] = []
    try:
        for _ in range(3):
            pipes += pipe()
        stdin, ours_in, out, theirs_out, err, theirs_err = pipes
        pid = spawn([SHELL, "-c", gate, "sh", *words], env, stdin, theirs_out, theirs_err)
    except BaseException:
        close(pipes)
        raise
    close((stdin, theirs_out, theirs_err))
    os.set_blocking(ours_in, False)
    return _Program(pid, ours_in, out, err)
