"""The statements about batches in the SQLite store, and what their rows mean.

The rows of one kind lie in one b-tree, those of a batch in one stretch of it: an id is the number
of the batch and, below it, an ordinal or the number of a segment.

A manifest is rows of at most 4,096 entries, none across a multiple of that. Each checkpoint adds
a row as small as it is; the one that reaches such a multiple makes one row of those before it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from holdfast.errors import LostOwnership, StoreCorrupt, StoreError, UsageError
from holdfast.model.batches import BatchRow, ItemRow
from holdfast.stores import batch_rows
from holdfast.stores.batch_rows import ENTRY_BYTES, ValueRow, check, mark_of

ORDINAL_BITS: Final = 36
ORDINAL_MASK: Final = (1 << ORDINAL_BITS) - 1
BATCHES_MAX: Final = 1 << 63 - ORDINAL_BITS
BLOCK_ENTRIES: Final = 4096

_KINDS: Final = ("batch_segment", "batch_manifest", "batch_item", "batch_value")
_UPDATE_AS_OWNER: Final = (
    "UPDATE batch SET body = ?, mark = ? WHERE number = ? "
    "AND run = (SELECT number FROM run WHERE id = ? AND epoch = ?)"
)
_OWNER: Final = "SELECT number, epoch FROM run WHERE id = ?"
_BODY: Final = "CAST(body AS BLOB)"
"""A body is text once its checksum fits, not before."""
_BATCHES: Final = (
    f"SELECT batch.number, run.id, batch.key, {_BODY}, mark "
    "FROM run JOIN batch ON batch.run = run.number"
)
_ITEMS: Final = f"SELECT id, status, {_BODY}, mark FROM batch_item WHERE "


class Place(NamedTuple):
    """Which batch rows are of."""

    number: int
    run: str
    key: str

    def __str__(self) -> str:
        return f"batch {self.key!r} of run {self.run}"

    def id_of(self, ordinal: int) -> int:
        """Return the id of one row."""
        assert 0 <= ordinal <= ORDINAL_MASK, f"an item's ordinal is below 2**{ORDINAL_BITS}"
        return self.number << ORDINAL_BITS | ordinal

    def ids(self, first: int = 0) -> tuple[int, int]:
        """Return the ids of the batch's rows from one on: the first and the last that may be."""
        lowest = self.number << ORDINAL_BITS
        return lowest + max(first, 0), lowest | ORDINAL_MASK


def exact(text: str) -> str | bytes:
    """Return text as a column holds it so that no two are one: as bytes what UTF-8 has not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def has_tables(connection: sqlite3.Connection) -> bool:
    """Whether the database has these tables: one that is only read keeps its old schema."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'batch'")
    return found.fetchone() is not None


# --- a batch's row ----------------------------------------------------------------------------


def run_number(connection: sqlite3.Connection, run: str, epoch: int) -> int:
    """Return a run's number. Raises UsageError for an unknown run, LostOwnership when its epoch
    is no longer `epoch`."""
    found = connection.execute(_OWNER, (run,)).fetchone()
    if found is None:
        raise UsageError(f"there is no run {run!r} in this store")
    number, current = found
    if current != epoch:
        raise LostOwnership(
            f"run {run} was taken over by another process (epoch {current}, ours was {epoch}); "
            "nothing was written"
        )
    return int(number)


def put_batch(
    connection: sqlite3.Connection, run: str, epoch: int, key: str, body: str, known: int | None
) -> int:
    """Write a batch's row as its run's owner, and return its number; `known` is what it was.
    Raises as `run_number` does."""
    if known is not None:
        values = (body, mark_of(known, body), known, run, epoch)
        if connection.execute(_UPDATE_AS_OWNER, values).rowcount == 1:
            return known
    of_run = run_number(connection, run, epoch)
    connection.execute(
        "INSERT INTO batch (run, key, body, mark) VALUES (?, ?, '', 0) "
        "ON CONFLICT (run, key) DO NOTHING",
        (of_run, exact(key)),
    )
    (number,) = connection.execute(
        "SELECT number FROM batch WHERE run = ? AND key = ?", (of_run, exact(key))
    ).fetchone()
    if number >= BATCHES_MAX:
        raise StoreError(
            f"this store has had {BATCHES_MAX} batches, the most there may be: nothing was "
            "written; start a new one with --store"
        )
    connection.execute(
        "UPDATE batch SET body = ?, mark = ? WHERE number = ?",
        (body, mark_of(number, body), number),
    )
    return int(number)


def find_batch(connection: sqlite3.Connection, run: str, key: str) -> int | None:
    """Return a batch's number, or None."""
    found = connection.execute(
        "SELECT batch.number FROM run JOIN batch ON batch.run = run.number "
        "WHERE run.id = ? AND batch.key = ?",
        (run, exact(key)),
    ).fetchone()
    return None if found is None else int(found[0])


