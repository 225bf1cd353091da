"""Who takes part in a run: processes and people."""

from __future__ import annotations

from holdfast.model.making import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """One process, so exactly named that a later one with the same pid is not mistaken for it.

    `started` is the process's start in clock ticks since boot (Linux: /proc/PID/stat field 22),
    `boot` the boot id, and `namespace` the pid namespace in which `pid` counts, of which every
    container has its own (Linux: /proc/self/ns/pid). Empty where the platform does not tell.
    """

    host: str
    pid: int
    started: str
    boot: str
    user: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Who:
    """Who did something: the operating system's user, from where, and a claimed name."""

    user: str
    host: str
    tty: str = ""
    claimed: str = ""

    @property
    def name(self) -> str:
        """What people call them: the name they claim, else the user's."""
        return self.claimed or self.user
