"""A process that finishes items of a batch and says, line by line, what was acknowledged.

    python batcher.py STORE COUNT [--each N]

Takes the run "r" up under the next epoch and folds what earlier lives left into a checkpoint.
Then item after item: its records are in the tail before its number is printed, and now and then a
checkpoint says what the tail said. Ends like holdfast: with the exit code of the error.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Iterator

from tests.crash.appender import take

from holdfast.errors import HoldfastError
from holdfast.model.batches import BatchRow, Checkpoint
from holdfast.model.bits import Bits, segment_of, segments_of
from holdfast.model.items import KEY_BYTES, PRINT_BYTES
from holdfast.model.tail import DoneRecord, KeyRecord, done_record, key_record, records
from holdfast.ports.batches import BatchStore, Tail
from holdfast.stores.sqlite import SqliteStore

RUN, KEY = "r", "k"
SPREAD, PLACES = 40_503, 200_000
"""The n-th item to finish is one of four segments, which are neither full nor in order."""
ENTRY_BYTES = KEY_BYTES + PRINT_BYTES


def ordinal_of(n: int) -> int:
    """Return which item is the n-th to finish."""
    return n * SPREAD % PLACES


def entry_of(n: int) -> bytes:
    """Return the n-th entry of the manifest."""
    return n.to_bytes(KEY_BYTES, "big") + n.to_bytes(PRINT_BYTES, "little")


class Known:
    """What is known of the batch: in the checkpoints, and in the tails of lives before `epoch`."""

    def __init__(self, batches: BatchStore, epoch: int) -> None:
        self.done: Bits = segments_of(batches.segments(RUN, KEY))
        self.keys = bytearray(batches.manifest(RUN, KEY, 0, PLACES))
        row = batches.batch(RUN, KEY)
        assert len(self.done) == (0 if row is None else row.done), "a checkpoint is a unit"
        assert len(self.keys) == ENTRY_BYTES * (0 if row is None else row.enumerated)
        for life in batches.left(RUN, KEY, epoch):
            for record in records(life.tail):
                if isinstance(record, DoneRecord):
                    self.done.add(record.ordinal)
                else:
                    self._place(record)

    def _place(self, record: KeyRecord) -> None:
        at = record.ordinal * ENTRY_BYTES
        assert at <= len(self.keys), "an address is missing before this one"
        self.keys[at : at + ENTRY_BYTES] = record.key + record.print

    def items(self) -> int:
        """Return how many items are done and addressed, each as it was written."""
        count = len(self.keys) // ENTRY_BYTES
        assert bytes(self.keys) == b"".join(entry_of(n) for n in range(count))
        while count and ordinal_of(count - 1) not in self.done:
            count -= 1
        assert [] == [n for n in range(count) if ordinal_of(n) not in self.done]
        return count

    def change(self, segments: set[int], keys_at: int) -> Checkpoint:
        count = len(self.keys) // ENTRY_BYTES
        return Checkpoint(
            BatchRow(KEY, done=len(self.done), enumerated=count),
            segments={number: self.done.encoded(number) for number in segments},
            keys_at=keys_at,
            keys=bytes(self.keys[keys_at * ENTRY_BYTES :]),
        )


def finish(known: Known, tail: Tail, count: int) -> Iterator[int]:
    """Finish items one by one, and yield the number of each once it is acknowledged."""
    first = known.items()
    for n in range(first, first + count):
        entry = entry_of(n)
        record = key_record(n, entry[:KEY_BYTES], entry[KEY_BYTES:])
        tail.occupy(0, ordinal_of(n), os.getpid())
        tail.write(record + done_record(ordinal_of(n)))
        known.done.add(ordinal_of(n))
        known.keys[n * ENTRY_BYTES :] = entry
        print(n, flush=True)
        tail.vacate(0)
        yield n


def work(store: SqliteStore, count: int, each: int) -> None:
    epoch, _ = take(store, RUN)
    batches, dice = store.batches, random.Random(epoch)
    known = Known(batches, epoch)
    tail = batches.tail(RUN, KEY, epoch, slots=2)
    batches.checkpoint(RUN, epoch, known.change({0, 1, 2, 3}, 0))
    batches.forget_left(RUN, KEY, epoch)
    print("ready", epoch, flush=True)
    dirty, keys_at = set[int](), len(known.keys) // ENTRY_BYTES
    for n in finish(known, tail, count):
        dirty.add(segment_of(ordinal_of(n)))
        if dice.randrange(each) == 0:
            batches.checkpoint(RUN, epoch, known.change(dirty, keys_at), durable=n % 3 == 0)
            tail.empty()
            dirty, keys_at = set(), n + 1
    tail.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("count", type=int)
    parser.add_argument("--each", type=int, default=20)
    options = parser.parse_args()
    try:
        store = SqliteStore(options.store)
        work(store, options.count, options.each)
        store.close()
    except HoldfastError as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
