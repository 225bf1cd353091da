"""A run that a shell owns: is it still there, and who else works beside us for it?

The shell does not beat and cannot listen. So each process that works for it beats for it as long as
it works, and watches the shell itself, by a handle on the very process (pidfd), and ends with it:
what a command does after its shell is gone, or after its run is, would be done again by the next
life.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Final

from holdfast.errors import RunLocked
from holdfast.model.parties import Owner
from holdfast.runtime.heartbeat import BEATS_A_LEASE, says_alive
from holdfast.runtime.life import Life
from holdfast.runtime.ownership import LEASE_S, fields_of, liveness, process
from holdfast.runtime.threads import start_thread

BEAT_EVERY_S: Final = LEASE_S / BEATS_A_LEASE
LOOK_EVERY_S: Final = 0.5
"""How often the shell is looked at where no handle on a process can be had."""
SETTLE_S: Final = 5.0
"""How long a process whose command has ended may take to record that, after its shell died."""
ANCESTORS_MAX: Final = 1_000
_SIGINT_BIT: Final = 1 << (signal.SIGINT - 1)


class ShellWatch:
    """Ends this process when the shell has ended, or lost its run: at once while a command runs,
    which is killed first, and else when what it did is recorded."""

    def __init__(self, life: Life, kill: Callable[[], bool], exit_code: int) -> None:
        """`life` is the shell's; `kill` kills what runs, and returns whether anything did."""
        self._life, self._kill, self._exit_code = life, kill, exit_code
        self._shell = life.journal.state.lives[-1].owner

    def start(self) -> bool:
        """Watch from now on; False when the shell has ended already. Raises ConfigError where the
        system has no thread left."""
        try:
            handle = os.pidfd_open(self._shell.pid)
        except ProcessLookupError:
            return False
        except (AttributeError, OSError):
            handle = -1
        if liveness(self._shell) == "dead":
            return False
        watch = Thread(target=self._watch, args=(handle,), name="holdfast shell", daemon=True)
        start_thread(watch, "nothing was run", "run the script again")
        return True

    def _watch(self, handle: int) -> None:
        while not self._is_lost() and not self._ends_within(BEAT_EVERY_S, handle):
            pass
        if not self._kill():
            time.sleep(SETTLE_S)
        os._exit(self._exit_code)

    def _is_lost(self) -> bool:
        """Whether the run has another owner; as long as it has not, say that this one lives."""
        if says_alive(self._life.journal, self._life.clock, always=False):
            return False
        self._life.tell(f"another process took run {self._life.run} over; this one ends")
        return True

    def _ends_within(self, seconds: float, handle: int) -> bool:
        if handle >= 0:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if liveness(self._shell) == "dead":
                return True
            time.sleep(LOOK_EVERY_S)
        return False


def parent_of_this(main: int) -> Owner:
    """Return the shell that started this process. Raises RunLocked when it is gone already: our
    parent is then another, that knows nothing of the run and may live for ever.

    `main` is its `$$`, which is itself or one of its own ancestors.
    """
    pid = os.getppid()
    shell, is_ours = process(pid), main in _parents()
    if not is_ours or os.getppid() != pid:
        raise RunLocked("the shell that began the run is gone; nothing was changed")
    return shell


def is_beside(shell: int) -> bool:
    """Whether this process may run beside others of the shell: it was put in the background,
    or the shell has other children. Then the order of what they do means nothing."""
    way = list(_up_to(shell))
    if any(_ignores_interrupts(pid) for pid in way):
        return True
    return any(pid not in way for pid in _children(shell))


def is_within(shell: int) -> bool:
    """Whether this process descends from the shell."""
    return shell in _parents()


def is_substituted_in(shell: int) -> bool:
    """Whether this process is in a command substitution of the very shell: between the two is at
    most what the shell forked for that, which writes where we do. A subshell, or another script,
    writes elsewhere."""
    between = [pid for pid in _up_to(shell) if pid != os.getpid()]
    return is_within(shell) and all(_output_of(pid) == _output_of(os.getpid()) for pid in between)


def _output_of(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/1")
    except OSError:
        return ""


def _up_to(shell: int) -> Iterator[int]:
    yield os.getpid()
    for pid in _parents():
        if pid == shell:
            return
        yield pid


def _parents() -> Iterator[int]:
    pid = os.getppid()
    for _ in range(ANCESTORS_MAX):
        if pid <= 0:
            return
        yield pid
        fields = fields_of(pid)
        if not fields:
            return
        pid = int(fields[1])


def _ignores_interrupts(pid: int) -> bool:
    """A shell without job control has what it puts in the background ignore SIGINT."""
    try:
        lines = Path(f"/proc/{pid}/status").read_bytes().splitlines()  # Its name is no text.
    except OSError:
        return False
    masks = [line.split()[1] for line in lines if line.startswith(b"SigIgn:")]
    return bool(masks) and bool(int(masks[0], 16) & _SIGINT_BIT)


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except (OSError, ValueError):
        return []
