"""One lock of the operating system, held around everything that writes to a store.

SQLite before 3.51.3 can lose committed rows when a checkpoint in one process races a commit in
another. While every write transaction, every checkpoint and every close holds this lock, they
never meet. Taking it costs about a microsecond when nobody else has it.

`flock` belongs to the open file: a forked child that closes its copy releases nothing, and when
the holder dies, however it dies, the system releases it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from holdfast.errors import ConfigError, StoreError

WAIT_S_MAX: Final = 30.0
"""How long a writer waits for another before it gives up. A commit takes milliseconds."""

PAUSE_S_FIRST: Final = 0.000_05
PAUSE_S_MOST: Final = 0.005
LOOK_EVERY_S: Final = 0.05
"""How often a blocked writer looks who holds the lock, and lets the runtime judge it."""

OnBlocked = Callable[[int], bool]
"""Told the pid of the holder while a writer waits. True: it was ended, try again at once."""


class LockTimeout(StoreError):
    """Another process kept the lock too long. Nothing was written."""


class LockFile:
    """The lock at a path. Not for two threads at once: its store has a lock of its own."""

    def __init__(self, path: Path, *, wait_s: float = WAIT_S_MAX) -> None:
        self.path, self.wait_s = path, wait_s
        self.on_blocked: OnBlocked | None = None
        self._fd = open_regular(path, os.O_RDWR | os.O_CREAT)
        # Gives the lock back; harmless without it. Not a method: no signal's exception can
        # come between calling it and its doing so.
        self.release = partial(fcntl.flock, self._fd, fcntl.LOCK_UN)

    def acquire(self) -> None:
        """Take the lock. Raises LockTimeout, naming the holder, after `wait_s`."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._wait()
        except OSError as problem:
            raise StoreError(f"the lock {self.path} cannot be taken: {problem}") from problem

    def holder(self) -> int | None:
        """Return the pid of the process that holds the lock, where the system tells."""
        return holder_of(os.fstat(self._fd))

    def close(self) -> None:
        """Forget the file. In a forked child this leaves the parent's lock alone."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait(self) -> None:
        """Poll, because `flock` cannot wait for a limited time; short pauses first, as most
        holders are in the middle of one commit."""
        now = started = time.monotonic()
        look_at, pause_s = started + LOOK_EVERY_S, PAUSE_S_FIRST
        while not self._try():
            if now >= look_at:
                look_at = now + LOOK_EVERY_S
                if self._blocker_ended():
                    continue
            if now - started >= self.wait_s:
                raise LockTimeout(self._blocked_text())
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, PAUSE_S_MOST)
            now = time.monotonic()

    def _blocker_ended(self) -> bool:
        if self.on_blocked is None:
            return False
        pid = self.holder()
        return pid is not None and self.on_blocked(pid)

    def _blocked_text(self) -> str:
        pid = self.holder()
        who = "another process" if pid is None else f"process {pid}"
        return (
            f"{who} has held the store's lock {self.path} for {self.wait_s:g} s; nothing was "
            "written. Is it stopped (fg, or kill -CONT)? Then try again"
        )


def holder_of(file: os.stat_result) -> int | None:
    """Return the pid that holds a `flock` on this file, from /proc/locks (Linux), or None."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        # "1: FLOCK ADVISORY WRITE 4242 fe:00:1234 0 EOF"; "->" marks one who waits.
        if len(words) < 6 or words[1] != "FLOCK" or int(words[4]) <= 0:
            continue
        # The device differs from stat's on some file systems (btrfs): the inode must do.
        if words[5].rpartition(":")[2] == str(file.st_ino):
            return int(words[4])
    return None


def open_regular(path: Path, flags: int) -> int:
    """Open a file of the store, 0600 when made, never through a link.

    Raises ConfigError for a symbolic link or anything but a regular file; StoreError when the
    system refuses.
    """
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as problem:
        with contextlib.suppress(OSError):
            refuse_link(path)
        is_closed = isinstance(problem, PermissionError)
        hint = "; it may be another user's: chown it to whose the store is" if is_closed else ""
        raise StoreError(f"{path} cannot be opened: {problem.strerror}{hint}") from problem
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ConfigError(f"{path} is not a regular file; holdfast does not touch it")
    return fd


def hand_over(fd: int, like: Path) -> None:
    """Give an open file, or folder, to whoever `like` belongs to.

    What root makes in somebody's store would else shut them out: SQLite does the same for its
    log. Only root can give anything away, and nobody else need. A file with a second name is not
    given: that one may lie anywhere.
    """
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError):
        owner, mine = os.lstat(like), os.fstat(fd)
        is_theirs = (mine.st_uid, mine.st_gid) == (owner.st_uid, owner.st_gid)
        if not is_theirs and (mine.st_nlink == 1 or os.path.isdir(fd)):
            os.fchown(fd, owner.st_uid, owner.st_gid)


def hand_over_folder(folder: Path) -> None:
    """Give a folder of a store to whoever the database it lies beside belongs to, or the folder
    that it is in."""
    if os.geteuid() != 0:
        return
    database = folder.with_suffix("")
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            hand_over(fd, database if database.is_file() else folder.parent)
        finally:
            os.close(fd)


def beside(path: Path, end: str) -> Path:
    """Return the file or directory of a store that is named after its database."""
    return path.with_name(path.name + end)


def refuse_link(path: Path) -> None:
    """Raise ConfigError when `path` is a symbolic link: somebody chose where we would write."""
    if path.is_symlink():
        raise ConfigError(
            f"{path} is a symbolic link; holdfast opens its files without following links. "
            "Give the real path with --store"
        )


def refuse_other_kinds(path: Path) -> None:
    """Raise ConfigError when a directory, a pipe or a device is where the database should be."""
    if not path.is_file():
        raise ConfigError(f"{path} is not a regular file; give another path with --store")
