"""The facts of a rollout: which units in which waves, which failed, what a person granted."""

from __future__ import annotations

from datetime import datetime

from holdfast.model.making import dataclass
from holdfast.model.parties import Who


@dataclass(frozen=True, slots=True)
class RolloutPlanned:
    """These units are to be done, in this order. `sizes` are how many of them each wave has;
    so many may fail as the `budget` says."""

    at: datetime
    key: str
    units: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    budget: int = 0
    at_once: int = 1
    soak_s: float = 0.0


@dataclass(frozen=True, slots=True)
class UnitFailed:
    """A unit of a rollout ended with an error; the others may go on."""

    at: datetime
    key: str
    rollout: str
    message: str


@dataclass(frozen=True, slots=True)
class FailuresGranted:
    """A person lets a rollout go on without these units: they use up no budget any more."""

    at: datetime
    key: str
    by: Who
    units: tuple[str, ...] = ()
    comment: str = ""
