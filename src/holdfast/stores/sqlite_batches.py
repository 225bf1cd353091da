"""The batches of the SQLite store: rows in its database, and tails in files beside it.

Everything is written through the store's one connection, inside its lock, and the run's epoch is
checked in the same transaction. Opening and forgetting tails happens inside that lock too, so
that a process that was displaced never empties what its successor is about to read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from holdfast.model.batches import BatchRow, Checkpoint, ItemRow, Seen
from holdfast.model.facts import Spilled
from holdfast.model.items import ItemStatus
from holdfast.ports.batches import Kept, Left, Tail
from holdfast.stores import batch_rows, sqlite_ledgers, sqlite_rows
from holdfast.stores import sqlite_batch_rows as tables
from holdfast.stores.batch_rows import ValueRow
from holdfast.stores.lockfile import beside
from holdfast.stores.spill import SpillFiles
from holdfast.stores.sqlite_batch_rows import Place
from holdfast.stores.sqlite_connection import Database
from holdfast.stores.tails import FileTail, TailFiles

NUMBERS_MAX: Final = 4096
"""How many batches' numbers are remembered; beyond, they are looked up again."""

T = TypeVar("T")


class SqliteBatches:
    """The batches in one SQLite database."""

    def __init__(self, path: Path, database: Database, spill: SpillFiles) -> None:
        self._database, self._spill = database, spill
        self._tails = TailFiles(beside(path, ".batches"))
        self._numbers: dict[tuple[str, str], int] = {}
        self._has_tables = False

    # --- writing ------------------------------------------------------------------------

    def checkpoint(self, run: str, epoch: int, change: Checkpoint, *, durable: bool = True) -> None:
        key, body = change.batch.key, batch_rows.dump(change.batch)
        known = self._numbers.get((run, key))

        def work(connection: sqlite3.Connection) -> int:
            number = tables.put_batch(connection, run, epoch, key, body, known)
            self._put(connection, Place(number, run, key), epoch, change)
            return number

        number = self._database.write(work, durable=durable)
        if number != known:
            if len(self._numbers) >= NUMBERS_MAX:
                self._numbers.clear()
            self._numbers[run, key] = number

    def _put(
        self, connection: sqlite3.Connection, place: Place, epoch: int, change: Checkpoint
    ) -> None:
        if change.anew:
            tables.clear(connection, place)
            # Before the commit: a crash in between loses what is to be forgotten anyway.
            of_run = tables.run_number(connection, place.run, epoch)
            self._tails.begin_anew(of_run, place.run, place.key, epoch)
        if change.segments:
            tables.put_segments(connection, place, change.segments.items())
        if change.keys:
            tables.put_keys(connection, place, change.keys_at, change.keys)
        if change.items:
            tables.put_items(connection, place, change.items)
        if change.cleared:
            tables.delete_rows(connection, "batch_item", place, change.cleared)
        if change.values:
            self._put_values(connection, place, change)
        if change.taken:
            tables.delete_rows(connection, "batch_value", place, change.taken)
        if change.seen:
            assert change.batch.ledger, "a batch has no ledger to teach"
            sqlite_ledgers.learn(connection, change.batch.ledger, change.seen)

    def _put_values(self, connection: sqlite3.Connection, place: Place, change: Checkpoint) -> None:
        """Keep results; large ones in files, as facts' are, durable before the row."""
        kept: list[str] = []

        def keep(value: str | Spilled) -> Spilled:
            spilled = self._spill.keep(value) if isinstance(value, str) else value
            kept.append(spilled.digest)
            return spilled

        bodies = [
            (ordinal, batch_rows.dump(ValueRow(key, value), keep))
            for ordinal, key, value in change.values
        ]
        tables.put_values(connection, place, bodies)
        if kept:
            of_run = sqlite_rows.number_of(connection, place.run)
            assert of_run is not None, "its epoch was checked in this transaction"
            sqlite_rows.refer(connection, of_run, kept)

    def delete(self, connection: sqlite3.Connection, run: str) -> None:
        """Delete a run's batches, within the caller's transaction; `remove` comes after it."""
        tables.delete_batches(connection, run)

    def remove(self, number: int) -> None:
        """Remove the files of a run that is deleted. The caller holds the lock."""
        self._tails.remove(number)

    # --- reading ------------------------------------------------------------------------

    def batch(self, run: str, key: str) -> BatchRow | None:
        return next(iter(self._batches(run, key)), None)

    def batches(self, run: str) -> Sequence[BatchRow]:
        return self._batches(run)

    def _batches(self, run: str, key: str | None = None) -> list[BatchRow]:
        def work(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return tables.select_batches(connection, run, key)

        nothing: list[tuple[Any, ...]] = []
        return [tables.batch_row(found)[1] for found in self._read(work, nothing)]

    def segments(self, run: str, key: str) -> Mapping[int, bytes]:
        return self._of(run, key, tables.select_segments, {})

    def manifest(self, run: str, key: str, first: int, count: int) -> bytes:
        def work(connection: sqlite3.Connection, place: Place) -> bytes:
            return tables.select_keys(connection, place, first, count)

        return self._of(run, key, work, b"") if count > 0 else b""

    def items(
        self,
        run: str,
        key: str,
        *,
        statuses: Collection[ItemStatus] = (),
        after: int = -1,
        limit: int | None = None,
    ) -> Sequence[ItemRow]:
        def work(connection: sqlite3.Connection, place: Place) -> list[ItemRow]:
            return tables.select_items(
                connection, place, statuses=statuses, after=after, limit=limit
            )

        return self._of(run, key, work, [])

    def item(self, run: str, key: str, ordinal: int) -> ItemRow | None:
        def work(connection: sqlite3.Connection, place: Place) -> ItemRow | None:
            return tables.select_item(connection, place, ordinal)

        return self._of(run, key, work, None)

    def named(self, run: str, key: str, shown: str) -> Sequence[ItemRow]:
        def work(connection: sqlite3.Connection, place: Place) -> list[ItemRow]:
            return tables.select_named(connection, place, shown)

        return self._of(run, key, work, [])

    def values(
        self, run: str, key: str, *, after: int = -1, limit: int | None = None
    ) -> Sequence[Kept]:
        def work(connection: sqlite3.Connection, place: Place) -> list[tuple[int, ValueRow]]:
            return tables.select_values(connection, place, after, limit)

        kept, nothing = [], list[tuple[int, ValueRow]]()
        for ordinal, row in self._of(run, key, work, nothing):
            value = row.value
            if isinstance(value, Spilled):
                value = self._spill.load(value)
            kept.append(Kept(ordinal, row.key, value))
        return kept

    # --- tails --------------------------------------------------------------------------

    def tail(self, run: str, key: str, epoch: int, *, slots: int) -> Tail:
        opened: list[FileTail] = []

        def open_it(number: int) -> None:
            opened.append(self._tails.open(number, run, key, epoch, slots))

        self._fenced(run, epoch, open_it)
        return opened[0]

    def left(self, run: str, key: str, epoch: int) -> Sequence[Left]:
        number = self._database.read(lambda connection: sqlite_rows.number_of(connection, run))
        return [] if number is None else self._tails.left(number, run, key, epoch)

    def forget_left(self, run: str, key: str, epoch: int) -> None:
        self._fenced(run, epoch, lambda number: self._tails.forget(number, run, key, epoch))

    def _fenced(self, run: str, epoch: int, change: Callable[[int], None]) -> None:
        """Change files as the owner of a run, inside the store's lock."""
        self._database.write(
            lambda connection: tables.run_number(connection, run, epoch),
            durable=False,
            afterwards=change,
        )

    # --- ledgers ------------------------------------------------------------------------

    def seen(self, ledger: str, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return self._read(lambda c: sqlite_ledgers.select_seen(c, ledger, keys), {})

    def ledger(self, ledger: str) -> Iterator[Seen]:
        """Pages, each read on its own: nobody is held up while the caller thinks."""
        after = b""
        while True:
            found = self._page(ledger, after)
            yield from found
            if len(found) < sqlite_ledgers.PAGE_KEYS:
                return
            after = found[-1].key

    def ledgers(self) -> Sequence[tuple[str, int]]:
        return self._read(sqlite_ledgers.select_ledgers, [])

    def _page(self, ledger: str, after: bytes) -> list[Seen]:
        return self._read(lambda c: sqlite_ledgers.page(c, ledger, after), [])

    # --- how ----------------------------------------------------------------------------

    def _read(self, work: Callable[[sqlite3.Connection], T], absent: T) -> T:
        """Return what `work` reads; `absent` where the database has no such tables yet."""

        def reading(connection: sqlite3.Connection) -> T:
            self._has_tables = self._has_tables or tables.has_tables(connection)
            return work(connection) if self._has_tables else absent

        return self._database.read(reading)

    def _of(
        self, run: str, key: str, work: Callable[[sqlite3.Connection, Place], T], absent: T
    ) -> T:
        """Return what `work` reads of one batch; `absent` where there is none."""

        def reading(connection: sqlite3.Connection) -> T:
            number = tables.find_batch(connection, run, key)
            return absent if number is None else work(connection, Place(number, run, key))

        return self._read(reading, absent)
