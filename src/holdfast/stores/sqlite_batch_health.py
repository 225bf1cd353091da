"""What `holdfast doctor` looks at of batches: every row, in a database that may be damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from holdfast.errors import StoreError
from holdfast.model.bits import segments_of
from holdfast.stores import sqlite_batch_rows as tables
from holdfast.stores.batch_rows import ENTRY_BYTES
from holdfast.stores.sqlite_batch_rows import BLOCK_ENTRIES, Place
from holdfast.stores.sqlite_errors import reading


def broken_batches(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield the run of each batch that is not what was written, and what is wrong with it."""
    try:
        found = tables.select_batches(connection) if tables.has_tables(connection) else []
    except sqlite3.Error as problem:
        yield "", str(problem)
        return
    for row in found:
        why = _why_broken(connection, row)
        if why is not None:
            yield row[1], why


def _why_broken(connection: sqlite3.Connection, row: Sequence[Any]) -> str | None:
    """Read all of a batch but what is kept outside its rows; return what is wrong, or None."""
    try:
        place, _ = tables.batch_row(row)
        segments_of(tables.select_segments(connection, place))
        _read_rows(connection, place)
    except StoreError as problem:
        return str(problem)
    except sqlite3.Error as problem:
        return str(reading(problem, f"batch {row[2]!r} of run {row[1]}"))
    return None


def _read_rows(connection: sqlite3.Connection, place: Place) -> None:
    at = 0
    while keys := tables.select_keys(connection, place, at, BLOCK_ENTRIES):
        at += len(keys) // ENTRY_BYTES
    after = -1
    while items := tables.select_items(
        connection, place, statuses=(), after=after, limit=BLOCK_ENTRIES
    ):
        after = items[-1].ordinal
    after = -1
    while values := tables.select_values(connection, place, after, BLOCK_ENTRIES):
        after = values[-1][0]
