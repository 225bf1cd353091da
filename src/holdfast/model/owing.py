"""What one fact changes in the list of what runs owe: a store keeps that list beside the rows."""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypeAlias

from holdfast.model.facts import (
    DebtAccepted,
    DebtSettled,
    Fact,
    RunCancelled,
    StepRenamed,
    StepSkipped,
    StepStarted,
)
from holdfast.model.making import dataclass
from holdfast.model.undoing import OWED


@dataclass(frozen=True, slots=True)
class DebtBegun:
    """The step `key` owes `label`; when it did before, it has since then."""

    key: str
    label: str
    since: datetime


@dataclass(frozen=True, slots=True)
class DebtMoved:
    """The step that owes is called otherwise now."""

    key: str
    was: str


@dataclass(frozen=True, slots=True)
class DebtEnded:
    """The step `key` owes nothing more; without a key, nothing in the run does."""

    key: str


DebtChange: TypeAlias = DebtBegun | DebtMoved | DebtEnded


def debt_change(fact: Fact) -> DebtChange | None:
    """Return what `fact` changes in the list; a store applies it in the same transaction.

    A run that was cancelled owes nothing to anybody: a person said that it is left for ever.
    """
    if fact.__class__ not in _CHANGES:
        return None
    match fact:
        case StepStarted(owes=None):
            return None
        case StepStarted(owes=owes):
            assert owes is not None
            return DebtBegun(fact.key, owes.label, fact.at)
        case DebtSettled() | DebtAccepted():
            return DebtEnded(fact.key)
        case StepSkipped() if fact.key.endswith(OWED):
            return DebtEnded(fact.key.removesuffix(OWED))
        case StepRenamed():
            return DebtMoved(fact.key, fact.was)
        case RunCancelled():
            return DebtEnded("")
        case _:
            return None


_CHANGES: Final = frozenset(
    (StepStarted, DebtSettled, DebtAccepted, StepSkipped, StepRenamed, RunCancelled)
)
