"""The one connection of a store, and the one way to write through it.

Every write is a transaction inside the operating system's lock (see `lockfile`), and so are the
checkpoint that SQLite may append to a commit and the one at the last close.

After any error of a write the outcome is unknown: the connection refuses everything from then
on, and only a store opened anew tells. After a failed fsync not even that is enough, because
the page cache may show what the disk never got: a marker file refuses the next opening until
`holdfast doctor` has looked.

The files are looked at before all that is to last: SQLite goes on with a database that was removed
or replaced, in a file that nobody finds again, and its last close would take away the other's log.

A forked child shares the connection's memory but not its locks. It must neither use nor close
it, nor let the lock go; its copy refuses every call.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from holdfast.errors import StoreError
from holdfast.locks import Lock
from holdfast.stores.lockfile import LockFile, beside, hand_over
from holdfast.stores.sqlite_errors import (
    NOT_WRITTEN,
    UNKNOWN,
    is_busy,
    is_failed_sync,
    reading,
    translated,
)

if TYPE_CHECKING:
    from holdfast.stores.sqlite_log import LogRoom

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], T]

LOOK_EVERY: Final = 8
"""After how many commits the log is looked at: a look costs 2 µs, a page that is appended 130."""

NEVER: Final = -1
"""The version of a database of which nothing is known."""

_DATABASES: Final[weakref.WeakSet[Database]] = weakref.WeakSet()
_KEPT: Final[list[Any]] = []


class Known(Protocol):
    """Something that was so while the database was at a version."""

    version: int


class Files:
    """The files at these paths as they were when they were opened."""

    def __init__(self, *paths: Path) -> None:
        self._known = [(os.fspath(path), _inode(path)) for path in paths]

    def are_there(self) -> bool:
        """Whether the same files are at their paths still."""
        try:
            for path, known in self._known:
                file = os.stat(path)
                if (file.st_ino, file.st_dev) != known:
                    return False
        except OSError:
            return False
        return True


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        file = os.stat(path)
    except OSError:
        return None  # It is gone already: so it is not there when it is looked for.
    return file.st_ino, file.st_dev


class Database:
    """A connection that threads may share, with its lock; `lock` is None for a reader."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: LockFile | None) -> None:
        self.path, self.lock = path, lock
        self.commits = 0
        self._connection = connection
        # Kept for what every step executes: making one costs as much as using it.
        self._cursor = connection.cursor()
        self._mutex = Lock()
        self._refusal: str | None = None
        self._is_full: bool | None = None
        self._room: LogRoom | None = None
        self._look_at = LOOK_EVERY
        self._files = Files(path) if lock is None else Files(path, lock.path)
        # Also at the interpreter's exit: a last close outside the lock would checkpoint there.
        self._finalizer = weakref.finalize(self, _close, connection, lock, self._files)
        _DATABASES.add(self)

    def write(
        self, work: Work[T], *, durable: bool, afterwards: Callable[[T], None] | None = None
    ) -> T:
        """Return what `work` returns, after committing what it wrote.

        With `durable` it survives power loss on return. When `work` raises one of our errors,
        nothing is written. `afterwards` runs after the commit, still inside the lock.
        """
        with self._mutex:
            if self._refusal is not None:
                raise StoreError(self._refusal)
            if self.lock is None:
                raise StoreError(f"{self.path} is opened for reading only; {NOT_WRITTEN}")
            try:
                self._take_lock(self.lock)
                done = self._transact(work, durable)
                if afterwards is not None:
                    afterwards(done)
                return done
            finally:
                # A forked child inside `work` has no lock of its own to give back.
                if self.lock is not None:
                    self.lock.release()

    def insert(self, statement: str, values: tuple[Any, ...], *, durable: bool) -> bool:
        """Return whether `statement`, a transaction of its own, inserted its rows.

        False when it did not: the statement's condition did not hold, its place was taken, or
        the database was busy.
        """
        with self._mutex:
            if self._refusal is not None:
                raise StoreError(self._refusal)
            if self.lock is None:
                return False
            try:
                self._take_lock(self.lock, is_to_last=durable)
                if durable is not self._is_full:
                    self._set_synchronous(durable)
                if self._connection.in_transaction:
                    return False
                done = self._cursor.execute(statement, values).rowcount > 0
                self.commits += 1
                if self.commits >= self._look_at:
                    self._look_at_log()
                return done
            except sqlite3.IntegrityError:
                return False
            except (sqlite3.Error, OSError) as problem:
                if is_busy(problem):
                    return False
                raise self._broken(problem) from problem
            finally:
                if self.lock is not None:
                    self.lock.release()

    def while_at(self, known: Known, work: Callable[[], bool]) -> tuple[int, bool]:
        """Do `work` inside the lock when no other connection has committed since the database was
        at `known.version`. Return the version that it is at, and what `work` returned.

        The version is asked for inside the lock: a thread that commits through this connection
        says there what is known no more. False, with nothing done, also where SQLite does not
        tell: whoever writes then finds out.
        """
        with self._mutex:
            if self._refusal is not None:
                raise StoreError(self._refusal)
            if self.lock is None:
                return NEVER, False
            try:
                self.lock.acquire()
                if self._connection.in_transaction:
                    return NEVER, False
                (found,) = self._cursor.execute("PRAGMA data_version").fetchone()
                return found, found == known.version and work()
            except sqlite3.Error:
                return NEVER, False
            finally:
                if self.lock is not None:
                    self.lock.release()

    def read(self, work: Work[T]) -> T:
        """Return what `work` returns, which reads only."""
        with self._mutex:
            if self._refusal is not None:
                raise StoreError(self._refusal)
            try:
                return work(self._connection)
            except sqlite3.Error as problem:
                raise reading(problem, str(self.path)) from problem

    def close(self) -> None:
        """Close, once. Nothing that was committed depends on it."""
        with self._mutex:
            if self._refusal is None:
                self._refusal = f"the store {self.path} is closed"
            self._finalizer()

    def _take_lock(self, lock: LockFile, *, is_to_last: bool = True) -> None:
        lock.acquire()
        if is_to_last and not self._files.are_there():
            self._refusal = (
                f"{self.path} was moved, removed or replaced while it was in use, or the lock "
                "beside it was; nothing more is written to it. Put it back, and `holdfast resume` "
                "again"
            )
            raise StoreError(self._refusal)

    def _transact(self, work: Work[T], durable: bool) -> T:
        connection = self._connection
        try:
            if durable is not self._is_full:
                self._set_synchronous(durable)
            if connection.in_transaction:
                # A Ctrl-C came between a transaction and its end.
                connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            done = work(connection)
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as problem:
            if is_busy(problem) and not connection.in_transaction:
                raise translated(problem, str(self.path), NOT_WRITTEN) from problem
            raise self._broken(problem) from problem
        except BaseException:
            self._roll_back()
            raise
        self.commits += 1
        if self.commits >= self._look_at:
            self._look_at_log()
        return done

    def _look_at_log(self) -> None:
        self._look_at = self.commits + LOOK_EVERY
        if self._room is None:
            # Imported here: the step of a shell script never gets this far.
            from holdfast.stores.sqlite_log import LogRoom

            self._room = LogRoom(self.path)
        self._room.look(self._connection, self.commits)

    def _set_synchronous(self, durable: bool) -> None:
        """NORMAL: the log survives every process; FULL: also the power."""
        # Unknown until it is done: an interrupt here must never make a later FULL a NORMAL.
        self._is_full = None
        level = "FULL" if durable else "NORMAL"
        self._cursor.execute(f"PRAGMA synchronous={level}")
        self._is_full = durable

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as problem:
            raise self._broken(problem) from problem

    def _broken(self, problem: Exception) -> StoreError:
        """Refuse everything from now on, and return the error that says why."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        error = translated(problem, str(self.path), UNKNOWN)
        if is_failed_sync(problem):
            mark_suspect(self.path, str(error))
        self._refusal = str(error)
        return error

    def forked(self) -> None:
        """Refuse everything in this forked child, and never touch what the parent has open."""
        self._mutex = Lock()
        self._refusal = (
            f"the store {self.path} was opened by the parent of this forked process; "
            "open a store of its own here"
        )
        self._finalizer.detach()
        _leak(self._connection)
        if self.lock is not None:
            # Only our copy: kept open, it would keep the lock when the parent dies holding it.
            self.lock.close()
            self.lock = None


def _close(connection: sqlite3.Connection, lock: LockFile | None, files: Files) -> None:
    if lock is None:
        connection.close()
        return
    is_closed = False
    try:
        with contextlib.suppress(StoreError):
            lock.acquire()
            # Else it would take away the log of the database that is there now.
            if files.are_there():
                connection.close()
                is_closed = True
    finally:
        # Closing without the lock, as the interpreter would do, could checkpoint beside another's
        # commit. Nothing is lost: the log is there, and the system closes the file when the
        # process ends.
        if not is_closed:
            _leak(connection)
        lock.release()
        lock.close()


def _leak(thing: object) -> None:
    """Keep an object for as long as the process lives, even while the interpreter ends."""
    _KEPT.append(thing)
    # Imported here: a module this slow to load is needed in forked children only.
    with contextlib.suppress(ImportError, AttributeError):
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def suspect_marker(path: Path) -> Path:
    """Return the file that says a disk refused to make this database durable."""
    return beside(path, ".suspect")


def mark_suspect(path: Path, text: str) -> None:
    """Leave the marker, as well as a failing disk allows."""
    with contextlib.suppress(OSError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        fd = os.open(suspect_marker(path), flags, 0o600)
        try:
            hand_over(fd, path)
            os.write(fd, text.encode() + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)


def _after_fork_in_child() -> None:
    for database in list(_DATABASES):
        database.forked()


os.register_at_fork(after_in_child=_after_fork_in_child)
