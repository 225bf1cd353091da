"""What lies beside a database, as a witness of how far that had come.

A database that was copied without its log, or put back from an older copy, is whole by itself: its
chains follow. What its runs left beside it may be newer, and nothing else tells.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from holdfast.errors import StoreCorrupt, StoreError
from holdfast.stores.lockfile import beside
from holdfast.stores.notes import Note, NoteFiles
from holdfast.stores.sqlite_schema import SEQ_BITS, SEQ_MASK
from holdfast.stores.sweeping import BY_NUMBER, entries, number_in


class Witnesses(NamedTuple):
    """The numbers of runs that something was left of, and the notes, by the number of the run."""

    numbers: frozenset[int]
    notes: dict[int, Note]


def witnesses_of(path: Path) -> Witnesses:
    """Return what lies beside the database at `path`. Look before the database is read: what is
    written meanwhile is then no newer than that."""
    found = (number_in(entry.name) for end in BY_NUMBER for entry in entries(beside(path, end)))
    numbers = frozenset(number for number in found if number is not None)
    notes = {}
    try:
        files = NoteFiles(beside(path, ".notes"))
        for number in sorted(numbers):
            if (note := files.read(number)) is not None:
                notes[number] = note
    except StoreError:
        pass  # They cannot be looked at: no witnesses.
    return Witnesses(numbers, notes)


def behind(connection: sqlite3.Connection, found: Witnesses) -> Iterator[str]:
    """Yield what the database does not know, though it once did. Raises sqlite3.Error."""
    given = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'run'").fetchone()
    last = 0 if given is None else given[0]
    unknown = sum(number > last for number in found.numbers)
    if unknown:
        runs = "1 run that is" if unknown == 1 else f"{unknown} runs that are"
        yield f"beside it are files of {runs} newer than all in it"
    for number, note in found.notes.items():
        row = connection.execute("SELECT id FROM run WHERE number = ?", (number,)).fetchone()
        if row is None:
            continue
        first = number << SEQ_BITS
        (end,) = connection.execute(
            "SELECT max(id) FROM fact WHERE id BETWEEN ? AND ?", (first, first | SEQ_MASK)
        ).fetchone()
        ends = 0 if end is None else end & SEQ_MASK
        if note.seq > ends + 1:
            yield f"run {row[0]} ends with fact {ends}, and once came to fact {note.seq}"


def refuse_without_log(path: Path) -> None:
    """Refuse a database that was made by us, holds nothing, and has what its runs left beside it.
    Raises StoreCorrupt."""
    if not path.stat().st_size:
        return  # It was never made: a file that somebody else put there.
    ends = (".spill", *BY_NUMBER)
    if any(True for end in ends for _ in entries(beside(path, end))):
        raise StoreCorrupt(
            f"{path} holds nothing, and beside it is what its runs left: its log, {path.name}-wal, "
            "is missing, and with it what was recorded. Put that back, or restore a backup; to "
            f"begin anew, move everything away whose name begins with {path.name}"
        )
