"""Who owns a run: which process, is it alive, and may it be displaced.

On this host a process is told from a later one with the same pid by its start time and the boot
id, so nothing is ever guessed from a clock. Only an owner that cannot be seen from here, on another
host or in another container of this one, is judged by its heartbeat, on the observer's own
monotonic clock.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from holdfast.boot import boot_id
from holdfast.model.facts import Owner, Who
from holdfast.model.making import dataclass
from holdfast.ports.store import RunRow

LEASE_S = 30.0
"""How long a stopped or silent owner keeps its run."""

Liveness: TypeAlias = Literal["alive", "stopped", "dead", "elsewhere"]


def pid_namespace() -> str:
    """Return what tells the pids that this process sees from those of other containers, or an
    empty text. Containers may share a host's name and its boot id, and each has a pid 1."""
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return ""


def host_name() -> str:
    """Return the name of this machine."""
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
    return process(os.getpid())


def process(pid: int) -> Owner:
    """Return the identity of a process of this host, which the caller knows to be there."""
    _, started = _stat_of(pid)
    return Owner(host_name(), pid, started, boot_id(), user_name(), pid_namespace())


def this_person(claimed: str = "") -> Who:
    """Return who is at the keyboard: the user, the host and the terminal."""
    tty = ""
    try:
        tty = os.ttyname(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):
        pass
    return Who(user_name(), host_name(), tty, claimed)


def liveness(owner: Owner) -> Liveness:
    """Return whether the process still exists; "stopped" is SIGSTOP or a debugger, "elsewhere"
    that it cannot be seen from here."""
    if owner.host != host_name():
        return "elsewhere"
    if owner.boot and boot_id() and owner.boot != boot_id():
        return "dead"
    if owner.namespace and pid_namespace() not in ("", owner.namespace):
        return "elsewhere"
    state, started = _stat_of(owner.pid)
    if not state:
        return "dead" if _sees_processes() else _ask_the_kernel(owner.pid)
    if state in "ZX" or (owner.started and started != owner.started):
        return "dead"
    return "stopped" if state in "Tt" else "alive"


def is_at_work(row: RunRow, now: datetime) -> bool:
    """Return whether a process works on a run, as far as can be told at once: one that cannot be
    seen from here is believed by its last heartbeat, on the wall clocks of both hosts."""
    if row.owner is None:
        return False
    health = liveness(row.owner)
    if health != "elsewhere":
        return health != "dead"
    return row.beat_at is not None and abs((now - row.beat_at).total_seconds()) <= LEASE_S


def whereabouts(owner: Owner) -> str:
    """Return where a process is that is "elsewhere", as the end of a sentence."""
    return "in another container" if owner.host == host_name() else "on another host"


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
    if not _sees_processes():
        return "", ""
    fields = fields_of(pid)
    return (fields[0], fields[19]) if fields else ("", "")


def fields_of(pid: int) -> list[str]:
    """Return what the system says of a process after its name, its state first; nothing where it
    says nothing."""
    try:
        content = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return []
    # The name, in parentheses, may hold any bytes: the kernel cuts it within a character. The
    # fields after it may not.
    return content.rpartition(b")")[2].decode("ascii").split()


def _sees_processes() -> bool:
    """Whether there is a /proc, and it counts processes as we do: a sandbox may have a pid
    namespace of its own and the /proc of its host."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the present owner may be displaced, and why (not)."""

    may_take: bool
    why: str


def judge(
    row: RunRow, monotonic: float, silent_s: float = 0.0, lease_s: float = LEASE_S
) -> Verdict:
    """Return whether a run's owner may be displaced.

    `monotonic` is this host's monotonic time; `silent_s` how long the caller itself has watched
    the heartbeat stand still, for an owner that cannot be seen from here.
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
            return _judge_stopped(row, named, monotonic, silent_s, lease_s)
        case _:
            if silent_s >= lease_s:
                return Verdict(True, f"its owner, {named}, was silent for {silent_s:.0f} s")
            where = whereabouts(owner)
            return Verdict(False, f"running in {named}, {where}, judged by its heartbeat")


def _judge_stopped(
    row: RunRow, named: str, monotonic: float, silent_s: float, lease_s: float
) -> Verdict:
    silent = silent_s if row.beat_monotonic is None else monotonic - row.beat_monotonic
    if silent >= lease_s:
        return Verdict(True, f"its owner, {named}, has been stopped (SIGSTOP) for {silent:.0f} s")
    left = lease_s - silent
    return Verdict(False, f"{named} is stopped (SIGSTOP); it can be taken over in {left:.0f} s")


def end_stopped_holder(
    pid: int, rows: Callable[[], Iterable[RunRow]], monotonic: float, lease_s: float = LEASE_S
) -> bool:
    """Kill the process that holds a store's lock, when that is due, and return whether it was.

    Only a process of this host that owns one of the store's runs and has been stopped for a
    lease: it could be displaced anyway, and nobody else can go on. `rows` are the store's
    running ones, asked for only when the process is stopped at all.
    """
    if _stat_of(pid)[0] not in ("T", "t"):
        return False
    for row in rows():
        owner = row.owner
        if owner is None or owner.pid != pid or liveness(owner) != "stopped":
            continue
        if judge(row, monotonic, lease_s=lease_s).may_take:
            return signal_owner(owner, signal.SIGKILL)
    return False


def signal_owner(owner: Owner, number: signal.Signals) -> bool:
    """Signal the very process that is named, never a later one with its pid.

    Return False when it is gone. Raises PermissionError.
    """
    try:
        handle = os.pidfd_open(owner.pid)
    except ProcessLookupError:
        return False
    except (AttributeError, OSError):
        # No such call on this platform: compare, then signal.
        if liveness(owner) in ("alive", "stopped"):
            os.kill(owner.pid, number)
            return True
        return False
    try:
        if liveness(owner) not in ("alive", "stopped"):
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
