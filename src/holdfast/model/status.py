"""The words for where a run and a step stand, and what one fact does to the run's row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from holdfast.model.facts import (
    Fact,
    LifeStarted,
    LockStolen,
    RunCancelled,
    RunCreated,
    RunFailed,
    RunStopped,
    RunSucceeded,
)

RunStatus: TypeAlias = Literal[
    "queued",
    "running",
    "waiting",
    "on_hold",
    "paused",
    "stopped",
    "interrupted",
    "failed",
    "succeeded",
    "rolled_back",
    "cancelled",
]
StepStatus: TypeAlias = Literal[
    "running",
    "succeeded",
    "already_done",
    "failed",
    "in_doubt",
    "skipped",
    "undone",
    "superseded",
    "waiting",
]
FINISHED: Final = frozenset({"succeeded", "rolled_back", "cancelled"})
"""The statuses that no life follows."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What one fact changes in its run's row; None leaves a column as it is.

    `frees` says whether the run lets go of its target: at once, or when nobody owns it any more,
    because somebody else ended it and a step may still be running.
    """

    status: RunStatus | None = None
    ended_at: datetime | None = None
    due_at: datetime | None = None
    frees: Literal["no", "now", "unowned"] = "no"


UNCHANGED: Final = Glance()


def glance(fact: Fact) -> Glance:
    """Return what `fact` changes in the run's row: a store applies it in the same transaction.

    The row serves `list` over many runs without folding any of them. A run whose row says
    `running` and whose owner is dead is shown as `interrupted`; the reader judges that.
    """
    if type(fact) not in _GLANCED:
        return UNCHANGED
    match fact:
        case RunCreated():
            return Glance("queued")
        case LifeStarted():
            return Glance("running")
        case RunSucceeded(at=at):
            return Glance("succeeded", ended_at=at, frees="now")
        case RunFailed(at=at):
            return Glance("failed", ended_at=at)
        case RunStopped(at=at, kind=kind):
            return Glance(_STOPPED[kind], ended_at=at)
        case RunCancelled(at=at):
            return Glance("cancelled", ended_at=at, frees="unowned")
        case LockStolen():
            return Glance(frees="now")
        case _:
            return UNCHANGED


_GLANCED: Final = frozenset(
    (RunCreated, LifeStarted, RunSucceeded, RunFailed, RunStopped, RunCancelled, LockStolen)
)
_STOPPED: Final[dict[str, RunStatus]] = {
    "verb": "stopped",
    "signal": "stopped",
    "time": "stopped",
    "park": "on_hold",
    "pause": "paused",
    "timer": "waiting",
}
