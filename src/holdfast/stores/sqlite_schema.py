"""The tables of a store, as numbered migrations, and how a database is recognised as ours.

A fact's id is `run number << 32 | seq`: one b-tree holds every journal, each in one stretch. So
do those of batches: `batch number << 36 | ordinal`, or the number of a segment.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from holdfast.errors import ConfigError, StoreCorrupt, StoreError
from holdfast.stores.sqlite_errors import code_of, translated

APPLICATION_ID: Final = 0x486F4661
"""In the file's header ("HoFa"), so that no other program's database is taken for ours."""

BUSY_S: Final = 10.0
"""How long to wait for a program that does not take our lock, such as the sqlite3 shell."""

CHECKPOINT_PAGES: Final = 1000
"""A commit that finds the log this long moves it into the database, inside our lock."""

SEQ_BITS: Final = 32
SEQ_MASK: Final = (1 << SEQ_BITS) - 1

_FIRST: Final = """
CREATE TABLE run (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    target TEXT,
    status TEXT NOT NULL,
    mode TEXT NOT NULL,
    file TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    started_by TEXT NOT NULL,
    due_at TEXT,
    epoch INTEGER NOT NULL,
    owner TEXT,
    beat_monotonic REAL,
    beat_at TEXT
);
CREATE INDEX run_by_status ON run (status, number);
CREATE INDEX run_by_target ON run (target, number);
CREATE INDEX run_by_workflow ON run (workflow, number);
CREATE TABLE fact (
    id INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    chain BLOB NOT NULL
);
CREATE TABLE spill (
    digest TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES run (number) ON DELETE CASCADE,
    PRIMARY KEY (digest, run)
) WITHOUT ROWID;
CREATE INDEX spill_by_run ON spill (run);
CREATE VIEW journal AS
    SELECT run.id AS run, fact.id & 4294967295 AS seq, fact.epoch AS epoch, kind, body,
           lower(hex(chain)) AS chain
    FROM run JOIN fact ON fact.id >> 32 = run.number
    ORDER BY fact.id;
"""

_LOCKS: Final = """
CREATE TABLE lock (
    target TEXT NOT NULL PRIMARY KEY,
    run INTEGER NOT NULL UNIQUE REFERENCES run (number) ON DELETE CASCADE
) WITHOUT ROWID;
"""

_TRIALS: Final = """
CREATE TABLE trial (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workflow TEXT NOT NULL,
    step TEXT NOT NULL,
    code TEXT NOT NULL,
    run TEXT NOT NULL,
    key TEXT NOT NULL,
    target TEXT,
    at TEXT NOT NULL,
    outcome TEXT NOT NULL,
    note TEXT NOT NULL
);
CREATE INDEX trial_by_step ON trial (workflow, step, id);
CREATE TABLE trial_begun (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workflow TEXT NOT NULL,
    step TEXT NOT NULL,
    code TEXT NOT NULL,
    run TEXT NOT NULL,
    key TEXT NOT NULL,
    target TEXT,
    at TEXT NOT NULL,
    UNIQUE (run, key)
);
CREATE INDEX trial_begun_by_step ON trial_begun (workflow, step, id);
"""

_DEBTS: Final = """
CREATE TABLE debt (
    run INTEGER NOT NULL REFERENCES run (number) ON DELETE CASCADE,
    key TEXT NOT NULL,
    label TEXT NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;
"""

_BATCHES: Final = """
CREATE TABLE batch (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES run (number),
    key NOT NULL,
    body TEXT NOT NULL,
    mark INTEGER NOT NULL,
    UNIQUE (run, key)
);
CREATE TABLE batch_segment (
    id INTEGER PRIMARY KEY,
    bits BLOB NOT NULL,
    mark INTEGER NOT NULL
);
CREATE TABLE batch_manifest (
    id INTEGER PRIMARY KEY,
    keys BLOB NOT NULL,
    mark INTEGER NOT NULL
);
CREATE TABLE batch_item (
    id INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL,
    status TEXT NOT NULL,
    shown NOT NULL,
    body TEXT NOT NULL,
    mark INTEGER NOT NULL
);
CREATE INDEX batch_item_by_status ON batch_item (batch, status);
CREATE INDEX batch_item_by_name ON batch_item (batch, shown);
CREATE TABLE batch_value (
    id INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    mark INTEGER NOT NULL
);
CREATE TABLE ledger (
    number INTEGER PRIMARY KEY,
    name NOT NULL UNIQUE
);
CREATE TABLE ledger_key (
    ledger INTEGER NOT NULL,
    key BLOB NOT NULL,
    print BLOB NOT NULL,
    PRIMARY KEY (ledger, key)
) WITHOUT ROWID;
"""

MIGRATIONS: Final = (_FIRST, _LOCKS, _TRIALS, _DEBTS, _BATCHES)
"""Forward only. Number n takes the schema from version n to n + 1; none ever changes."""

VERSION: Final = len(MIGRATIONS)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a database; `mode` is "rw", "ro", or "immutable" where nothing can be written."""
    options = "immutable=1" if mode == "immutable" else f"mode={mode}"
    return sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?{options}",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a database that nothing is written to. Raises sqlite3.Error.

    Where not even the log's index can be made (a read-only directory), and there is no log to
    miss, the file is read as it is.
    """
    connection = connect(path, "ro")
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(path.name + "-wal").exists():
            raise
        return connect(path, "immutable")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def recognise(path: Path) -> int:
    """Return the schema version of the database at `path`, 0 for an empty one.

    Writes nothing. Raises ConfigError for a database that is not ours or is newer than we are,
    StoreCorrupt for a file that is no database.
    """
    try:
        connection = connect_read_only(path)
        try:
            return version_of(connection, path)
        finally:
            connection.close()
    except sqlite3.Error as problem:
        raise not_opened(problem, path) from problem


def not_opened(problem: sqlite3.Error, path: Path) -> StoreError:
    """Return our error for a database that cannot be opened."""
    if code_of(problem) & 0xFF == 26:
        return StoreCorrupt(f"{path} is not a database")
    return translated(problem, f"{path} cannot be opened", "no fact was written")


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of an open database, 0 for an empty one. Raises ConfigError for
    one that is not ours or is newer than we are, sqlite3.Error."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (things,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application, version, things) != (0, 0, 0):
        raise ConfigError(
            f"{path} is an SQLite database, but not one of holdfast's; "
            "give another path with --store"
        )
    if version > VERSION:
        raise ConfigError(
            f"{path} was written by a newer holdfast (schema {version}, this one knows "
            f"{VERSION}); upgrade holdfast, nothing was touched"
        )
    return int(version)


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the database ready for writing, at the newest schema. The caller holds the lock."""
    # In the file's own header before anything enters the log: a crash leaves it recognisable.
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise ConfigError(f"{path} is on a file system where SQLite cannot keep a log (WAL)")
    configure(connection)
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    for version in range(version_of(connection, path), VERSION):
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in MIGRATIONS[version].split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={version + 1}")
        connection.execute("COMMIT")


def configure(connection: sqlite3.Connection) -> None:
    """Set what every connection of ours has, also one that only reads."""
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA cell_size_check=OFF")
    connection.execute("PRAGMA trusted_schema=OFF")


def column_text(text: str | None) -> str | None:
    """Return text as a column holds it, and as it is looked for there. A file's name, or an
    argument, may be no text at all: the row shows it escaped, the journal has it exactly."""
    return None if text is None else text.encode(errors="backslashreplace").decode()
