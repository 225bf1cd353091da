"""What a life that is over has left running is killed before the next one begins anything.

Mostly there is nothing: when a driver ends its watchdog kills its programs. But a watchdog can be
killed too, with its driver or before it; and a driver that was stopped, and lost its run, lives on
with its programs.

A program is known by its environment, and no longer by its number, which may be a stranger's by
now: it has the token of a step that began and did not end, and leads the very group that its gate
opened for. So one that left that group, as a daemon does, is let go here as by the watchdog, and so
is what a program has left in the background after its own end.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from holdfast.errors import RunLocked
from holdfast.model.parties import Owner
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import liveness, signal_owner
from holdfast.runtime.watchdog import GROUP, TOKEN

LEFT_S: Final = 5.0
"""How long what was killed may take to be gone."""
LOOK_S: Final = 0.005


def end_left(journal: Journal) -> None:
    """Kill what still works for an earlier life of this run, and return when it is gone: the
    processes of a shell that is gone, then the programs of interrupted steps.

    Raises nothing for processes that we may not kill; RunLocked for a program that does not go.
    """
    state = journal.state
    _end_processes(state.walk.left)
    end_programs(
        [
            state.token_of(journal.run, step.key, step.version)
            for step in list(state.steps.values())
            if step.status == "running" and step.epoch < state.epoch
        ]
    )


def end_programs(tokens: Sequence[str]) -> None:
    """Kill the programs of these steps, and return when they are gone. Raises RunLocked for what
    does not go."""
    sought, until = {os.fsencode(token) for token in tokens}, time.monotonic() + LEFT_S
    while sought and (found := [pid for pid in _programs(sought) if _kill(pid)]):
        if time.monotonic() > until:
            pids = ", ".join(map(str, found))
            raise RunLocked(
                f"a program of an earlier life still runs and cannot be killed (pid {pids}); its "
                "step is not begun beside it. Nothing was run: end it, then the same command again"
            )
        time.sleep(LOOK_S)


def environments() -> Iterator[tuple[int, bytes]]:
    """Yield the other processes, each with its environment as it was given: `\\0NAME=text\\0…`.
    None of those that are gone meanwhile, or are another user's."""
    own = os.getpid()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != own:
            with suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
                yield int(name), b"\0" + file.read()


def value_in(environment: bytes, variable: str) -> bytes:
    """Return what a variable says there; nothing where it is not set."""
    return environment.partition(f"\0{variable}=".encode())[2].partition(b"\0")[0]


def _programs(tokens: set[bytes]) -> Iterator[int]:
    for pid, environment in environments():
        leads = value_in(environment, GROUP) == str(pid).encode()
        if leads and value_in(environment, TOKEN) in tokens:
            yield pid


def _kill(group: int) -> bool:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end_processes(processes: Sequence[Owner]) -> None:
    """Kill these; their watchdogs kill their commands."""
    alive = [each for each in processes if liveness(each) in ("alive", "stopped")]
    for each in alive:
        with suppress(PermissionError):
            signal_owner(each, signal.SIGKILL)
    until = time.monotonic() + LEFT_S
    while time.monotonic() < until and any(liveness(each) != "dead" for each in alive):
        time.sleep(LOOK_S)
