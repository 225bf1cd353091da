"""Databases that are there before a test begins."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite_schema import APPLICATION_ID, MIGRATIONS
from holdfast.testing.samples import life_started, run_created


def made(path: Path) -> Path:
    """Make a store of one run that epoch 1 owns, and close it."""
    with closing(SqliteStore(path)) as store:
        store.create("r", run_created())
        store.claim("r", life_started(1), after=1, expected_epoch=0)
    return path


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
