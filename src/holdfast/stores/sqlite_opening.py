"""Open, or make, the database file of a store: where it may lie, and who may look into it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from holdfast.errors import StoreError
from holdfast.ports.store import StoreAbsent
from holdfast.stores.filesystems import judge, mount_of
from holdfast.stores.lockfile import (
    LockFile,
    OnBlocked,
    beside,
    refuse_link,
    refuse_other_kinds,
)
from holdfast.stores.spill import sync_folder
from holdfast.stores.sqlite_connection import Database, mark_suspect, suspect_marker
from holdfast.stores.sqlite_errors import is_failed_sync
from holdfast.stores.sqlite_schema import (
    configure,
    connect,
    connect_read_only,
    not_opened,
    prepare,
    recognise,
)

ENDS: Final = (
    "", "-wal", "-shm", "-journal", ".lock", ".suspect", ".spill", ".output", ".batches",
    ".notes",
)  # fmt: skip
"""What the names of a store's files and folders end in, after that of the database."""
OTHERWISE: Final = "run this as the user whose store it is, or give another one with --store"


def check_place(path: Path, *, read_only: bool, create: bool, warnings: list[str]) -> None:
    """Make sure that a store may be opened, or made, at `path`."""
    try:
        for end in ENDS:
            refuse_link(beside(path, end))
        is_there = _is_there(path)
    except OSError as problem:
        is_closed = isinstance(problem, PermissionError)
        how = OTHERWISE if is_closed else "give another path with --store"
        raise StoreError(f"{path} cannot be looked for: {problem.strerror}; {how}") from problem
    if is_there:
        _check_access(path, os.R_OK if read_only else os.R_OK | os.W_OK)
    elif read_only or not create:
        raise StoreAbsent(f"there is no store at {path}")
    warning = judge(path, mount_of(path))
    if warning is not None:
        warnings.append(warning)
    marker = suspect_marker(path)
    if marker.exists():
        raise StoreError(
            f"the disk failed to make {path} durable, so what it shows may not be what it "
            f"holds: run `holdfast doctor` first ({marker} says what happened)"
        )


def _is_there(path: Path) -> bool:
    """As `Path.exists`, which in newer Pythons takes what may not be looked at for absent."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _check_access(path: Path, mode: int) -> None:
    refuse_other_kinds(path)
    if os.access(path, mode, effective_ids=True) or os.statvfs(path).f_flag & os.ST_RDONLY:
        return
    raise StoreError(f"{path} belongs to {_user(path.stat().st_uid)}; {OTHERWISE}")


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def open_database(path: Path, read_only: bool, on_blocked: OnBlocked | None) -> Database:
    """Return the database at `path`, made and brought up to date when it is to be written."""
    if read_only:
        if recognise(path) == 0:
            _refuse_without_log(path)
            raise StoreAbsent(f"there is no store at {path}: the file is empty")
        return Database(path, _reader(path), None)
    _make_folder(path.parent)
    lock = LockFile(beside(path, ".lock"))
    lock.on_blocked = on_blocked
    try:
        lock.acquire()
        _make_file(path)
        if recognise(path) == 0:
            _refuse_without_log(path)
        connection = connect(path, "rw")
        try:
            prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as problem:
        lock.close()
        error = not_opened(problem, path)
        if is_failed_sync(problem):
            mark_suspect(path, str(error))
        raise error from problem
    except BaseException:
        lock.close()
        raise
    lock.release()
    return Database(path, connection, lock)


def _refuse_without_log(path: Path) -> None:
    # Imported here: few stores are empty, and the step of a shell script has to begin at once.
    from holdfast.stores.witnesses import refuse_without_log

    refuse_without_log(path)


def _reader(path: Path) -> sqlite3.Connection:
    try:
        connection = connect_read_only(path)
        try:
            configure(connection)
        except sqlite3.Error:
            connection.close()
            raise
    except sqlite3.Error as problem:
        raise not_opened(problem, path) from problem
    return connection


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
        sync_folder(folder.parent)
    except FileExistsError:
        pass
    except OSError as problem:
        raise StoreError(f"{folder} cannot be made: {problem.strerror}") from problem


def _make_file(path: Path) -> None:
    """Make an empty database file, durably, with nobody else allowed in."""
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        os.close(os.open(path, flags, 0o600))
        sync_folder(path.parent)
    except FileExistsError:
        pass
    except OSError as problem:
        raise StoreError(f"{path} cannot be made: {problem.strerror}") from problem
