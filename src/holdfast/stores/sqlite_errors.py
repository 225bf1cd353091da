"""What SQLite's error codes mean to us, and what to tell people."""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

from holdfast.errors import UNTIL_READ, StoreCorrupt, StoreError

_BUSY: Final = 5
_IOERR: Final = 10
_SYNC: Final = frozenset({_IOERR | 4 << 8, _IOERR | 5 << 8})
"""SQLITE_IOERR_FSYNC and SQLITE_IOERR_DIR_FSYNC."""

_MEANING: Final = {
    5: "the database is locked by a program that does not take holdfast's lock",
    6: "the database is locked by a program that does not take holdfast's lock",
    8: "the database is read-only",
    10: "an input/output error",
    13: "the disk is full",
    14: "a file of the database cannot be opened",
    23: "access to the database is not permitted",
}
_SHMSIZE: Final = _IOERR | 19 << 8
_CORRUPT: Final = frozenset({11, 26})

UNKNOWN: Final = (
    f"the outcome of the last write is unknown {UNTIL_READ}: "
    "once the cause is gone, say the same again; a run that was at work goes on with "
    "`holdfast resume`"
)
DOCTOR_FIRST: Final = (
    f"what the disk holds is unknown {UNTIL_READ}: run `holdfast doctor` first, then "
    "`holdfast resume`"
)
NOT_WRITTEN: Final = "nothing was written"


def code_of(problem: BaseException) -> int:
    """Return SQLite's extended error code, or 0."""
    code = getattr(problem, "sqlite_errorcode", 0)
    return code if isinstance(code, int) else 0


def is_busy(problem: BaseException) -> bool:
    """Return whether somebody else has the database locked."""
    return code_of(problem) & 0xFF == _BUSY


def is_failed_sync(problem: BaseException) -> bool:
    """Return whether the disk refused to make something durable: the page cache proves nothing
    from then on."""
    if isinstance(problem, OSError):
        return problem.errno == errno.EIO
    return code_of(problem) in _SYNC


def translated(problem: Exception, where: str, consequence: str) -> StoreError:
    """Return our error for one of SQLite's or the system's; raise it `from` that one."""
    if is_failed_sync(problem):
        consequence = DOCTOR_FIRST
    if isinstance(problem, OSError):
        text = "the disk is full" if problem.errno == errno.ENOSPC else problem.strerror
        # A large value lies in a file of its own.
        place = problem.filename if isinstance(problem.filename, str) else where
        return StoreError(f"{place}: {text}; {consequence}")
    code = code_of(problem)
    # Python raises this one by itself, for text that is not UTF-8.
    if code & 0xFF in _CORRUPT or str(problem).startswith("Could not decode to UTF-8"):
        return StoreCorrupt(
            f"{where}: the database is malformed ({problem}); run `holdfast doctor`; {consequence}"
        )
    meaning = _MEANING.get(code & 0xFF, str(problem))
    if code == _SHMSIZE:
        meaning = "the index of the log cannot be made; is the disk full?"
    name = getattr(problem, "sqlite_errorname", type(problem).__name__)
    return StoreError(f"{where}: {meaning} ({name}); {consequence}")


def reading(problem: sqlite3.Error, where: str) -> StoreError:
    """Return our error for one that happened while reading."""
    return translated(problem, where, "it was only read")
