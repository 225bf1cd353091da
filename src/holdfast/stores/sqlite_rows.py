"""The statements of the SQLite store, and what their rows mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from holdfast.errors import StoreCorrupt
from holdfast.model.facts import Fact, Owner, RunCreated
from holdfast.model.making import dataclass
from holdfast.model.owing import debt_change
from holdfast.model.status import GLANCED, UNFINISHED
from holdfast.ports.store import RunRow, Stored
from holdfast.stores import rows, sqlite_locks
from holdfast.stores.notes import Note
from holdfast.stores.row_tables import dump_time, load_time
from holdfast.stores.sqlite_connection import NEVER
from holdfast.stores.sqlite_debts import note_debt
from holdfast.stores.sqlite_schema import SEQ_BITS, SEQ_MASK, column_text

PAGE_ROWS: Final = 1000
"""How many facts are read at once: a reader never holds the others up for long."""

_INSERT: Final = "INSERT INTO fact (id, epoch, kind, body, chain) VALUES (?, ?, ?, ?, ?)"
INSERT_AS_OWNER: Final = (
    "INSERT INTO fact (id, epoch, kind, body, chain) SELECT ?, ?, ?, ?, ? "
    "FROM run WHERE number = ? AND epoch = ?"
)
"""Asks and writes in one statement, which is a transaction of its own: it writes nothing when
the epoch is another, and fails when the place is taken because somebody else appended."""
INSERT_NOTED_AS_OWNER: Final = (
    f"{INSERT_AS_OWNER} UNION ALL SELECT ?, ?, ?, ?, ? FROM run WHERE number = ? AND epoch = ?"
)
"""The same for a note, and the fact after it: both or neither."""
PLAIN_CHARS_MAX: Final = rows.INLINE_BYTES_MAX // 4
_PAGE: Final = (
    "SELECT id, epoch, kind, body, chain FROM fact WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
)
_LAST: Final = "SELECT id, chain FROM fact WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1"
_RUN_COLUMNS: Final = (
    "id, workflow, target, status, mode, file, started_at, ended_at, started_by, due_at, "
    "epoch, owner, beat_monotonic, beat_at"
)


@dataclass(slots=True)
class Head:
    """The end of one run's journal, as far as this process knows.

    `noted` is its last fact while that is a note and no row; `version` is the database's when
    this was last known to be the end. `is_claimed` says that this process made itself the owner,
    so that no other writes under this epoch.
    """

    number: int
    epoch: int
    seq: int
    link: bytes
    noted: Note | None = None
    version: int = NEVER
    is_claimed: bool = False


# --- journals -------------------------------------------------------------------------------


def insert_facts(
    connection: sqlite3.Connection,
    head: Head,
    facts: Sequence[Fact],
    spill: rows.Spill,
    *,
    is_owned: bool = False,
) -> None:
    """Append facts at `head` and move it. The caller knows that nothing follows it, and whether
    a process other than the caller may be at work on the run."""
    for fact in facts:
        kind, body = rows.dump(fact, spill)
        head.seq += 1
        head.link = rows.chain(head.link, kind, body)
        row_id = head.number << SEQ_BITS | head.seq
        connection.execute(_INSERT, (row_id, head.epoch, kind, body, head.link))
        if changed := rows.row_changes(fact):
            update_run(connection, head.number, changed)
        if rows.frees(fact, owned=is_owned):
            sqlite_locks.free(connection, head.number)
        if (owing := debt_change(fact)) is not None:
            note_debt(connection, head.number, owing)


def next_note(head: Head, fact: Fact) -> Note | None:
    """Return a plain fact after `head` as it would be written.

    None for a fact that is more than its row: it changes the run's or what is owed, or may have
    to be spilled.
    """
    if fact.__class__ in GLANCED or debt_change(fact) is not None:
        return None
    kind, body = rows.dump(fact)
    if len(body) > PLAIN_CHARS_MAX or rows.SPILLED in body:
        return None
    return Note(head.seq + 1, head.epoch, kind, body, rows.chain(head.link, kind, body))


def as_owner(number: int, note: Note) -> tuple[Any, ...]:
    """Return the values of `INSERT_AS_OWNER` for it."""
    row_id, epoch = number << SEQ_BITS | note.seq, note.epoch
    # Of bytes the driver asks each time whether somebody adapts them: more than binding costs.
    return row_id, epoch, note.kind, note.body, bytearray(note.link), number, epoch


def insert_note(connection: sqlite3.Connection, head: Head, note: Note) -> None:
    """Make a row of the note that follows `head`, and move it."""
    row_id = head.number << SEQ_BITS | note.seq
    connection.execute(_INSERT, (row_id, note.epoch, note.kind, note.body, note.link))
    head.seq, head.link = note.seq, note.link


def link_of(connection: sqlite3.Connection, number: int, seq: int) -> bytes | None:
    """Return the link of a fact, or None when there is no such row."""
    id_ = number << SEQ_BITS | seq
    found = connection.execute("SELECT chain FROM fact WHERE id = ?", (id_,)).fetchone()
    return None if found is None else bytes(found[0])


def find_head(connection: sqlite3.Connection, run: str) -> Head | None:
    """Return the end of a run's journal, or None for an unknown run."""
    found = connection.execute(
        "SELECT number, epoch FROM run WHERE id = ?", (column_text(run),)
    ).fetchone()
    if found is None:
        return None
    number, epoch = found
    first = number << SEQ_BITS
    last = connection.execute(_LAST, (first, first | SEQ_MASK)).fetchone()
    if last is None:
        raise StoreCorrupt(f"run {run} has no journal")
    return Head(number, epoch, last[0] & SEQ_MASK, last[1])


