"""Ctrl-C while a store waits for its lock: nothing is left open, and nothing is closed unlocked."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from holdfast.stores import sqlite_connection
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.samples import run_created


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold a store's lock as another process would, whose file is opened anew."""
    fd = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def interrupt(pid: int) -> bool:
    """Called by whoever waits for the lock."""
    raise KeyboardInterrupt


def open_files(store: Path) -> list[str]:
    """Return the files of a store that this process has open."""
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    found = [os.readlink(link) for link in links if os.path.islink(link)]
    return sorted(path for path in found if path.startswith(str(store)))


def test_an_opening_that_is_interrupted_leaves_nothing_open(tmp_path: Path) -> None:
    """The lock's file too would be kept for as long as the process lives."""
    path = tmp_path / "s.db"
    SqliteStore(path).close()
    with held(tmp_path / "s.db.lock"), pytest.raises(KeyboardInterrupt):
        SqliteStore(path, on_blocked=interrupt)

    assert [] == open_files(path)


def test_a_close_that_is_interrupted_does_not_close_the_database_unlocked(tmp_path: Path) -> None:
    """The last close empties the log: beside another's commit that could lose it."""
    path, kept = tmp_path / "s.db", len(sqlite_connection._KEPT)
    store = SqliteStore(path, on_blocked=interrupt)
    store.create("r", run_created())
    with held(tmp_path / "s.db.lock"):
        with pytest.raises(KeyboardInterrupt):
            store.close()
        del store

        assert (tmp_path / "s.db-wal").stat().st_size > 0
        assert [str(tmp_path / "s.db.lock")] == [f for f in open_files(path) if "lock" in f]
    (connection,) = sqlite_connection._KEPT[kept:]
    assert isinstance(connection, sqlite3.Connection)
    connection.close()
    with closing(SqliteStore(path)) as again:
        assert again.row("r") is not None
