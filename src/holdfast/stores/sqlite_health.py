"""What `holdfast doctor` looks at: one database, from the outside, changing nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from holdfast.errors import StoreError
from holdfast.model.making import dataclass
from holdfast.ports.store import StoreAbsent
from holdfast.stores.filesystems import is_network, mount_of
from holdfast.stores.lockfile import beside, holder_of, refuse_link, refuse_other_kinds
from holdfast.stores.spill import SpillFiles
from holdfast.stores.sqlite_batch_health import broken_batches
from holdfast.stores.sqlite_connection import suspect_marker
from holdfast.stores.sqlite_errors import reading
from holdfast.stores.sqlite_rows import PAGE_ROWS, page
from holdfast.stores.sqlite_schema import connect_read_only, version_of
from holdfast.stores.witnesses import Witnesses, behind, refuse_without_log, witnesses_of

PROBLEMS_MAX: Final = 100
"""How many lines of SQLite's integrity check, and how many broken runs, are reported."""


@dataclass(frozen=True, slots=True)
class Health:
    """One database as it was found.

    `integrity`, `broken_chains`, `broken_batches` and `broken_values`, of those beside the database
    (run id and what is wrong), are empty when all is well.
    `modes` are the permissions of the directory and of each file, `names` how many the database
    has. `lock_holder` is a pid.
    `suspect` is what the marker of a failed sync says, or None. `behind` tells what the database
    does not know, though what lies beside it shows that it once did.
    """

    path: str
    sqlite_version: str
    has_wal_reset_bug: bool
    schema_version: int
    integrity: tuple[str, ...]
    broken_chains: tuple[tuple[str, str], ...]
    broken_batches: tuple[tuple[str, str], ...]
    broken_values: tuple[tuple[str, str], ...]
    runs: int
    facts: int
    batches: int
    values: int
    free_bytes: int
    filesystem: str
    is_on_network: bool
    modes: dict[str, int]
    names: int
    lock_holder: int | None
    suspect: str | None
    behind: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether every byte that was looked at is what was written."""
        return not (self.integrity or self.broken)

    @property
    def broken(self) -> tuple[tuple[str, str], ...]:
        """Each run of which something is not what was written, and what."""
        return (*self.broken_chains, *self.broken_batches, *self.broken_values)


def inspect(path: str | os.PathLike[str]) -> Health:
    """Return the health of the database at `path`, suspect or not.

    Reads all of it. Raises StoreAbsent when there is none, ConfigError for what is no database of
    ours, or one that is newer than we are; what is damaged is reported, not raised.
    """
    place = Path(os.path.abspath(path))
    refuse_link(place)
    if not place.exists():
        raise StoreAbsent(f"there is no store at {place}")
    refuse_other_kinds(place)
    try:
        connection = connect_read_only(place)
    except sqlite3.Error as problem:
        return _health(place, Found(0, (str(problem),)))
    with contextlib.closing(connection):
        seen = witnesses_of(place)
        version = _version(connection, place)
        if not version:  # It failed while it was made, and holds nothing yet; or is damaged.
            return _health(place, Found(version, (*_integrity(connection), *_without_log(place))))
        found = _found(connection, version, seen)
        broken_values = tuple(islice(_broken_values(connection, place), PROBLEMS_MAX))
        return _health(place, found._replace(broken_values=broken_values))


def clear_suspect(path: str | os.PathLike[str]) -> None:
    """Remove the marker of a failed sync: somebody looked, and the store is sound.

    Raises StoreError, leaving the marker, when it is not.
    """
    health = inspect(path)
    if not health.is_clean:
        wrong = (*health.integrity, *(f"run {run}: {why}" for run, why in health.broken))
        raise StoreError(f"{health.path} is damaged: {'; '.join(wrong[:3])}")
    suspect_marker(Path(health.path)).unlink(missing_ok=True)


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Return whether this SQLite can lose commits when a checkpoint races one."""
    if version >= (3, 51, 3):
        return False
    fixed = {(3, 50): 7, (3, 44): 6}
    patched = fixed.get((version[0], version[1]))
    return version >= (3, 7, 0) and (patched is None or version[2] < patched)


class Found(NamedTuple):
    """What is in a database; the rest of its health lies around it."""

    schema_version: int
    integrity: tuple[str, ...]
    broken_chains: tuple[tuple[str, str], ...] = ()
    broken_batches: tuple[tuple[str, str], ...] = ()
    broken_values: tuple[tuple[str, str], ...] = ()
    runs: int = 0
    facts: int = 0
    batches: int = 0
    values: int = 0
    behind: tuple[str, ...] = ()


