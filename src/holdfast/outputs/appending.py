"""A file that grows by whole records, and can be cut back to any of them.

Every record is one `pwrite` at the place where the last one ended. A kill, a full disk or a power
cut may leave a part of it (Linux obeys SIGKILL between two pages of one write), and the next
opening cuts it off. What is remembered is a length, never a file position: a record that failed
half-way is overwritten by the next.

The file is opened *through* symbolic links, unlike the store's own: it stands where the user chose,
often by a link to a larger disk, and is written with no rights but the user's. It must be a regular
file, because nothing else can be cut. Its lock is a `flock`, which the system releases when the
process dies; a predecessor that was only stopped keeps it, and so cannot wake up into our file. A
forked child closes its copy at once: it would keep the lock when its parent is dead.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from shlex import quote
from typing import BinaryIO, Final
from weakref import WeakSet

from holdfast.errors import RunLocked, StoreCorrupt, StoreError, UsageError
from holdfast.ports.outputs import BEGIN_ANEW, KEPT_END

COPY_BYTES: Final = 1 << 20

_SYNC = getattr(os, "fdatasync", os.fsync)
_CANNOT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM,
                            errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG})  # fmt: skip
_BROKEN: Final = (
    "nothing more is written to it until it is opened anew, which cuts off what is not whole"
)


class Appending:
    """An open, locked file. `length` is where the last whole record ends."""

    def __init__(self, path: str, *, make: bool = True) -> None:
        """Open or make the file, and lock it. Raises UsageError, RunLocked, StoreError; without
        `make`, FileNotFoundError."""
        self.path = path
        self.length = 0
        self._fd = _opened(path, make=make)
        self._broken = ""
        self._is_named = False
        is_ours = False
        try:
            _lock(self._fd, path)
            self.length = os.fstat(self._fd).st_size
            is_ours = True
        finally:
            if not is_ours:
                os.close(self._fd)
        _OPEN.add(self)

    def reader(self) -> BinaryIO:
        """Return the file from its beginning, to be read and closed; it shares our lock."""
        file = os.fdopen(os.dup(self._fd), "rb")
        file.seek(0)
        return file

    def append(self, record: bytes) -> int:
        """Write a whole record and return the new length; a part of it is cut off again."""
        self._check()
        is_settled = False
        try:
            written = os.pwrite(self._fd, record, self.length)
            while written < len(record):
                written += os.pwrite(self._fd, record[written:], self.length + written)
            self.length += written
            is_settled = True
        except OSError as problem:
            after, is_settled = self._cut_back(), True
            raise StoreError(f"{self.path}: {_meaning(problem)}; {after}") from problem
        finally:
            if not is_settled:  # A signal's exception came in between.
                self._cut_back()
        return self.length

    def cut(self, length: int) -> None:
        """Make the file so long, where a record ends."""
        self._check()
        try:
            os.ftruncate(self._fd, length)
        except OSError as problem:
            raise StoreError(
                f"{self.path}: cannot be cut to {length} bytes: {_meaning(problem)}; it was not "
                "changed"
            ) from problem
        self.length = length

    def keep_tail(self, start: int) -> None:
        """Append what follows `start` to a file beside this one, durably: it is about to be cut
        off, and may be somebody else's, such as a last line that he ended without a newline."""
        kept = self.path + KEPT_END
        try:
            with open(kept, "ab") as file:
                place = start
                while part := os.pread(self._fd, COPY_BYTES, place):
                    file.write(part)
                    place += len(part)
                file.write(b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise StoreError(
                f"{self.path}: what is to be cut off its end cannot be kept in {kept}: "
                f"{_meaning(problem)}; nothing was changed"
            ) from problem

    def sync(self) -> None:
        """Make the records durable, and the file's name the first time."""
        self._check()
        self._broken = self._meddled()
        self._check()
        try:
            _SYNC(self._fd)
            if not self._is_named:
                _sync_folder(self.path)
                self._is_named = True
        except OSError as problem:
            self._broken = (
                f"{_meaning(problem)} while it was synced; what the disk holds since the last sync "
                "is unknown"
            )
            raise StoreError(f"{self.path}: {self._broken}; {_BROKEN}") from problem

    def check_ends_record(self, length: int) -> None:
        """Raise StoreCorrupt unless the file is at least so long, and a line ends there."""
        if self.length < length:
            raise too_short(self.path, self.length, length)
        if length and os.pread(self._fd, 1, length - 1) != b"\n":
            raise StoreCorrupt(
                f"{self.path} is another file than the one that was written: no line ends at byte "
                f"{length}, where a recorded one does. Nothing was changed. Put the right file "
                "back, and `holdfast resume` again"
            )

    def close(self) -> None:
        """Release file and lock."""
        _OPEN.discard(self)
        if self._fd >= 0:
            os.close(self._fd)

    def forked(self) -> None:
        """In a forked child: leave the file to the parent."""
        os.close(self._fd)
        self._fd, self._broken = -1, "it belongs to the process that this one was forked from"

    def _check(self) -> None:
        if self._broken:
            raise StoreError(f"{self.path}: {self._broken}; {_BROKEN}")

    def _meddled(self) -> str:
        """Return what somebody else did to the file; an empty text when nobody did anything."""
        found = os.fstat(self._fd)
        if found.st_size != self.length:
            return (
                f"it is {found.st_size} bytes long and should be {self.length}: another program "
                "wrote to it or cut it"
            )
        try:
            is_ours = os.path.samestat(found, os.stat(self.path))
        except (FileNotFoundError, NotADirectoryError):
            is_ours = False
        except OSError:
            is_ours = True  # Who may no longer look there cannot tell.
        return "" if is_ours else "it was removed, moved or replaced while it was written"

    def _cut_back(self) -> str:
        """Cut off the part of a record; return what state the file is in."""
        try:
            os.ftruncate(self._fd, self.length)
        except OSError as problem:
            self._broken = f"it ends within a line, after byte {self.length} ({_meaning(problem)})"
            return f"{self._broken}; {_BROKEN}"
        return f"nothing of this line was kept, and the {self.length} bytes before it are whole"


_OPEN: Final[WeakSet[Appending]] = WeakSet()


def _after_fork_in_child() -> None:
    for file in list(_OPEN):
        file.forked()
    _OPEN.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)