def select_batches(
    connection: sqlite3.Connection, run: str | None = None, key: str | None = None
) -> list[tuple[Any, ...]]:
    """Return the rows of batches, all or those that match, in the order in which they were made."""
    wanted = {"run.id = ?": run, "batch.key = ?": None if key is None else exact(key)}
    values = {term: value for term, value in wanted.items() if value is not None}
    where = f" WHERE {' AND '.join(values)}" if values else ""
    statement = f"{_BATCHES}{where} ORDER BY batch.number"
    return connection.execute(statement, tuple(values.values())).fetchall()


def batch_row(found: Sequence[Any]) -> tuple[Place, BatchRow]:
    """Return what a row of the table says. Raises StoreCorrupt."""
    number, run, key, body, mark = found
    shown = key.decode(errors="surrogatepass") if isinstance(key, bytes) else key
    place = Place(number, run, shown)
    check(number, body, mark, f"the row of {place}")
    row = batch_rows.load(BatchRow, body, f"the row of {place}")
    if row.key != shown:
        raise StoreCorrupt(f"the row of {place} is that of batch {row.key!r}")
    return place, row


def clear(connection: sqlite3.Connection, place: Place) -> None:
    """Delete everything of a batch but its row."""
    for table in _KINDS:
        connection.execute(f"DELETE FROM {table} WHERE id BETWEEN ? AND ?", place.ids())


def delete_batches(connection: sqlite3.Connection, run: str) -> None:
    """Delete a run's batches. What they taught a ledger stays."""
    found = connection.execute(
        "SELECT batch.number FROM run JOIN batch ON batch.run = run.number WHERE run.id = ?", (run,)
    ).fetchall()
    for (number,) in found:
        clear(connection, Place(number, run, ""))
        connection.execute("DELETE FROM batch WHERE number = ?", (number,))


# --- segments ---------------------------------------------------------------------------------


def put_segments(
    connection: sqlite3.Connection, place: Place, segments: Iterable[tuple[int, bytes]]
) -> None:
    """Replace segments of these numbers."""
    for number, bits in segments:
        row_id = place.id_of(number)
        connection.execute(
            "INSERT OR REPLACE INTO batch_segment (id, bits, mark) VALUES (?, ?, ?)",
            (row_id, bits, mark_of(row_id, bits)),
        )


def select_segments(connection: sqlite3.Connection, place: Place) -> dict[int, bytes]:
    """Return a batch's segments by number. Raises StoreCorrupt."""
    found = connection.execute(
        "SELECT id, bits, mark FROM batch_segment WHERE id BETWEEN ? AND ? ORDER BY id",
        place.ids(),
    )
    segments = {}
    for row_id, bits, mark in found:
        number = row_id & ORDINAL_MASK
        check(row_id, bits, mark, f"segment {number} of {place}")
        segments[number] = bits
    return segments


# --- the manifest -----------------------------------------------------------------------------


def put_keys(connection: sqlite3.Connection, place: Place, first: int, keys: bytes) -> None:
    """Write entries of the manifest from `first` on. Raises StoreCorrupt."""
    end = _end(connection, place)
    assert first <= end, f"the manifest of {place} has {end} entries; {first} would leave a gap"
    last = first + batch_rows.whole(keys)
    at = first
    while at < last:
        block = at - at % BLOCK_ENTRIES
        until = min(block + BLOCK_ENTRIES, last)
        piece = keys[(at - first) * ENTRY_BYTES : (until - first) * ENTRY_BYTES]
        is_full = until == block + BLOCK_ENTRIES
        if at < end or (is_full and at > block):
            _put_block(connection, place, block, at, piece)
        else:
            _insert_keys(connection, place, at, piece)
        at = until


def _put_block(
    connection: sqlite3.Connection, place: Place, block: int, at: int, piece: bytes
) -> None:
    """Make one row of a block's rows, with `piece` in its place."""
    kept = bytearray(select_keys(connection, place, block, BLOCK_ENTRIES))
    start = (at - block) * ENTRY_BYTES
    kept[start : start + len(piece)] = piece
    low = place.id_of(block)
    connection.execute(
        "DELETE FROM batch_manifest WHERE id BETWEEN ? AND ?", (low, low + BLOCK_ENTRIES - 1)
    )
    _insert_keys(connection, place, block, bytes(kept))


def _insert_keys(connection: sqlite3.Connection, place: Place, first: int, keys: bytes) -> None:
    row_id = place.id_of(first)
    connection.execute(
        "INSERT INTO batch_manifest (id, keys, mark) VALUES (?, ?, ?)",
        (row_id, keys, mark_of(row_id, keys)),
    )


def _end(connection: sqlite3.Connection, place: Place) -> int:
    """Return how many entries a manifest has."""
    found = connection.execute(
        "SELECT id, length(keys) FROM batch_manifest WHERE id BETWEEN ? AND ? "
        "ORDER BY id DESC LIMIT 1",
        place.ids(),
    ).fetchone()
    return 0 if found is None else (found[0] & ORDINAL_MASK) + found[1] // ENTRY_BYTES


