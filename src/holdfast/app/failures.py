"""What failed in the batches of a run: dead letters by kind of error, and items in doubt.

Everything is read in pages, and what is kept of it is bounded: a million dead letters cost no
more memory than a thousand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from holdfast.app.batch_views import DEAD, names_of, rows_of
from holdfast.errors import UsageError, error_text
from holdfast.model.batches import ItemRow
from holdfast.model.batching import item_key
from holdfast.model.items import ItemStatus
from holdfast.model.json import Json
from holdfast.model.keys import find
from holdfast.model.making import dataclass, field
from holdfast.model.signature import signature
from holdfast.model.state import RunState
from holdfast.ports.store import Store

GROUPS_MAX: Final = 1_000
"""Kinds of errors that are told apart; what comes after them is one kind more."""
KEYS_MAX: Final = 100
"""Items of a group that are named; `items` has them all."""
OTHER: Final = "(other errors)"


@dataclass(slots=True)
class Group:
    """Dead letters of one batch that failed alike: how many, and the first of them by key."""

    batch: str
    error: str
    count: int = 0
    quarantined: int = 0
    keys: list[str] = field(default_factory=list)
    location: str = ""

    def named(self) -> str:
        """Return which items these are: `7, 17, 1040-1043 and 12 more`."""
        names, count = names_of(self.keys)
        more = f" and {self.count - count:,} more" if self.count > count else ""
        return ", ".join(names) + more


def batches_meant(state: RunState, text: str | None) -> list[str]:
    """Return the batch that `text` names, or all of them. Raises UsageError when it is none."""
    known = [key for key in state.batches if key in state.steps]
    if text is None:
        return known
    found = [key for key in find(known, text) if key in known]
    if not found:
        names = ", ".join(known) or "none"
        raise UsageError(f"no batch {text!r} in this run; it has {names}")
    return found


Batches: TypeAlias = Mapping[str, Mapping[str, str]]
"""Batches to look at, each with what was decided of its items since its owner was there."""


def groups_of(store: Store, run: str, batches: Batches) -> list[Group]:
    """Return the dead letters of some batches by kind of error, the most frequent first."""
    found: dict[tuple[str, str], Group] = {}
    for batch, row in rows_listed(store, run, batches, *DEAD):
        error = signature(row.error_type, row.error)
        if (batch, error) not in found and len(found) >= GROUPS_MAX:
            error = OTHER
        group = found.setdefault((batch, error), Group(batch, error, location=row.location))
        group.count += 1
        group.quarantined += row.status == "quarantined"
        if len(group.keys) < KEYS_MAX:
            group.keys.append(row.key)
    return sorted(found.values(), key=lambda group: -group.count)


def rows_listed(
    store: Store, run: str, batches: Batches, *statuses: ItemStatus
) -> Iterator[tuple[str, ItemRow]]:
    """Yield the items in these statuses, with their batch; but not those of which a person has
    decided what came of them."""
    for batch, decided in batches.items():
        for row in rows_of(store, run, batch, *statuses):
            if decided.get(row.key) not in ("done", "skipped"):
                yield batch, row


def group_json(group: Group, *, is_one: bool) -> Json:
    """Return a group as `failures --json` has it; `is_one` when the run has one batch only."""
    keys: list[Json] = [key if is_one else item_key(group.batch, key) for key in group.keys]
    return {"error": group.error, "count": group.count, "keys": keys}


def item_json(batch: str, row: ItemRow) -> Json:
    """Return an item as `failures --json` has it."""
    error = error_text(row.error_type, row.error)
    return {
        "batch": batch,
        "key": row.key,
        "state": row.status,
        "attempts": row.attempts,
        "error": error,
    }
