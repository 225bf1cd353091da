"""Keeping a store: what may be forgotten, and whether a record is what was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from holdfast.app.batch_checks import verify_batches
from holdfast.app.batch_digests import verify_digests
from holdfast.app.finding import find_run
from holdfast.app.fleet_children import is_of, unfinished_fleets
from holdfast.app.judging import is_owned
from holdfast.app.views import VERSION, time_json
from holdfast.errors import StoreCorrupt
from holdfast.model.facts import (
    CursorSaved,
    Fact,
    RunSucceeded,
    ScopeClosed,
    Spilled,
    StepFoundDone,
    StepSucceeded,
)
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.model.state import RunState
from holdfast.model.status import FINISHED
from holdfast.ports.clock import Clock
from holdfast.ports.store import RunRow, Store

TRIALS_KEPT = timedelta(days=800)


@dataclass(frozen=True, slots=True)
class Removed:
    """A finished run that is gone, or would be."""

    run: str
    workflow: str
    target: str | None
    status: str
    ended_at: datetime | None


def gc(
    store: Store,
    clock: Clock,
    *,
    older_than: timedelta | None = None,
    keep_last: int = 0,
    dry_run: bool = False,
) -> Iterator[Removed]:
    """Remove finished runs, and yield each once it is gone for good; with `dry_run` only yield.

    Only runs that succeeded, were rolled back or cancelled, that ended more than `older_than`
    ago, and that are not among the `keep_last` newest finished ones of their workflow. A run
    whose owner may still be alive stays, and one of a fleet that is not over: it would be done
    again. Steps that nothing was heard of for `TRIALS_KEPT` have
    earned nothing any more: they are forgotten whole. What killed processes left goes, too.
    """
    limit = None if older_than is None else clock.now() - older_than
    if not dry_run:
        store.forget_trials(clock.now() - TRIALS_KEPT)
    for row in _removable(store, limit, keep_last):
        # What was listed may have been taken up since, or removed, and its id used again.
        if dry_run or store.remove(row.id, seen=row):
            yield Removed(row.id, row.workflow, row.target, row.status, row.ended_at)
    if not dry_run:
        store.sweep()


def _removable(store: Store, limit: datetime | None, keep_last: int) -> list[RunRow]:
    """Return the rows of runs that may go, the oldest first."""
    seen = Counter[str]()
    found = []
    rows = store.rows()
    fleets = unfinished_fleets(rows)
    for row in rows:
        if row.status not in FINISHED or is_of(fleets, row.id):
            continue
        seen[row.workflow] += 1
        if seen[row.workflow] <= keep_last or not _is_over(row, limit):
            continue
        found.append(row)
    return found[::-1]


def _is_over(row: RunRow, limit: datetime | None) -> bool:
    if row.ended_at is None or is_owned(row):
        return False
    return limit is None or row.ended_at < limit


def removed_json(removed: Removed) -> Json:
    """Return a removed run as JSON."""
    return {
        "run": removed.run,
        "workflow": removed.workflow,
        "target": removed.target,
        "status": removed.status,
        "ended_at": time_json(removed.ended_at),
    }


@dataclass(frozen=True, slots=True)
class Verified:
    """A journal whose chain was followed to its end, and batches that were read to theirs.
    `head` stands for all of the journal."""

    run: str
    facts: int
    values: int
    head: str
    batches: int = 0

    def as_json(self) -> dict[str, Json]:
        return {
            "version": VERSION,
            "run": self.run,
            "intact": True,
            "facts": self.facts,
            "spilled_values": self.values,
            "batches": self.batches,
            "head": self.head,
        }


def verify_run(store: Store, run: str) -> Verified:
    """Return the head digest of a run's journal, everything before it checked.

    Each fact's link is computed anew from its content, and each value kept outside its row is
    read against the digest that names it. What is stored of its batches is read as well, and
    compared with the digests in their results. Raises StoreCorrupt, naming the first fact, or row
    of a batch, that is not what was written; UsageError for an unknown run. Facts cut off the end
    leave no trace here: compare the head with one kept elsewhere.
    """
    row = find_run(store, run)
    facts, values, head, state = 0, 0, "", RunState()
    for stored in store.read(row.id):
        value = spilled_in(stored.fact)
        if value is not None:
            store.load(value)
            values += 1
        facts, head = stored.seq, stored.chain
        state.apply(stored.fact)
    if not facts:
        raise StoreCorrupt(f"run {row.id} has no journal")
    verify_digests(store, row.id, state)
    return Verified(row.id, facts, values, head, verify_batches(store.batches, row.id))


def spilled_in(fact: Fact) -> Spilled | None:
    """Return the value of a fact that is kept outside its row."""
    value: object = None
    if isinstance(fact, StepSucceeded | StepFoundDone | RunSucceeded | ScopeClosed):
        value = fact.result
    elif isinstance(fact, CursorSaved):
        value = fact.value
    return value if isinstance(value, Spilled) else None
