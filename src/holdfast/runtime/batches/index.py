"""Addresses by key: what a batch must know of each item once its source is read anew, or grows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from holdfast.errors import StoreError

FEW_MAX: Final = 100_000
"""So many keys are kept in memory, at about 200 bytes each; more are moved to a file."""


class Index:
    """The address of each key, and whether this reading has met it.

    In a dictionary as long as there are few, which takes a tenth of the time; then in a file of
    SQLite's own that is gone when it is closed. No part of a store: what is in it is read from the
    manifest again.
    """

    def __init__(
        self, entries: Iterable[tuple[bytes, int]], met: int, *, few_max: int = FEW_MAX
    ) -> None:
        """`entries` are met whose address is below `met`."""
        # The address of a key, and its complement as long as it is not met.
        placed = ((key, at if at < met else ~at) for key, at in entries)
        self._few_max = few_max
        self._few = dict(islice(placed, few_max))
        self._many: _Many | None = None
        if len(self._few) == few_max:
            self._to_file().put(placed)

    def find(self, key: bytes) -> tuple[int | None, bool]:
        """Return a key's address, and whether it was met before; it is met now."""
        few = self._few
        found = few.get(key) if self._many is None else self._many.get(key)
        if found is None or found >= 0:
            return found, found is not None
        if self._many is None:
            few[key] = ~found
        else:
            self._many.meet(key)
        return ~found, False

    def add(self, key: bytes, ordinal: int) -> None:
        """Note the address of a new key, which is met."""
        if self._many is None and len(self._few) < self._few_max:
            self._few[key] = ordinal
        else:
            (self._many or self._to_file()).put(((key, ordinal),))

    def close(self) -> None:
        """Let go of the file, if there is one."""
        if self._many is not None:
            self._many.close()

    def _to_file(self) -> _Many:
        self._many = many = _Many()
        many.put(self._few.items())
        self._few = {}
        return many


class _Many:
    """The same numbers in a table."""

    def __init__(self) -> None:
        # Only what has many keys needs it.
        import sqlite3

        self._error = sqlite3.Error
        # An empty name is a database on the disk that nobody else sees.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=OFF")
        self._connection.execute(
            "CREATE TABLE entry (key BLOB PRIMARY KEY, ordinal INTEGER) WITHOUT ROWID"
        )
        self._connection.execute("BEGIN")

    def put(self, entries: Iterable[tuple[bytes, int]]) -> None:
        try:
            self._connection.executemany("INSERT INTO entry VALUES (?, ?)", entries)
        except self._error as problem:
            raise _no_room(problem) from problem

    def get(self, key: bytes) -> int | None:
        try:
            found = self._connection.execute(
                "SELECT ordinal FROM entry WHERE key = ?", (key,)
            ).fetchone()
        except self._error as problem:
            raise _no_room(problem) from problem
        return None if found is None else int(found[0])

    def close(self) -> None:
        self._connection.close()

    def meet(self, key: bytes) -> None:
        try:
            self._connection.execute("UPDATE entry SET ordinal = ~ordinal WHERE key = ?", (key,))
        except self._error as problem:
            raise _no_room(problem) from problem


def _no_room(problem: Exception) -> StoreError:
    return StoreError(
        f"the keys of a batch cannot be kept while its source is read: {problem}. What is done is "
        "recorded. They are in SQLite's folder for temporary files: make room in it, or give "
        "another (SQLITE_TMPDIR, else TMPDIR, else /var/tmp), and go on"
    )
