"""The facts of a batch beside those of its step: what people decided about its items.

The items themselves are not facts (`model.batches`); a decision about them is, and the owner
applies it to them when it goes on.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from holdfast.model.making import dataclass
from holdfast.model.parties import Who

ItemOutcome: TypeAlias = Literal["done", "skipped"]


@dataclass(frozen=True, slots=True)
class ItemsRearmed:
    """Somebody said that dead letters of a batch may be tried again, with all their attempts.

    `items` names some by their keys as people see them. Otherwise all are meant that failed or
    were quarantined: those whose error contains `where`, and the first `limit` of these.
    """

    at: datetime
    key: str
    by: Who
    items: tuple[str, ...] = ()
    where: str = ""
    limit: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ItemDecided:
    """Somebody said what came of an item: it took effect, or is to be left out."""

    at: datetime
    key: str
    item: str
    by: Who
    outcome: ItemOutcome
    reason: str


@dataclass(frozen=True, slots=True)
class BudgetGranted:
    """Somebody let a batch go on that had spent its budget of failures: `failed` of them count
    no more."""

    at: datetime
    key: str
    by: Who
    failed: int
