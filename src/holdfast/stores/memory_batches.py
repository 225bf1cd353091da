"""The batches of a store in memory.

Rows pass through the same text as on a disk (`batch_rows`), so nobody holds what the store holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from holdfast.boot import boot_id
from holdfast.model.batches import BatchRow, Checkpoint, ItemRow, Seen
from holdfast.model.items import ItemStatus
from holdfast.ports.batches import Kept, Left, Slot, Tail
from holdfast.stores import batch_rows
from holdfast.stores.batch_rows import ENTRY_BYTES, ValueRow


class Counted(Protocol):
    """Something that counts what is committed."""

    commits: int


Held = Callable[[], AbstractContextManager[Counted]]
"""Holds the disk, alone; raises StoreError once the store is closed."""
Fence = Callable[[str, int], object]
"""Raises LostOwnership unless the run's epoch is this one; UsageError for an unknown run."""


@dataclass(slots=True)
class TailKept:
    """What one life wrote into its tail, and which item each of its slots holds."""

    boot: str
    records: bytearray
    slots: list[Slot | None]

    def occupied(self) -> tuple[Slot, ...]:
        return tuple(slot for slot in self.slots if slot is not None)


@dataclass(slots=True)
class _Batch:
    body: str = ""
    segments: dict[int, bytes] = field(default_factory=dict)
    manifest: bytearray = field(default_factory=bytearray)
    items: dict[int, tuple[str, str]] = field(default_factory=dict)
    values: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class BatchDisk:
    """What survives of batches when a store is closed. Another `boot` is a power cut."""

    boot: str = field(default_factory=boot_id)
    runs: dict[str, dict[str, _Batch]] = field(default_factory=dict)
    tails: dict[tuple[str, str], dict[int, TailKept]] = field(default_factory=dict)
    ledgers: dict[str, dict[bytes, bytes]] = field(default_factory=dict)

    def remove(self, run: str) -> None:
        """Forget the batches of a run."""
        self.runs.pop(run, None)
        for name in [name for name in self.tails if name[0] == run]:
            del self.tails[name]


class MemoryTail:
    """A tail on a `BatchDisk`."""

    slots_path: str | None = None

    def __init__(self, tails: dict[int, TailKept], epoch: int) -> None:
        self._tails, self._epoch, self._tail = tails, epoch, tails[epoch]

    def write(self, records: bytes) -> None:
        self._tail.records += records

    def empty(self) -> None:
        self._tail.records.clear()

    def occupy(self, slot: int, item: int, pid: int) -> None:
        self._tail.slots[slot] = Slot(item, pid)

    def noter(self, slot: int, pid: int) -> Callable[[int], object]:
        return partial(self._note, slot, pid)

    def _note(self, slot: int, pid: int, item: int) -> None:
        self.occupy(slot, item, pid)

    def vacate(self, slot: int) -> None:
        self._tail.slots[slot] = None

    def slots(self) -> tuple[Slot | None, ...]:
        return tuple(self._tail.slots)

    def close(self) -> None:
        says_nothing = not self._tail.records and not self._tail.occupied()
        if says_nothing and self._tails.get(self._epoch) is self._tail:
            del self._tails[self._epoch]


