"""Programs whose driver has died: kill them, before anything of theirs is done once more.

Twice, because either may be killed. A guard, a fork of the driver that does nothing but wait for
its end, kills at once what the slots say was running. The next life of the batch kills whatever it
still finds, and waits until that is gone, before its first item begins.

What belongs to the batch is known by its environment, which its own children inherit, and no
longer by its number: that may be a stranger's by the time of the next life. What has changed its
environment is found by the guard alone, which comes so soon that a number is still the program's.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, NoReturn

from holdfast.errors import RunLocked
from holdfast.ports.slots import unpacked
from holdfast.runtime.leftovers import environments, value_in
from holdfast.runtime.watchdog import TOKEN, pipe

GONE_S: Final = 5.0
"""How long a killed process may take to be gone."""
LOOK_S: Final = 0.01
ROUNDS_MAX: Final = 20
_ORDERLY: Final = b"."


class Guard:
    """Kills what the slots say is running, when this process ends in any way but `close`."""

    def __init__(self, slots_path: str | None, marker: bytes) -> None:
        """Without slots nobody can tell what runs, and there is no guard."""
        self._pid = 0
        if slots_path is None:
            return
        waits, self._end = pipe()
        driver = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _guard(waits, slots_path, marker, driver)
        os.close(waits)

    def close(self) -> None:
        """Let the guard go: nothing runs any more. Once."""
        if self._pid:
            with suppress(BrokenPipeError):
                os.write(self._end, _ORDERLY)
            os.close(self._end)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _guard(waits: int, slots_path: str, marker: bytes, driver: int) -> NoReturn:
    """The forked process: wait until the driver is gone, and end what it has left."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        os.chdir("/")
        os.dup2(waits, 0)
        os.closerange(1, os.sysconf("SC_OPEN_MAX"))
        if os.read(0, 1) != _ORDERLY:
            with open(slots_path, "rb") as file:
                slots = [slot for slot in unpacked(file.read()) if slot is not None]
            for slot in slots:
                if slot.pid != driver and _leads(slot.pid):
                    _kill(slot.pid)
            items = {slot.item for slot in slots}
            for _ in range(ROUNDS_MAX):
                if not _killed(marker, items.__contains__):
                    break
    finally:
        os._exit(0)


def _leads(pid: int) -> bool:
    """Whether a process leads a session, as our programs do."""
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def end_orphans(marker: bytes, is_unfinished: Callable[[int], bool]) -> int:
    """Kill what still runs for unfinished items, and return how many processes that were, when
    they are gone. Raises RunLocked for what does not go.

    What a finished item has left in the background is let go, as a shell does.
    """
    until, ended = time.monotonic() + GONE_S, set[int]()
    while found := _killed(marker, is_unfinished):
        ended.update(found)
        if time.monotonic() > until:
            pids = ", ".join(map(str, sorted(found)))
            raise RunLocked(
                f"a command of an earlier life still runs and cannot be killed (pid {pids}); its "
                "item is not begun beside it. Nothing was run: end it, then the same command again"
            )
        time.sleep(LOOK_S)
    return len(ended)


def _killed(marker: bytes, is_meant: Callable[[int], bool]) -> list[int]:
    """Kill the processes that work for these items; return those that were found alive."""
    found = [pid for pid, item in _marked(marker) if is_meant(item)]
    for pid in found:
        _kill(pid)
    return found


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if _leads(pid):
            os.killpg(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)


def _marked(marker: bytes) -> Iterator[tuple[int, int]]:
    """Yield each process that has the batch's marker, with its item."""
    for pid, environment in environments():
        batch, _, item = value_in(environment, TOKEN).partition(b":")
        if batch == marker and item.isdigit():
            yield pid, int(item)