def too_short(path: str, found: int, recorded: int) -> StoreCorrupt:
    """Return the error for a file that lacks what a checkpoint says it holds."""
    return StoreCorrupt(
        f"{path} is {found} bytes long, but {recorded} bytes of it are recorded as written: it was "
        f"cut, removed or replaced. Nothing was changed. Put it back, at least {recorded} bytes of "
        "it, and `holdfast resume` again; or move it away and write all of it anew with "
        f"`{BEGIN_ANEW}`"
    )


def too_long(path: str, found: int, recorded: int) -> StoreCorrupt:
    """Return the error for a file to which somebody has added since it was closed."""
    return StoreCorrupt(
        f"{path} is {found} bytes long, and the batch wrote {recorded} of them: somebody has added "
        "to it since. Nothing was changed. Keep elsewhere what follows, take it out with "
        f"`truncate -s {recorded} {quote(path)}`, and `holdfast resume` again"
    )


def _opened(path: str, *, make: bool) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0)
    try:
        # NONBLOCK: opening a pipe would wait for its reader.
        fd = os.open(path, flags | os.O_NONBLOCK, 0o666)
    except FileNotFoundError as problem:
        if not make:
            raise
        raise UsageError(
            f"{path} cannot be made: its directory is missing; `mkdir -p` it first"
        ) from problem
    except OSError as problem:
        text = f"{path} cannot be opened for writing: {_meaning(problem)}"
        if problem.errno in _CANNOT:
            raise UsageError(text) from problem
        raise StoreError(f"{text}; nothing was changed") from problem
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UsageError(f"{path} is not a regular file: lines could not be cut off it again")
    return fd


def _lock(fd: int, path: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        raise RunLocked(
            f"another process writes to {path}, or this one twice; nothing was changed. Wait until "
            f"it has ended (`lsof {path}` names it), or give another file"
        ) from problem
    except OSError as problem:
        raise StoreError(
            f"{path} cannot be locked: {_meaning(problem)}; nothing was changed"
        ) from problem


def _sync_folder(path: str) -> None:
    folder = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _meaning(problem: OSError) -> str:
    if problem.errno == errno.ENOSPC:
        return "the disk is full"
    return (problem.strerror or str(problem)).lower()