def select_keys(connection: sqlite3.Connection, place: Place, first: int, count: int) -> bytes:
    """Return entries of a manifest, at most `count`. Raises StoreCorrupt: a row is not what was
    written, or is missing before another."""
    at = first - first % BLOCK_ENTRIES
    low, high = place.ids(at)
    found = connection.execute(
        "SELECT id, keys, mark FROM batch_manifest WHERE id BETWEEN ? AND ? ORDER BY id",
        (low, min(low + first + count - 1 - at, high)),
    )
    pieces, start = [], at
    for row_id, keys, mark in found:
        number = row_id & ORDINAL_MASK
        if number != at:
            raise StoreCorrupt(
                f"the manifest of {place} has nothing for items {at} to {number - 1}; which of "
                "them are done is not guessed. Restore the store from a backup"
            )
        check(row_id, keys, mark, f"the manifest of {place} from item {number} on")
        pieces.append(keys)
        at += len(keys) // ENTRY_BYTES
    skipped = first - start
    return b"".join(pieces)[skipped * ENTRY_BYTES : (skipped + count) * ENTRY_BYTES]


# --- items and values -------------------------------------------------------------------------


def put_items(connection: sqlite3.Connection, place: Place, items: Iterable[ItemRow]) -> None:
    """Replace the rows of items. Raises ValueError for what no row can hold."""
    for row in items:
        row_id, body = place.id_of(row.ordinal), batch_rows.dump(row)
        connection.execute(
            "INSERT OR REPLACE INTO batch_item (id, batch, status, shown, body, mark) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (row_id, place.number, row.status, exact(row.key), body, mark_of(row_id, body)),
        )


def select_items(
    connection: sqlite3.Connection,
    place: Place,
    *,
    statuses: Collection[str],
    after: int,
    limit: int | None,
) -> list[ItemRow]:
    """Return rows of items in order: each status by its index, so that a page costs a page.
    Raises StoreCorrupt."""
    low, high = place.ids(after + 1)
    most = -1 if limit is None else limit
    if not statuses:
        statement = f"{_ITEMS}id BETWEEN ? AND ? ORDER BY id LIMIT ?"
        return _items(place, connection.execute(statement, (low, high, most)))
    page = f"{_ITEMS}batch = ? AND status = ? AND id BETWEEN ? AND ? ORDER BY id LIMIT ?"
    # In one statement, which sees one moment: an item may go from one status to another.
    statement = " UNION ALL ".join([f"SELECT * FROM ({page})"] * len(statuses))
    values = [part for status in statuses for part in (place.number, status, low, high, most)]
    return _items(place, sorted(connection.execute(statement, values))[:limit])


def select_item(connection: sqlite3.Connection, place: Place, ordinal: int) -> ItemRow | None:
    """Return one item's row, or None. Raises StoreCorrupt."""
    if not 0 <= ordinal <= ORDINAL_MASK:
        return None
    found = connection.execute(f"{_ITEMS}id = ?", (place.id_of(ordinal),))
    return next(iter(_items(place, found)), None)


def select_named(connection: sqlite3.Connection, place: Place, shown: str) -> list[ItemRow]:
    """Return the rows of items shown by a key. Raises StoreCorrupt."""
    statement = f"{_ITEMS}batch = ? AND shown = ? ORDER BY id"
    return _items(place, connection.execute(statement, (place.number, exact(shown))))


def _items(place: Place, found: Iterable[Any]) -> list[ItemRow]:
    rows = []
    for row_id, status, body, mark in found:
        what = f"the row of item {row_id & ORDINAL_MASK} of {place}"
        check(row_id, body, mark, what)
        row = batch_rows.load(ItemRow, body, what)
        if (row.ordinal, row.status) != (row_id & ORDINAL_MASK, status):
            raise StoreCorrupt(f"{what} is that of item {row.ordinal}, {row.status}")
        rows.append(row)
    return rows


def put_values(
    connection: sqlite3.Connection, place: Place, bodies: Iterable[tuple[int, str]]
) -> None:
    """Replace kept results by ordinal; each is the body of a `ValueRow`."""
    for ordinal, body in bodies:
        row_id = place.id_of(ordinal)
        connection.execute(
            "INSERT OR REPLACE INTO batch_value (id, body, mark) VALUES (?, ?, ?)",
            (row_id, body, mark_of(row_id, body)),
        )


def select_values(
    connection: sqlite3.Connection, place: Place, after: int, limit: int | None
) -> list[tuple[int, ValueRow]]:
    """Return kept results in order, large ones not yet loaded. Raises StoreCorrupt."""
    found = connection.execute(
        f"SELECT id, {_BODY}, mark FROM batch_value WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
        (*place.ids(after + 1), -1 if limit is None else limit),
    )
    return list(_values(place, found))


def _values(place: Place, found: Iterable[Any]) -> Iterator[tuple[int, ValueRow]]:
    for row_id, body, mark in found:
        ordinal = row_id & ORDINAL_MASK
        what = f"the result of item {ordinal} of {place}"
        check(row_id, body, mark, what)
        yield ordinal, batch_rows.load(ValueRow, body, what)


def delete_rows(
    connection: sqlite3.Connection, table: str, place: Place, ordinals: Sequence[int]
) -> None:
    """Delete the rows of these ordinals from one of the tables of a batch."""
    ids = [(place.id_of(ordinal),) for ordinal in ordinals]
    connection.executemany(f"DELETE FROM {table} WHERE id = ?", ids)
