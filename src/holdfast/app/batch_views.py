"""What a batch looks like: counts, the exceptions by name, its pace, and what is at risk.

The counts lie in the store as of the last checkpoint, which is a moment old. Of a life that was
killed its tail says what was finished since then: those items are not done again, so they are
counted here too. A page of rows is read for each status, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from holdfast.app.judging import holds_of_batch
from holdfast.boot import boot_id
from holdfast.model.batch_facts import ItemDecided
from holdfast.model.batches import BatchRow, ItemRow
from holdfast.model.bits import intervals, segments_of
from holdfast.model.forecast import left_of, lives_left, per_second
from holdfast.model.items import ItemStatus
from holdfast.model.json import Json
from holdfast.model.making import dataclass, field, replace
from holdfast.model.state import RunState
from holdfast.model.tail import DoneRecord, records
from holdfast.ports.batches import Left
from holdfast.ports.store import Store

PAGE: Final = 1_000
NAMES_MAX: Final = 8
"""So many exceptional items, or stretches of them, are named; the rest is counted."""
LISTED: Final[tuple[ItemStatus, ...]] = (
    "failed", "quarantined", "uncertain", "suspect", "waiting", "skipped",
)  # fmt: skip
DEAD: Final[tuple[ItemStatus, ...]] = ("failed", "quarantined")


@dataclass(frozen=True, slots=True)
class Listed:
    """Items in one status: how many, the first of them by name, and how many more there are."""

    status: ItemStatus
    count: int
    names: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch at a glance. `row` has the counts; `in_hand` is what one more kill would repeat,
    or what the last one has. `is_moving` while a living process does its items,
    `is_asked` while a person is asked about it. `decided` is what people said of items since then.
    """

    row: BatchRow
    in_hand: int
    is_moving: bool
    is_asked: bool
    listed: tuple[Listed, ...]
    decided: dict[str, str] = field(default_factory=dict)

    @property
    def left(self) -> int | None:
        """How many items are still to be done; None while nobody knows how many there are."""
        return left_of(self.row)

    @property
    def lives_left(self) -> int | None:
        """How many more lives as long as the last one the rest takes."""
        return lives_left(self.left, self.row.life_done)

    def per_second(self, now: datetime) -> float:
        """Return how many items a second this life does; 0 when nobody does any."""
        if self.row.life_at is None or not self.is_moving:
            return 0.0
        return per_second(self.row.life_done, (now - self.row.life_at).total_seconds())

    def as_json(self) -> Json:
        row = self.row
        return {
            "key": row.key,
            "total": row.total,
            "done": row.done,
            "failed": row.failed,
            "quarantined": row.quarantined,
            "in_flight": self.in_hand,
        }


def batches_of(store: Store, run: str, state: RunState, *, is_living: bool) -> dict[str, BatchView]:
    """Return the batches of a run by key, as they stand now. Raises StoreCorrupt."""
    if not state.batches:
        return {}
    rows = [row for row in store.batches.batches(run) if row.key in state.steps]
    return {row.key: _view(store, run, state, row, is_living=is_living) for row in rows}


def _view(store: Store, run: str, state: RunState, row: BatchRow, *, is_living: bool) -> BatchView:
    step = state.steps[row.key]
    began = state.batches.get(row.key)
    if began is not None and began.begun_seq != row.begun_seq:
        # It begins anew, and nothing of it is stored yet.
        return BatchView(BatchRow(row.key, row.identity), 0, is_living, False, ())
    is_asked = bool(holds_of_batch(state, row.key))
    is_running = step.status == "running" and not is_asked
    is_moving = is_running and is_living and step.epoch == state.epoch
    in_hand: frozenset[int] = frozenset()
    if is_running:
        lefts = store.batches.left(run, row.key, state.epoch + 1)
        in_hand = frozenset(slot.item for left in lefts for slot in left.slots)
        if not is_moving:
            row, in_hand = _after_a_kill(store, run, row, lefts, in_hand)
    begun = _begun_once(store, run, row, in_hand)
    hidden: frozenset[int] = frozenset()
    if is_moving:
        # What is in hand becomes uncertain when nobody has it any more.
        hidden, row = begun, replace(row, uncertain=max(0, row.uncertain - len(begun)))
    else:
        in_hand -= begun  # Nothing of it is repeated: it is uncertain.
    at_risk = max(len(in_hand), row.in_flight) if is_moving else len(in_hand)
    listed = tuple(_listed(store, run, row, status, hidden) for status in LISTED)
    told = tuple(one for one in listed if one.count)
    return BatchView(row, at_risk, is_moving, is_asked, told, decided_since(state, row))


