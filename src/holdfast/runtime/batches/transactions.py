"""An item's own rows and its checkpoint in one transaction of the user's database.

The journal follows: a row of ours in that database says that the item's transaction was committed.
If the process dies between that commit and the checkpoint, the item comes again, finds its row,
and is done without its block being entered. Two processes that are at the same item, one of them
taken over by the other, meet at the row's primary key: one of the two commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from holdfast.errors import UsageError
from holdfast.model.making import dataclass

TABLE: Final = "holdfast_item"
_CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (run TEXT NOT NULL, batch TEXT NOT NULL, "
    "item TEXT NOT NULL, committed_at TEXT NOT NULL, PRIMARY KEY (run, batch, item))"
)


@dataclass(frozen=True, slots=True)
class Belonging:
    """Which batch of which run the items that are done here belong to, and whether what they
    return is kept or written."""

    run: str
    batch: str
    keeps_values: bool = False


BELONGING: ContextVar[Belonging | None] = ContextVar("holdfast_batch", default=None)


class AlreadyCommitted(BaseException):
    """The item's transaction was committed by an earlier attempt: there is nothing to do.

    Not an Exception, so that no handler of the item's own takes it for a failure.
    """


class Connection(Protocol):
    """A connection of sqlite3 or psycopg."""

    def execute(self, statement: str, values: Any = (), /) -> Any:
        """Execute a statement and return what its rows can be fetched from."""


@contextmanager
def item_transaction(connection: Connection, digest: str) -> Iterator[None]:
    """Run the block in a transaction that also says that the item is done, and commit it.

    Raises AlreadyCommitted, without entering the block, when an earlier attempt did. When the
    block raises, everything in it is rolled back. Raises UsageError when the connection is in a
    transaction already, which would be committed with ours.
    """
    belonging = BELONGING.get()
    if belonging is None:
        raise UsageError("tx() belongs inside the function of `each`; no item is running")
    if belonging.keeps_values:
        raise UsageError(
            "tx() makes an item done by its rows alone: what it returned is lost when the process "
            "dies right after; leave out= and keep= out, and write the result into your rows"
        )
    mark = _mark_of(connection)
    where = (belonging.run, belonging.batch, digest)
    _begin(connection)
    try:
        if not _has_table(connection, mark):
            _make_table(connection)
        found = connection.execute(
            f"SELECT 1 FROM {TABLE} WHERE run = {mark} AND batch = {mark} AND item = {mark}", where
        ).fetchone()
        if found is not None:
            raise AlreadyCommitted
        connection.execute(
            f"INSERT INTO {TABLE} (run, batch, item, committed_at) "
            f"VALUES ({mark}, {mark}, {mark}, {mark})",
            (*where, datetime.now(UTC).isoformat()),
        )
        yield
    except BaseException:
        _end(connection, is_good=False)
        raise
    _end(connection, is_good=True)


def _has_table(connection: Connection, mark: str) -> bool:
    question = f"SELECT to_regclass('{TABLE}')"
    if mark == "?":
        question = f"SELECT max(name) FROM sqlite_master WHERE type = 'table' AND name = '{TABLE}'"
    return connection.execute(question).fetchone()[0] is not None


def _make_table(connection: Connection) -> None:
    """Make the table in a transaction of its own; another worker may be doing the same."""
    try:
        connection.execute(_CREATE)
        _end(connection, is_good=True)
    except Exception:
        # PostgreSQL lets one of two fail that make it at once. What is wrong else, the next
        # statement tells.
        _end(connection, is_good=False)
    _begin(connection)


def _mark_of(connection: Connection) -> str:
    """Return the placeholder of the connection's driver. Raises UsageError for one that is not
    known here."""
    package = type(connection).__module__.partition(".")[0]
    marks = {"sqlite3": "?", "psycopg": "%s", "psycopg2": "%s"}
    if package not in marks:
        raise UsageError(
            f"tx() knows connections of sqlite3 and psycopg, and this one is of {package}"
        )
    return marks[package]


def _begin(connection: Any) -> None:
    if type(connection).__module__.startswith("sqlite3"):
        if connection.in_transaction:
            raise UsageError("tx(): the connection is in a transaction; commit it before")
        connection.execute("BEGIN IMMEDIATE")
        return
    status = getattr(getattr(connection, "info", None), "transaction_status", 0)
    if status != 0:
        raise UsageError("tx(): the connection is in a transaction; commit it before")
    if getattr(connection, "autocommit", False):
        connection.execute("BEGIN")


def _end(connection: Any, *, is_good: bool) -> None:
    # As statements: the drivers' own methods do nothing where a transaction was begun as one.
    connection.execute("COMMIT" if is_good else "ROLLBACK")