def number_of(connection: sqlite3.Connection, run: str) -> int | None:
    """Return a run's number, or None."""
    found = connection.execute(
        "SELECT number FROM run WHERE id = ?", (column_text(run),)
    ).fetchone()
    return None if found is None else int(found[0])


def page(
    connection: sqlite3.Connection, *, run: str, number: int, after: int, link: bytes | None
) -> list[Stored]:
    """Return the next facts after `after`, at most `PAGE_ROWS`; `link` is that of `after` where
    it is known. Raises StoreCorrupt."""
    first = number << SEQ_BITS
    found = connection.execute(_PAGE, (first | after, first | SEQ_MASK, PAGE_ROWS)).fetchall()
    if found and link is None:
        link = _link_at(connection, run, number, after)
    return _checked(run, after, link or b"", found) if found else []


def facts_after(
    connection: sqlite3.Connection, run: str, head: Head, after: int
) -> tuple[Fact, ...]:
    """Return all facts between `after` and `head`. Raises StoreCorrupt."""
    facts: list[Fact] = []
    link = None
    while after < head.seq:
        found = page(connection, run=run, number=head.number, after=after, link=link)
        facts += [stored.fact for stored in found]
        after, link = found[-1].seq, found[-1].link
    return tuple(facts)


def _link_at(connection: sqlite3.Connection, run: str, number: int, seq: int) -> bytes:
    if seq == 0:
        return rows.first_link(run)
    found = link_of(connection, number, seq)
    if found is None:
        raise StoreCorrupt(f"fact {seq} of run {run} is missing")
    return found


