"""One unfinished run per target: the locks in a SQLite store, kept through holds and crashes.

They are rows, not locks of the operating system: a run that nobody owns now still has its
target, because what it did there is half done.
"""

from __future__ import annotations

import sqlite3

from holdfast.errors import TargetLocked
from holdfast.stores.sqlite_schema import column_text


def take(connection: sqlite3.Connection, number: int, target: str | None) -> None:
    """Give the run `number` its target's lock. Raises TargetLocked when another run has it."""
    if target is None:
        return
    found = connection.execute(
        "SELECT run.number, run.id FROM lock JOIN run ON run.number = lock.run "
        "WHERE lock.target = ?",
        (column_text(target),),
    ).fetchone()
    if found is None:
        connection.execute(
            "INSERT INTO lock (target, run) VALUES (?, ?)", (column_text(target), number)
        )
    elif found[0] != number:
        raise TargetLocked(target, found[1])


def free(connection: sqlite3.Connection, number: int) -> None:
    """Take the lock from the run `number`, if it has one."""
    connection.execute("DELETE FROM lock WHERE run = ?", (number,))


def free_if_cancelled(connection: sqlite3.Connection, run: str) -> None:
    """Take the lock from a run that somebody ended while it was still at work."""
    connection.execute(
        "DELETE FROM lock WHERE run = "
        "(SELECT number FROM run WHERE id = ? AND status = 'cancelled')",
        (run,),
    )


def holder(connection: sqlite3.Connection, target: str) -> str | None:
    """Return the run that has the target's lock, or None."""
    found = connection.execute(
        "SELECT run.id FROM lock JOIN run ON run.number = lock.run WHERE lock.target = ?",
        (column_text(target),),
    ).fetchone()
    return None if found is None else str(found[0])
