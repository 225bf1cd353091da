"""Do one item alone, in a process made for it: if that dies, it is known who killed it.

The process is a fork of this one, so that any function will do, also one that cannot be sent to
another. The fork closes the store, writes its output to a pipe and ends with this process.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from queue import SimpleQueue
from typing import Final, NoReturn

from holdfast.runtime.batches.crews import Site, timed_out
from holdfast.runtime.batches.shipping import die_with
from holdfast.runtime.batches.work import Death, Landed, Landing, Work, do_item, failure_of
from holdfast.runtime.capture import current_step

LINES_MAX: Final = 10
"""How many of the last lines of an item that killed its process are kept."""
LINE_BYTES_MAX: Final = 2_000
LINES_S: Final = 1.0
"""How long the last lines are waited for after the process is gone."""
_OUTSIDE: Final = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
"""What people and schedulers send: it says nothing about the item."""


def do_alone(site: Site, slot: int, work: Work, say: Callable[[str], None]) -> None:
    """Begin one item in a process of its own; what comes of it is put on the crew's queue.

    `say` gets each line of its output. A death is an outcome: how, and the last lines.
    """
    told, tell = os.pipe()
    heard, speak = os.pipe()
    driver = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        os.close(heard)
        _child(site, work, tell, speak, driver)
    os.close(tell)
    os.close(speak)
    site.tail.occupy(slot, work.ordinal, pid)
    waiter = _Waiter(site, slot, work, pid, told, heard, say)
    threading.Thread(target=waiter.wait, name=f"holdfast alone {slot}", daemon=True).start()


def _child(site: Site, work: Work, tell: int, speak: int, driver: int) -> NoReturn:
    """The forked process: do the item, tell the outcome, and end without any clean-up that is
    the parent's."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setpgid(0, 0)
        die_with(driver)
        os.dup2(speak, 1)
        os.dup2(speak, 2)
        current_step.set(None)
        sys.stdout = open(1, "w", buffering=1, closefd=False, errors="backslashreplace")
        sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")
        landing = do_item(lambda item: _awaited(site.body(item)), work, site.retry)
        sys.stdout.flush()
        sys.stderr.flush()
        content = _content(landing, site)
        view = memoryview(content)
        while view:
            view = view[os.write(tell, view) :]
        os._exit(0)
    except BaseException:
        with suppress(BaseException):
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
        os._exit(70)


def _awaited(made: object) -> object:
    """Return a value; where an async function made a promise of one, on a loop made for it."""
    if not isinstance(made, Coroutine):
        return made
    import asyncio

    return asyncio.run(made)


def _content(landing: Landing, site: Site) -> bytes:
    try:
        return pickle.dumps((landing.value, landing.failure, landing.seconds))
    except Exception as error:
        return pickle.dumps((None, failure_of(error, site.retry), landing.seconds))


class _Waiter:
    """Waits for one process, and says what came of it."""

    def __init__(
        self,
        site: Site,
        slot: int,
        work: Work,
        pid: int,
        told: int,
        heard: int,
        say: Callable[[str], None],
    ) -> None:
        self._site, self._slot, self._work, self._pid = site, slot, work, pid
        self._told, self._heard = os.fdopen(told, "rb"), os.fdopen(heard, "rb")
        self._say = say
        self._last: deque[str] = deque(maxlen=LINES_MAX)
        self._is_late = False
        self._problem: BaseException | None = None

    def wait(self) -> None:
        """Read until the process is gone, and put what came of its item on the queue."""
        try:
            landed = Landed.of(self._slot, (self._ended(),))
        except BaseException as error:  # Nobody else would tell the driver, and it waits.
            landed = Landed(self._slot, lost=(self._work,), error=error)
        self._site.landed.put(landed)

    def _ended(self) -> Landing:
        contents: SimpleQueue[bytes] = SimpleQueue()
        reader = threading.Thread(target=lambda: contents.put(self._told.read()), daemon=True)
        reader.start()
        timer = None
        if self._site.timeout_s is not None:
            timer = threading.Timer(self._site.timeout_s, self._end)
            timer.daemon = True
            timer.start()
        try:
            listener = threading.Thread(target=self._listen, daemon=True)
            listener.start()
            # It stays a zombie until nobody would kill its number any more.
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
            if timer is not None:
                timer.cancel()
            _, status = os.waitpid(self._pid, 0)
            # What it started and left behind may hold its output open for as long as it likes.
            listener.join(LINES_S)
            if self._problem is not None:
                raise self._problem
            landing = self._landing(status, contents.get())
        finally:
            self._told.close()
        self._site.tail.vacate(self._slot)
        return landing

    def _end(self) -> None:
        self._is_late = True
        with suppress(ProcessLookupError):
            # What it started holds its output open, and would be waited for.
            os.killpg(self._pid, signal.SIGKILL)

    def _listen(self) -> None:
        try:
            with self._heard as heard:
                while line := heard.readline(LINE_BYTES_MAX):
                    text = self._site.redact(line.decode(errors="backslashreplace").rstrip("\n"))
                    self._last.append(text)
                    self._say(text)
        except BaseException as error:  # Of the store; it closes the pipe, and the item ends.
            self._problem = error

    def _landing(self, status: int, content: bytes) -> Landing:
        code = os.waitstatus_to_exitcode(status)
        limit_s = self._site.timeout_s
        if self._is_late and limit_s is not None:
            return Landing(self._work, None, timed_out(limit_s, self._site.retry), None, limit_s)
        if code == 0 and content:
            value, failure, seconds = pickle.loads(content)
            return Landing(self._work, value, failure, None, seconds)
        return Landing(self._work, death=death_of(code, "\n".join(self._last)))


def death_of(code: int, output: str = "") -> Death:
    """Return how a process ended that told nothing; `code` as `waitstatus_to_exitcode` has it."""
    if code >= 0:
        return Death(f"ended its process with exit code {code}", False, output)
    number = signal.Signals(-code)
    return Death(f"killed by {number.name}", number in _OUTSIDE, output)