def _checked(run: str, seq: int, link: bytes, found: Sequence[Any]) -> list[Stored]:
    """Return the facts in rows that follow fact `seq`. Raises StoreCorrupt where one does not."""
    ids, epochs, kinds, bodies, links = zip(*found, strict=True)
    numbers = range(seq + 1, seq + 1 + len(found))
    if (gap := _unlike([*map(SEQ_MASK.__and__, ids)], [*numbers])) is not None:
        raise StoreCorrupt(f"fact {numbers[gap]} of run {run} is missing")
    for column in (kinds, bodies):
        if (odd := _unlike([*map(type, column)], [str] * len(column))) is not None:
            raise StoreCorrupt(f"fact {numbers[odd]} of run {run} is not text")
    if (broken := _unlike(rows.links_from(link, kinds, bodies), [*links])) is not None:
        raise StoreCorrupt(
            f"fact {numbers[broken]} of run {run} is not what was written: its chain does not "
            "follow"
        )
    facts = rows.load_from(run, seq + 1, kinds, bodies)
    return list(map(_STORED, zip(numbers, epochs, facts, links, strict=True)))


def _unlike(found: list[Any], wanted: list[Any]) -> int | None:
    """Return the place of the first difference. Compared as a whole first: a long journal has
    a hundred thousand rows, and nearly always nothing is wrong with any."""
    if found == wanted:
        return None
    return [a == b for a, b in zip(found, wanted, strict=True)].index(False)


_STORED: Final[Callable[[tuple[Any, ...]], Stored]] = partial(tuple.__new__, Stored)
"""`Stored` of its values, without a call of Python's."""


# --- spilled values ---------------------------------------------------------------------------


def refer(connection: sqlite3.Connection, number: int, digests: Sequence[str]) -> None:
    """Note that a run refers to spilled values."""
    connection.executemany(
        "INSERT OR IGNORE INTO spill (digest, run) VALUES (?, ?)",
        [(digest, number) for digest in digests],
    )


def delete_run(connection: sqlite3.Connection, run: str) -> tuple[int, list[str]] | None:
    """Delete a run. Return its number and the digests that no other run refers to, or None."""
    number = number_of(connection, run)
    if number is None:
        return None
    orphans = connection.execute(
        "SELECT digest FROM spill AS mine WHERE run = ? AND NOT EXISTS "
        "(SELECT 1 FROM spill WHERE digest = mine.digest AND run <> mine.run)",
        (number,),
    ).fetchall()
    first = number << SEQ_BITS
    connection.execute("DELETE FROM fact WHERE id BETWEEN ? AND ?", (first, first | SEQ_MASK))
    connection.execute("DELETE FROM run WHERE number = ?", (number,))
    return number, [digest for (digest,) in orphans]


# --- runs -----------------------------------------------------------------------------------


def newest_of(connection: sqlite3.Connection, workflow: str) -> str:
    """Return the id of a workflow's newest run, an empty text when it has none."""
    found = connection.execute(
        "SELECT id FROM run WHERE workflow = ? ORDER BY number DESC LIMIT 1", (_column(workflow),)
    ).fetchone()
    return "" if found is None else str(found[0])


def insert_run(connection: sqlite3.Connection, run: str, fact: RunCreated) -> Head | None:
    """Make a run, without its first fact. Return None when there is one of this id."""
    if connection.execute("SELECT 1 FROM run WHERE id = ?", (run,)).fetchone() is not None:
        return None
    cursor = connection.execute(
        "INSERT INTO run (id, workflow, target, status, mode, file, started_at, started_by, "
        "epoch) VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, 0)",
        (
            run,
            _column(fact.workflow),
            _column(fact.target),
            _column(fact.mode),
            _column(fact.file),
            dump_time(fact.at),
            _column(fact.by.name),
        ),
    )
    number = cursor.lastrowid
    assert number is not None
    return Head(number, 0, 0, rows.first_link(run))


def update_run(connection: sqlite3.Connection, number: int, changed: dict[str, Any]) -> None:
    """Change columns of a run's row; the names are ours, never somebody's input."""
    columns = ", ".join(f"{column} = ?" for column in changed)
    values = [_column(value) for value in changed.values()]
    connection.execute(f"UPDATE run SET {columns} WHERE number = ?", (*values, number))