class MemoryBatches:
    """The batches on a `BatchDisk`, whoever shares it."""

    def __init__(self, disk: BatchDisk, held: Held, fence: Fence) -> None:
        self._disk, self._held, self._fence = disk, held, fence

    def checkpoint(self, run: str, epoch: int, change: Checkpoint, *, durable: bool = True) -> None:
        body = batch_rows.dump(change.batch)
        items = {row.ordinal: (row.status, batch_rows.dump(row)) for row in change.items}
        values = {
            ordinal: batch_rows.dump(ValueRow(key, value)) for ordinal, key, value in change.values
        }
        assert change.batch.ledger or not change.seen, "a batch has no ledger to teach"
        with self._held() as counted:
            self._fence(run, epoch)
            key = change.batch.key
            kept = self._disk.runs.setdefault(run, {})
            # In its place: the order in which batches were made stays.
            batch = _Batch() if change.anew else kept.get(key, _Batch())
            _place(batch.manifest, change.keys_at, change.keys)
            kept[key] = batch
            if change.anew:
                self._forget_said(run, key, epoch)
            batch.body = body
            batch.segments |= change.segments
            batch.items |= items
            batch.values |= values
            for ordinal in change.cleared:
                batch.items.pop(ordinal, None)
            for ordinal in change.taken:
                batch.values.pop(ordinal, None)
            if change.seen:
                ledger = self._disk.ledgers.setdefault(change.batch.ledger, {})
                ledger |= {seen.key: seen.print for seen in change.seen}
            counted.commits += 1

    def batch(self, run: str, key: str) -> BatchRow | None:
        with self._held():
            found = self._found(run, key)
            return _row(run, key, found) if found.body else None

    def batches(self, run: str) -> Sequence[BatchRow]:
        with self._held():
            kept = self._disk.runs.get(run, {})
            return [_row(run, key, batch) for key, batch in kept.items()]

    def segments(self, run: str, key: str) -> Mapping[int, bytes]:
        with self._held():
            return dict(sorted(self._found(run, key).segments.items()))

    def manifest(self, run: str, key: str, first: int, count: int) -> bytes:
        with self._held():
            manifest = self._found(run, key).manifest
            return bytes(manifest[first * ENTRY_BYTES : (first + count) * ENTRY_BYTES])

    def items(
        self,
        run: str,
        key: str,
        *,
        statuses: Collection[ItemStatus] = (),
        after: int = -1,
        limit: int | None = None,
    ) -> Sequence[ItemRow]:
        with self._held():
            found = sorted(self._found(run, key).items.items())
        wanted = [
            body
            for ordinal, (status, body) in found
            if ordinal > after and (not statuses or status in statuses)
        ]
        return [batch_rows.load(ItemRow, body, "an item") for body in wanted[:limit]]

    def item(self, run: str, key: str, ordinal: int) -> ItemRow | None:
        with self._held():
            _, body = self._found(run, key).items.get(ordinal, ("", ""))
        return batch_rows.load(ItemRow, body, f"item {ordinal}") if body else None

    def named(self, run: str, key: str, shown: str) -> Sequence[ItemRow]:
        return [row for row in self.items(run, key) if row.key == shown]

    def values(
        self, run: str, key: str, *, after: int = -1, limit: int | None = None
    ) -> Sequence[Kept]:
        with self._held():
            found = sorted(self._found(run, key).values.items())
        kept = []
        for ordinal, body in [(o, body) for o, body in found if o > after][:limit]:
            row = batch_rows.load(ValueRow, body, "a kept result")
            kept.append(Kept(ordinal, row.key, row.value))  # type: ignore[arg-type]
        return kept

    def tail(self, run: str, key: str, epoch: int, *, slots: int) -> Tail:
        with self._held():
            self._fence(run, epoch)
            tails = self._disk.tails.setdefault((run, key), {})
            tails[epoch] = TailKept(self._disk.boot, bytearray(), [None] * slots)
            return MemoryTail(tails, epoch)

    def left(self, run: str, key: str, epoch: int) -> Sequence[Left]:
        with self._held():
            earlier = sorted(self._disk.tails.get((run, key), {}).items())
            return [
                Left(number, tail.boot, bytes(tail.records), tail.occupied())
                for number, tail in earlier
                if number < epoch and (tail.records or tail.occupied())
            ]

    def forget_left(self, run: str, key: str, epoch: int) -> None:
        with self._held():
            self._fence(run, epoch)
            tails = self._disk.tails.get((run, key), {})
            for number in [number for number in tails if number < epoch]:
                del tails[number]

    def seen(self, ledger: str, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        with self._held():
            known = self._disk.ledgers.get(ledger, {})
            return {key: known[key] for key in keys if key in known}

    def ledger(self, ledger: str) -> Iterator[Seen]:
        with self._held():
            known = sorted(self._disk.ledgers.get(ledger, {}).items())
        for key, fingerprint in known:
            yield Seen(key, fingerprint)

    def ledgers(self) -> Sequence[tuple[str, int]]:
        with self._held():
            return sorted((name, len(known)) for name, known in self._disk.ledgers.items())

    def _found(self, run: str, key: str) -> _Batch:
        return self._disk.runs.get(run, {}).get(key) or _Batch()

    def _forget_said(self, run: str, key: str, epoch: int) -> None:
        """What any tail of a batch says is of before it began anew."""
        tails = self._disk.tails.get((run, key), {})
        for number in [number for number in tails if number < epoch]:
            del tails[number]
        if epoch in tails:
            tails[epoch].records.clear()


def _row(run: str, key: str, batch: _Batch) -> BatchRow:
    return batch_rows.load(BatchRow, batch.body, f"batch {key!r} of run {run}")


def _place(manifest: bytearray, first: int, keys: bytes) -> None:
    at = first * ENTRY_BYTES
    assert len(keys) % ENTRY_BYTES == 0, "a manifest is written in whole entries"
    assert not keys or at <= len(manifest), "a manifest has no gaps"
    manifest[at : at + len(keys)] = keys
