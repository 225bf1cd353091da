"""A store of an earlier release: brought up to date when it is written to, else read as it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite_schema import APPLICATION_ID, MIGRATIONS
from holdfast.testing.samples import AT, run_created
from holdfast.testing.store_debts import borrowed
from holdfast.testing.store_opening import owned


def written_by_the_first_release(path: Path) -> Path:
    """Make a database of schema 1 with one run in it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(MIGRATIONS[0])
        connection.execute("PRAGMA user_version=1")
    path.chmod(0o600)
    path.parent.chmod(0o700)
    return path


def test_a_store_without_a_list_of_debts_gets_one(tmp_path: Path) -> None:
    """Nothing was owed in it; from now on it is kept."""
    path = written_by_the_first_release(tmp_path / "s.db")
    with closing(SqliteStore(path, read_only=True)) as store:
        assert [] == list(store.debts())
    with closing(SqliteStore(path)) as store:
        assert [] == list(store.debts())
        owned(store).append("r", [borrowed("a")], after=2, epoch=1)

    with closing(SqliteStore(path, read_only=True)) as store:
        assert [("r", "a", "return a", AT)] == list(store.debts())
    with closing(SqliteStore(path)) as store:
        assert not store.create("r", run_created())
