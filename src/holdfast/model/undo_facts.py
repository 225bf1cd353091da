"""The facts of going back: undos, debts, rollbacks, and points that no rollback crosses."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from holdfast.model.making import dataclass
from holdfast.model.parties import Who

Settling: TypeAlias = Literal["step", "rollback", "settle", "check", "not_done"]
"""How a debt came to be settled: by the step that gives back, by going back, because the
borrowing step's check found the temporary state gone, or because the step said it did nothing."""
ErrandKind: TypeAlias = Literal["", "rollback", "settle"]
"""What a life is for, when it is not to go on."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What gives temporary state back: the step's name, and its label for these arguments.

    The debt is settled by a call of that step whose arguments `names` have this `digest`.
    """

    step: str
    label: str
    names: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class DebtSettled:
    """What the step `key` borrowed was given back. `by` is the step that did so, if one did.

    With `repeats` the borrowing step runs again when the run goes on: what followed it in the
    script needs the temporary state.
    """

    at: datetime
    key: str
    how: Settling = "step"
    by: str = ""
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class DebtAccepted:
    """A person said that the run may end with this still owed."""

    at: datetime
    key: str
    by: Who
    reason: str


@dataclass(frozen=True, slots=True)
class PointPassed:
    """From here on no rollback is possible, for `reason`."""

    at: datetime
    key: str
    reason: str
    decided_by: str = "auto"
    label: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class UndoBegun:
    """What a stage did is to be undone, because it failed: it is, before anything else runs."""

    at: datetime
    scope: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class StageUndone:
    """A stage that failed has been undone; when the run goes on it runs again whole.

    `left` are its steps that were not undone, each with the reason.
    """

    at: datetime
    scope: str
    left: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RollbackBegun:
    """Somebody rolls the run back: all of it, or from the end to the step or scope `to`, whose
    first fact has the number `since`."""

    at: datetime
    by: Who
    to: str = ""
    since: int = 0


@dataclass(frozen=True, slots=True)
class StepUndone:
    """The step's undo has succeeded: what the step did is no more."""

    at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The rollback is complete. Final, unless it went back to a step only: then the run goes on
    from there. `left` are steps that were not undone, each with the reason."""

    at: datetime
    to: str = ""
    left: tuple[tuple[str, str], ...] = ()
