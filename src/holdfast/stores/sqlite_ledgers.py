"""What ledgers know, in the SQLite store: which items were done, over all runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from holdfast.errors import StoreCorrupt
from holdfast.model.batches import Seen
from holdfast.model.items import KEY_BYTES, PRINT_BYTES
from holdfast.stores.sqlite_batch_rows import exact

PAGE_KEYS: Final = 4096
"""How many entries are read at once: a reader never holds the others up for long."""
ASKED_MAX: Final = 500
"""How many keys one statement asks for; SQLite of old takes 999."""

_NUMBER: Final = "SELECT number FROM ledger WHERE name = ?"


def learn(connection: sqlite3.Connection, name: str, seen: Sequence[Seen]) -> None:
    """Write what a ledger learns; the first makes it."""
    connection.execute("INSERT OR IGNORE INTO ledger (name) VALUES (?)", (exact(name),))
    (number,) = connection.execute(_NUMBER, (exact(name),)).fetchone()
    connection.executemany(
        "INSERT OR REPLACE INTO ledger_key (ledger, key, print) VALUES (?, ?, ?)",
        [(number, item.key, item.print) for item in sorted(seen, key=lambda item: item.key)],
    )


def select_seen(
    connection: sqlite3.Connection, name: str, keys: Sequence[bytes]
) -> dict[bytes, bytes]:
    """Return the fingerprints of those keys that a ledger knows. Raises StoreCorrupt."""
    found = connection.execute(_NUMBER, (exact(name),)).fetchone()
    if found is None:
        return {}
    known = {}
    for start in range(0, len(keys), ASKED_MAX):
        asked = keys[start : start + ASKED_MAX]
        marks = ", ".join("?" * len(asked))
        rows = connection.execute(
            f"SELECT key, print FROM ledger_key WHERE ledger = ? AND key IN ({marks})",
            (found[0], *asked),
        )
        for row in rows:
            item = _seen(name, row)
            known[item.key] = item.print
    return known


def page(connection: sqlite3.Connection, name: str, after: bytes) -> list[Seen]:
    """Return the next entries with keys above `after`, at most `PAGE_KEYS`. Raises
    StoreCorrupt."""
    found = connection.execute(
        "SELECT key, ledger_key.print FROM ledger JOIN ledger_key "
        "ON ledger_key.ledger = ledger.number WHERE name = ? AND key > ? ORDER BY key LIMIT ?",
        (exact(name), after, PAGE_KEYS),
    )
    return [_seen(name, row) for row in found]


def select_ledgers(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Return the names of ledgers, and how many items each knows."""
    found = connection.execute(
        "SELECT name, (SELECT count(*) FROM ledger_key WHERE ledger = number) FROM ledger"
    )
    return sorted(
        (name.decode(errors="surrogatepass") if isinstance(name, bytes) else name, count)
        for name, count in found
    )


def _seen(name: str, row: Sequence[Any]) -> Seen:
    key, fingerprint = row
    sizes = [len(part) if part.__class__ is bytes else None for part in (key, fingerprint)]
    if sizes != [KEY_BYTES, PRINT_BYTES]:
        raise StoreCorrupt(
            f"an entry of ledger {name!r} is not a key and a fingerprint; run `holdfast doctor`"
        )
    return Seen(key, fingerprint)