def _health(path: Path, found: Found) -> Health:
    filesystem = mount_of(path).kind
    lock, marker = beside(path, ".lock"), suspect_marker(path)
    return Health(
        path=str(path),
        sqlite_version=sqlite3.sqlite_version,
        has_wal_reset_bug=has_wal_reset_bug(sqlite3.sqlite_version_info),
        **found._asdict(),
        free_bytes=shutil.disk_usage(path.parent).free,
        filesystem=filesystem,
        is_on_network=is_network(filesystem),
        modes=_modes(path),
        names=path.stat().st_nlink,
        lock_holder=holder_of(lock.stat()) if lock.exists() else None,
        suspect=marker.read_text(errors="replace").strip() if marker.exists() else None,
    )


def _modes(path: Path) -> dict[str, int]:
    names = ("spill", "output", "batches", "notes", "notices")
    ends = ("", "-wal", "-shm", ".lock", *(f".{name}" for name in names))
    places = [path.parent, *(beside(path, end) for end in ends)]
    return {str(place): stat.S_IMODE(place.stat().st_mode) for place in places if place.exists()}


def _found(connection: sqlite3.Connection, version: int, seen: Witnesses) -> Found:
    """Return what is in a database as it is at one moment, whatever is written or removed
    meanwhile: of a run that goes in between, half would be missing."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute("BEGIN")
    found = Found(
        version,
        _integrity(connection),
        _broken_chains(connection),
        tuple(islice(broken_batches(connection), PROBLEMS_MAX)),
        runs=_asked(connection, "SELECT count(*) FROM run"),
        facts=_asked(connection, "SELECT count(*) FROM fact"),
        batches=_asked(connection, "SELECT count(*) FROM batch"),
        values=_asked(connection, "SELECT count(DISTINCT digest) FROM spill"),
        behind=_behind(connection, seen),
    )
    with contextlib.suppress(sqlite3.Error):
        connection.execute("ROLLBACK")
    return found


def _behind(connection: sqlite3.Connection, seen: Witnesses) -> tuple[str, ...]:
    try:
        return tuple(islice(behind(connection, seen), PROBLEMS_MAX))
    except sqlite3.Error:
        return ()


def _without_log(place: Path) -> tuple[str, ...]:
    try:
        refuse_without_log(place)
    except StoreError as problem:
        return (str(problem),)
    return ()


def _version(connection: sqlite3.Connection, place: Path) -> int:
    try:
        return version_of(connection, place)
    except sqlite3.Error:
        return 0


def _asked(connection: sqlite3.Connection, question: str) -> int:
    try:
        return int(connection.execute(question).fetchone()[0])
    except sqlite3.Error:
        return 0


def _integrity(connection: sqlite3.Connection) -> tuple[str, ...]:
    try:
        found = connection.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})").fetchall()
    except sqlite3.Error as problem:
        return (str(problem),)
    return tuple(line for (line,) in found if line != "ok")


def _broken_chains(connection: sqlite3.Connection) -> tuple[tuple[str, str], ...]:
    try:
        runs = connection.execute("SELECT id, number FROM run ORDER BY number").fetchall()
    except sqlite3.Error as problem:
        return (("", str(problem)),)
    broken = []
    for run, number in runs:
        why = _why_broken(connection, run, number)
        if why is not None:
            broken.append((run, why))
        if len(broken) >= PROBLEMS_MAX:
            break
    return tuple(broken)


def _broken_values(connection: sqlite3.Connection, place: Path) -> Iterator[tuple[str, str]]:
    """Yield the run of each value outside its row that is not what was written, or not there, as
    in a copy of the database alone."""
    statement = "SELECT run.id, digest FROM spill JOIN run ON run.number = spill.run"
    try:
        files = SpillFiles(beside(place, ".spill"))
        for run, digest in connection.execute(f"{statement} ORDER BY 1, 2").fetchall():
            try:
                files.check(digest)
            except (StoreError, OSError) as problem:
                # Its run may have been removed since.
                again = f"{statement} WHERE run.id = ? AND digest = ?"
                if connection.execute(again, (run, digest)).fetchone() is not None:
                    yield run, str(problem)
    except (StoreError, sqlite3.Error) as problem:
        yield "", str(problem)


def _why_broken(connection: sqlite3.Connection, run: str, number: int) -> str | None:
    """Read a whole journal; return what is wrong with it, or None."""
    after, link = 0, None
    try:
        while True:
            found = page(connection, run=run, number=number, after=after, link=link)
            if not found and after == 0:
                return "it has no journal"
            if len(found) < PAGE_ROWS:
                return None
            after, link = found[-1].seq, found[-1].link
    except StoreError as problem:
        return str(problem)
    except sqlite3.Error as problem:
        return str(reading(problem, run))
