"""Where the items of batches live: the second durable truth beside the journal of facts.

The owner of a run is the only writer, fenced by its epoch exactly as in the journal. What it
writes goes one of two ways: a *checkpoint*, which is a transaction, and the *tail*, which costs a
microsecond and is worth less (`model.tail`). An implementation must pass
`holdfast.testing.StoreSuite`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from holdfast.model.batches import BatchRow, Checkpoint, ItemRow, Seen
from holdfast.model.items import ItemStatus
from holdfast.model.json import Json
from holdfast.model.making import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """What a worker was at: `item` is its ordinal, and `pid` the process it ran in."""

    item: int
    pid: int


class Left(NamedTuple):
    """What an earlier life left in its tail. `boot` is the boot of the machine that wrote it, as
    `Owner.boot` has it: after another boot, or where it is empty because the system does not
    tell, the tail says nothing reliable. `slots` are the items in flight."""

    epoch: int
    boot: str
    tail: bytes
    slots: tuple[Slot, ...]


class Kept(NamedTuple):
    """A kept result."""

    ordinal: int
    key: str
    value: Json


class Tail(Protocol):
    """The owner's own log of one batch, for one life. Threads may share it."""

    slots_path: str | None
    """A file in which any process of this machine may note what it is at (`ports.slots`); None
    where there is none."""

    def write(self, records: bytes) -> None:
        """Append. On return it survives the death of every process, not power loss. Raises
        StoreError: what was written before stays, and of these records some may be there."""

    def empty(self) -> None:
        """Forget what was written: a checkpoint says it by now. A crash before or within leaves
        records that say once more what the checkpoint says."""

    def occupy(self, slot: int, item: int, pid: int) -> None:
        """Note that a worker is at an item. On return it survives the death of every process."""

    def noter(self, slot: int, pid: int) -> Callable[[int], object]:
        """Return what does the same as `occupy` for this slot, given an item, at less cost."""

    def vacate(self, slot: int) -> None:
        """Note that a worker is at nothing."""

    def slots(self) -> tuple[Slot | None, ...]:
        """Return what each worker is at, as this life has noted it."""

    def close(self) -> None:
        """Release what is held, and remove the tail if it is empty and no slot is occupied. Safe
        to call twice; the rest of a tail is useless from then on."""


class BatchStore(Protocol):
    """The batches of all runs."""

    def checkpoint(self, run: str, epoch: int, change: Checkpoint, *, durable: bool = True) -> None:
        """Make one change of a batch, as a unit; the first one makes the batch.

        With `durable` it survives power loss on return, and with it everything written before;
        without, the death of every process. Raises LostOwnership, writing nothing, when the
        run's epoch is no longer `epoch`; UsageError when there is no such run; ValueError,
        writing nothing, for what no row can hold (NaN); StoreError when it is unknown whether it
        was written, and from then on for every call, as `Store.append` does.

        Entries of the manifest leave no gap: `keys_at` is at most how many there are, and those
        behind the new ones stay. A change that is `anew` also forgets what any tail of the batch
        says, this life's too, which goes on empty: the ledger alone remembers. A result over
        64 KiB is kept outside its row, as a step's is, until the run is removed.
        """

    def batch(self, run: str, key: str) -> BatchRow | None:
        """Return a batch's row, or None, as for an unknown run. Raises StoreCorrupt, like every
        other question here, naming what is not what was written."""

    def batches(self, run: str) -> Sequence[BatchRow]:
        """Return the rows of a run's batches, in the order in which they were made."""

    def segments(self, run: str, key: str) -> Mapping[int, bytes]:
        """Return a batch's encoded segments, by number, each as it was written; what they say
        `model.bits` decodes."""

    def manifest(self, run: str, key: str, first: int, count: int) -> bytes:
        """Return the manifest's entries from `first` on, at most `count`; 24 bytes each. Fewer
        only at its end: one that lacks some before others is corrupt."""

    def items(
        self,
        run: str,
        key: str,
        *,
        statuses: Collection[ItemStatus] = (),
        after: int = -1,
        limit: int | None = None,
    ) -> Sequence[ItemRow]:
        """Return the rows of a batch with ordinals above `after`, in their order; of these
        statuses, when some are given."""

    def item(self, run: str, key: str, ordinal: int) -> ItemRow | None:
        """Return the row of one item, or None."""

    def named(self, run: str, key: str, shown: str) -> Sequence[ItemRow]:
        """Return the rows whose item is shown by this key."""

    def values(
        self, run: str, key: str, *, after: int = -1, limit: int | None = None
    ) -> Sequence[Kept]:
        """Return kept results with ordinals above `after`, in their order."""

    def tail(self, run: str, key: str, epoch: int, *, slots: int) -> Tail:
        """Open the owner's tail with so many slots, empty. Raises LostOwnership when the run's
        epoch is no longer `epoch`: what the tail says is for the successor; StoreError, always
        so for a store that is only read."""

    def left(self, run: str, key: str, epoch: int) -> Sequence[Left]:
        """Return what lives before `epoch` left in their tails, the latest last; of one that has
        neither records nor an item in flight, nothing. A displaced process may still append to
        its own: ask once, after the run was claimed, and whatever comes later does not count."""

    def forget_left(self, run: str, key: str, epoch: int) -> None:
        """Remove the tails of lives before `epoch`: a checkpoint says by now what they said.
        Raises LostOwnership, removing nothing, when the run's epoch is no longer `epoch`."""

    def seen(self, ledger: str, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return what a ledger knows of these keys: the fingerprint by key."""

    def ledger(self, ledger: str) -> Iterator[Seen]:
        """Yield everything that a ledger knows, in the order of the keys."""

    def ledgers(self) -> Sequence[tuple[str, int]]:
        """Return the ledgers' names, and how many items each knows."""