def _begun_once(store: Store, run: str, row: BatchRow, in_hand: frozenset[int]) -> frozenset[int]:
    """Return which of these are `once` items: their beginning is recorded."""
    if not row.uncertain:
        return frozenset()
    rows = (store.batches.item(run, row.key, ordinal) for ordinal in in_hand)
    return frozenset(one.ordinal for one in rows if one and one.status == "uncertain")


def _after_a_kill(
    store: Store, run: str, row: BatchRow, lefts: Sequence[Left], in_hand: frozenset[int]
) -> tuple[BatchRow, frozenset[int]]:
    """Return the counts with what the tails of dead lives say, and what was in hand."""
    boot = boot_id()
    said = [left for left in lefts if left.epoch >= row.life_epoch and boot and left.boot == boot]
    told = {
        ordinal
        for left in said
        for record in records(left.tail)
        if isinstance(record, DoneRecord)
        for ordinal in range(record.ordinal, record.ordinal + record.count)
    }
    if not told and not in_hand:
        return row, in_hand
    done = segments_of(store.batches.segments(run, row.key))
    noted = {ordinal for ordinal in told if ordinal not in done}
    row = replace(row, done=row.done + len(noted), life_done=row.life_done + len(noted))
    return row, frozenset(item for item in in_hand if item not in told and item not in done)


def _listed(
    store: Store, run: str, row: BatchRow, status: ItemStatus, hidden: frozenset[int]
) -> Listed:
    count: int = getattr(row, status)
    if not count:
        return Listed(status, 0, (), 0)
    page = store.batches.items(run, row.key, statuses=(status,), limit=PAGE)
    names, named = names_of([found.key for found in page if found.ordinal not in hidden])
    return Listed(status, count, names, max(0, count - named))


def names_of(keys: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Return what to call some items, and how many of them that names.

    Keys that are numbers are told in stretches, `7, 1040-1043`; others by name. Either is what a
    person types to mean an item.
    """
    if not all(key.isdigit() for key in keys):
        return tuple(keys[:NAMES_MAX]), min(NAMES_MAX, len(keys))
    stretches = list(intervals(sorted(map(int, keys))))[:NAMES_MAX]
    texts = (f"{first}-{last}" if last > first else str(first) for first, last in stretches)
    return tuple(texts), sum(last - first + 1 for first, last in stretches)


def rows_of(store: Store, run: str, key: str, *statuses: ItemStatus) -> Iterator[ItemRow]:
    """Yield the rows of items in these statuses, a page at a time."""
    after = -1
    while True:
        page = store.batches.items(run, key, statuses=statuses, after=after, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].ordinal


def decided_since(state: RunState, row: BatchRow) -> dict[str, str]:
    """Return what people decided of items since the owner last took the batch up: it is applied
    when that goes on. What is said of all that failed is not told by item."""
    batch = state.batches.get(row.key)
    decided: dict[str, str] = {}
    for seq, fact in batch.decisions if batch is not None else ():
        if seq > row.decided_seq:
            if isinstance(fact, ItemDecided):
                decided[fact.item] = fact.outcome
            else:
                decided |= dict.fromkeys(fact.items, "to be tried again")
    return decided
