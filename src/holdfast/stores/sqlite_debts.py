"""The list of what runs owe, in the SQLite store: small, whatever the number of runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from holdfast.errors import StoreCorrupt
from holdfast.model.owing import DebtBegun, DebtChange, DebtMoved
from holdfast.ports.store import DebtRow
from holdfast.stores.row_tables import dump_time, load_time
from holdfast.stores.sqlite_schema import column_text

_BEGIN: Final = (
    "INSERT INTO debt (run, key, label, since) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (run, key) DO UPDATE SET label = excluded.label"
)
_SELECT: Final = (
    "SELECT run.id, debt.key, debt.label, debt.since FROM debt JOIN run ON run.number = debt.run "
    "ORDER BY rtrim(debt.since, 'Z'), run.id, debt.key LIMIT ?"
)
"""Without its last letter the text of a time sorts as the time does, with a fraction or not."""

_HAS_LIST: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'debt'"


def note_debt(connection: sqlite3.Connection, number: int, change: DebtChange) -> None:
    """Apply what a fact changes in the list, within the transaction that appends the fact."""
    if isinstance(change, DebtBegun):
        values = (
            number,
            column_text(change.key),
            column_text(change.label),
            dump_time(change.since),
        )
        connection.execute(_BEGIN, values)
    elif isinstance(change, DebtMoved):
        connection.execute(
            "UPDATE debt SET key = ? WHERE run = ? AND key = ?",
            (column_text(change.key), number, column_text(change.was)),
        )
    elif change.key:
        connection.execute(
            "DELETE FROM debt WHERE run = ? AND key = ?", (number, column_text(change.key))
        )
    else:
        connection.execute("DELETE FROM debt WHERE run = ?", (number,))


def select_debts(connection: sqlite3.Connection, limit: int | None) -> Sequence[DebtRow]:
    """Return the list, the oldest debt first. Raises StoreCorrupt.

    A database that an earlier release wrote, and that is only read, has no such list.
    """
    if not connection.execute(_HAS_LIST).fetchone():
        return ()
    found = connection.execute(_SELECT, (-1 if limit is None else limit,)).fetchall()
    return [_row(values) for values in found]


def _row(values: Sequence[Any]) -> DebtRow:
    run, key, label, since = values
    try:
        return DebtRow(run, key, label, load_time(since))
    except (TypeError, ValueError) as problem:
        raise StoreCorrupt(f"a debt of run {run} does not decode: {problem}") from problem
