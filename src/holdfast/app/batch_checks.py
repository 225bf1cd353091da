"""Whether what is stored of a run's batches is what was written."""

from __future__ import annotations

from typing import Final

from holdfast.errors import StoreCorrupt
from holdfast.model.batches import BatchRow
from holdfast.model.bits import segments_of
from holdfast.model.items import KEY_BYTES, PRINT_BYTES
from holdfast.ports.batches import BatchStore

PAGE_ENTRIES: Final = 4096
PAGE_VALUES: Final = 16
"""Few at a time: each may be as large as its author liked."""


def verify_batches(batches: BatchStore, run: str) -> int:
    """Return how many batches a run has, after reading all that is stored of them.

    Raises StoreCorrupt, naming the first segment, row or result that is not what was written.
    """
    found = batches.batches(run)
    for batch in found:
        try:
            segments_of(batches.segments(run, batch.key))
            _read_rows(batches, run, batch)
        except StoreCorrupt as problem:
            raise StoreCorrupt(f"batch {batch.key!r} of run {run}: {problem}") from problem
    return len(found)


def _read_rows(batches: BatchStore, run: str, batch: BatchRow) -> None:
    """Read everything else, a page at a time. The store checks each row that it returns."""
    at = 0
    while keys := batches.manifest(run, batch.key, at, PAGE_ENTRIES):
        at += len(keys) // (KEY_BYTES + PRINT_BYTES)
    after = -1
    while items := batches.items(run, batch.key, after=after, limit=PAGE_ENTRIES):
        after = items[-1].ordinal
    after = -1
    while values := batches.values(run, batch.key, after=after, limit=PAGE_VALUES):
        after = values[-1].ordinal
