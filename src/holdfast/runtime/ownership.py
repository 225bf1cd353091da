"""Who owns a run: which process, is it alive, and may it be displaced.

On this host a process is told from a later one with the same pid by its start time and the boot
id, so nothing is ever guessed from a clock. Only an owner on another host is judged by its
heartbeat, on the observer's own monotonic clock.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

from holdfast.model.facts import Owner, Who
from holdfast.ports.store import RunRow

LEASE_S = 30.0
"""How long a stopped or silent owner keeps its run."""

Liveness: TypeAlias = Literal["alive", "stopped", "dead", "elsewhere"]


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Return what tells this boot from every other, or an empty text."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def host_name() -> str:
    return os.uname().nodename


def user_name() -> str:
    """Return the operating system's name for who runs this process."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def this_process() -> Owner:
    """Return the identity of this process."""
    pid = os.getpid()
    _, started = _stat_of(pid)
    return Owner(host_name(), pid, started, boot_id(), user_name())


def this_person(claimed: str = "") -> Who:
    """Return who is at the keyboard: the user, the host and the terminal."""
    tty = ""
    try:
        tty = os.ttyname(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):
        pass
    return Who(user_name(), host_name(), tty, claimed)


def liveness(owner: Owner) -> Liveness:
    """Return whether the process still exists; "stopped" is SIGSTOP or a debugger."""
    if owner.host != host_name():
        return "elsewhere"
    if owner.boot and boot_id() and owner.boot != boot_id():
        return "dead"
    state, started = _stat_of(owner.pid)
    if not state:
        return "dead" if Path("/proc/self/stat").exists() else _ask_the_kernel(owner.pid)
    if state in "ZX" or (owner.started and started != owner.started):
        return "dead"
    return "stopped" if state in "Tt" else "alive"


def _ask_the_kernel(pid: int) -> Liveness:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "dead"
    except PermissionError:
        return "alive"
    return "alive"


def _stat_of(pid: int) -> tuple[str, str]:
    """Return the process's state letter and start time, or two empty texts."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ""
    # The name, in parentheses, may hold anything; the fields after it may not.
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], fields[19]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the present owner may be displaced, and why (not)."""

    may_take: bool
    why: str
    kill_pid: int | None = None


def judge(
    row: RunRow, monotonic: float, silent_s: float = 0.0, lease_s: float = LEASE_S
) -> Verdict:
    """Return whether a run's owner may be displaced.

    `monotonic` is this host's monotonic time; `silent_s` how long the caller itself has watched
    the heartbeat stand still, for an owner on another host.
    """
    owner = row.owner
    if owner is None:
        return Verdict(True, "")
    named = f"pid {owner.pid} on {owner.host} (user {owner.user})"
    match liveness(owner):
        case "dead":
            return Verdict(True, f"its owner, {named}, is dead")
        case "alive":
            return Verdict(False, f"running in {named}")
        case "stopped":
            return _judge_stopped(row, named, monotonic, lease_s)
        case _:
            if silent_s >= lease_s:
                return Verdict(True, f"its owner, {named}, was silent for {silent_s:.0f} s")
            return Verdict(False, f"running in {named}, judged by its heartbeat")


def _judge_stopped(row: RunRow, named: str, monotonic: float, lease_s: float) -> Verdict:
    assert row.owner is not None
    silent = lease_s if row.beat_monotonic is None else monotonic - row.beat_monotonic
    if silent >= lease_s:
        why = f"its owner, {named}, has been stopped (SIGSTOP) for {silent:.0f} s"
        return Verdict(True, why, row.owner.pid)
    left = lease_s - silent
    return Verdict(False, f"{named} is stopped (SIGSTOP); it can be taken over in {left:.0f} s")


def kill_process(pid: int) -> None:
    """End a process that will not end itself; it may be gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
