"""The words for where a run and a step stand, and what one fact does to the run's row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

from holdfast.model.facts import (
    Fact,
    LifeStarted,
    LockStolen,
    Rewound,
    RolledBack,
    RunCancelled,
    RunCreated,
    RunFailed,
    RunStopped,
    RunSucceeded,
)
from holdfast.model.making import dataclass

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
UNFINISHED: Final[tuple[RunStatus, ...]] = tuple(
    status for status in get_args(RunStatus) if status not in FINISHED
)
"""The statuses that a life may follow."""
RECORDED: Final = frozenset({"succeeded", "already_done", "skipped"})
"""The statuses of a step whose result every later life gets."""


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
    changes = _CHANGES.get(type(fact))
    return UNCHANGED if changes is None else changes(fact)


_STOPPED: Final[dict[str, RunStatus]] = {
    "verb": "stopped",
    "signal": "stopped",
    "time": "stopped",
    "park": "on_hold",
    "pause": "paused",
    "timer": "waiting",
}
_CHANGES: Final[dict[type[Fact], Callable[[Any], Glance]]] = {
    RunCreated: lambda fact: Glance("queued"),
    LifeStarted: lambda fact: Glance("running"),
    RunSucceeded: lambda fact: Glance("succeeded", ended_at=fact.at, frees="now"),
    RunFailed: lambda fact: Glance(
        "failed", ended_at=fact.at, frees="now" if fact.is_undone else "no"
    ),
    RunStopped: lambda fact: Glance(_STOPPED[fact.kind], ended_at=fact.at, due_at=fact.due_at),
    RunCancelled: lambda fact: Glance("cancelled", ended_at=fact.at, frees="unowned"),
    LockStolen: lambda fact: Glance(frees="now"),
    Rewound: lambda fact: Glance("stopped", ended_at=fact.at),
    RolledBack: lambda fact: Glance(
        "stopped" if fact.to else "rolled_back", ended_at=fact.at, frees="no" if fact.to else "now"
    ),
}
GLANCED: Final = frozenset(_CHANGES)
"""The facts that change a run's row."""