def release_run(connection: sqlite3.Connection, run: str, epoch: int) -> bool:
    """Forget the owner of a run whose epoch is still `epoch`, and the lock of a cancelled one.
    Return whether it still was."""
    released = connection.execute(
        "UPDATE run SET owner = NULL, beat_monotonic = NULL, beat_at = NULL "
        "WHERE id = ? AND epoch = ?",
        (run, epoch),
    )
    if released.rowcount:
        sqlite_locks.free_if_cancelled(connection, run)
    return released.rowcount > 0


def is_owned(connection: sqlite3.Connection, number: int) -> bool:
    """Return whether a process owns the run, alive or not."""
    (owner,) = connection.execute("SELECT owner FROM run WHERE number = ?", (number,)).fetchone()
    return owner is not None


def target_of(connection: sqlite3.Connection, run: str) -> str | None:
    """Return what a run that exists acts on."""
    (target,) = connection.execute("SELECT target FROM run WHERE id = ?", (run,)).fetchone()
    return None if target is None else str(target)


def select_runs(
    wanted: Mapping[str, str | None],
    *,
    prefix: str,
    due_by: datetime | None,
    unfinished: bool,
    owned: bool,
    limit: int | None,
) -> tuple[str, list[Any]]:
    """Return the statement for runs that match, newest first, and its values. `wanted` are
    columns with what they are to hold."""
    # Not by workflow or target, when by status: the unfinished are few among all of a name.
    sign = "+" if unfinished else ""
    terms = [f"{sign}{column} = ?" for column, value in wanted.items() if value is not None]
    values: list[Any] = [column_text(value) for value in wanted.values() if value is not None]
    if prefix:
        terms.append("id >= ? AND id < ?")
        values += [column_text(prefix), f"{column_text(prefix)}\U0010ffff"]
    if due_by is not None:
        # Without its last letter the text of a time sorts as the time does, with a fraction or not.
        terms.append("rtrim(due_at, 'Z') <= ?")
        values.append(dump_time(due_by).rstrip("Z"))
    if unfinished:
        terms.append(f"status IN ({', '.join('?' * len(UNFINISHED))})")
        values += UNFINISHED
    if owned:
        terms.append("owner IS NOT NULL")
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    values.append(-1 if limit is None else limit)
    return f"SELECT {_RUN_COLUMNS} FROM run{where} ORDER BY number DESC LIMIT ?", values


def select_run(connection: sqlite3.Connection, run: str) -> RunRow | None:
    """Return a run's row, or None."""
    statement = f"SELECT {_RUN_COLUMNS} FROM run WHERE id = ?"
    found = connection.execute(statement, (column_text(run),)).fetchone()
    return None if found is None else run_row(found)


def run_row(found: Sequence[Any]) -> RunRow:
    """Return a row of the table as what the contract calls one. Raises StoreCorrupt."""
    (id_, workflow, target, status, mode, file, started, ended, by, due, epoch, owner,
     monotonic, beat) = found  # fmt: skip
    try:
        return RunRow(
            id_,
            workflow,
            target,
            status,
            mode,
            file,
            load_time(started),
            load_time(ended) if ended else None,
            by,
            load_time(due) if due else None,
            epoch,
            _owner(owner) if owner else None,
            monotonic,
            load_time(beat) if beat else None,
        )
    except (TypeError, ValueError) as problem:
        raise StoreCorrupt(f"the row of run {id_} does not decode: {problem}") from problem


_owners: Final[dict[str, Owner]] = {}


def _owner(text: str) -> Owner:
    """Many runs have few owners: the last text read is most often the next one's too."""
    if (known := _owners.get(text)) is None:
        _owners.clear()
        known = _owners[text] = rows.load_owner(text)
    return known


def _column(value: Any) -> Any:
    if isinstance(value, str):
        return column_text(value)
    if isinstance(value, datetime):
        return dump_time(value)
    if isinstance(value, Owner):
        return rows.dump_owner(value)
    return value
