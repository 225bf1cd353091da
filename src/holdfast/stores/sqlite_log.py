"""The database's write-ahead log, made longer before commits need the room.

A commit that makes a file longer has the file system write down its new length, too, in a
journal of its own: on ext4 an fdatasync after appending a page takes 257 µs, after writing over
one 120 µs. SQLite appends to its log until the first checkpoint, at about 4 MB, and most runs are
over before that.

A transaction larger than SQLite's cache is written to the log as it grows, and when it is rolled
back the log stays that long. Nothing that it wrote is ever read: a log ends, for every reader and
for recovery, with its last commit. So no file of SQLite's is touched by anybody else.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from typing import Final

from holdfast.stores.lockfile import beside
from holdfast.stores.sqlite_schema import CHECKPOINT_PAGES

FIRST_BYTES: Final = 256 * 1024
MOST_BYTES: Final = CHECKPOINT_PAGES * 4096
"""Where SQLite begins with the log anew."""
FREE_BYTES_MIN: Final = 64 * 1024 * 1024
"""Below, what is left of the disk is for what has been done."""

_CACHE_PAGES: Final = 16
_COMMIT_BYTES: Final = 6 * 1024
"""What a commit takes of the log: mostly one page, and more where that one is full."""
_NEVER: Final = sys.maxsize
_FILLER: Final = (
    "INSERT INTO fact (id, epoch, kind, body, chain) VALUES (-1, 0, '', '', zeroblob(?))"
)


class LogRoom:
    """Keeps room in the log of one connection."""

    def __init__(self, path: Path) -> None:
        self._path = beside(path, "-wal")
        self._length: int | None = None
        self._full_at = _NEVER
        self._is_off = False

    def look(self, connection: sqlite3.Connection, commits: int) -> None:
        """Double the log when commits have made it longer since the last look, or are about to:
        so many were made since the connection is there.

        The caller holds the store's lock and no transaction. It never fails: a log without room
        is only slower.
        """
        if self._is_off:
            return
        try:
            length = os.stat(self._path).st_size
            has_grown = self._length is not None and self._length < length
            if (has_grown or commits >= self._full_at) and length < MOST_BYTES:
                self._is_off = not self._has_disk()
                if not self._is_off:
                    # What is not full yet is written over first: a little more than is left.
                    more = min(max(length, FIRST_BYTES), MOST_BYTES * 9 // 8 - length)
                    _lengthen(connection, more)
                    before, length = length, os.stat(self._path).st_size
                    # No longer: SQLite has begun with it anew, and what is there suffices.
                    room = (length - before) // _COMMIT_BYTES
                    self._full_at = commits + room if room else _NEVER
            self._length = length
        except (OSError, sqlite3.Error):
            self._is_off = True

    def _has_disk(self) -> bool:
        disk = os.statvfs(self._path)
        return disk.f_bavail * disk.f_frsize >= FREE_BYTES_MIN


def _lengthen(connection: sqlite3.Connection, count: int) -> None:
    """Make the log longer by about so many bytes. Raises sqlite3.Error."""
    (pages,) = connection.execute("PRAGMA cache_size").fetchone()
    connection.execute(f"PRAGMA cache_size={_CACHE_PAGES}")
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_FILLER, (count,))
    finally:
        # What cannot be rolled back here is found, and told, by the next write.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute(f"PRAGMA cache_size={pages}")
