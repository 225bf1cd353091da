"""What the system can do that Python has no name for: clone, exchange, sync a whole file system."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

FICLONE = 0x40049409
AT_FDCWD = -100
RENAME_EXCHANGE = 2
CANNOT_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
CANNOT_CLONE = (
    errno.EOPNOTSUPP, errno.ENOTSUP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.EPERM,
    errno.ENOSYS, errno.EBADF, errno.ETXTBSY, errno.EISDIR,
)  # fmt: skip
_LIBC = ctypes.CDLL(None, use_errno=True)


def clone(source: int, target: int) -> bool:
    """Let `target` share all of the content of `source`; False where the file system cannot."""
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as error:
        if error.errno in CANNOT_CLONE:
            return False
        raise
    return True


def exchange(one: bytes, other: bytes) -> bool:
    """Let two names swap what they name, in one moment; False where the system cannot."""
    function = getattr(_LIBC, "renameat2", None)
    if function is None:
        return False
    if function(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in CANNOT_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), one, None, other)


def sync_directory(path: bytes) -> None:
    """Make the names in a directory durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def made_durable(path: bytes) -> Iterator[None]:
    """Make everything durable that the block writes to the file system `path` is on: one call,
    where syncing each file and directory of a tree would be thousands."""
    # Open before the block: only what goes wrong from then on is told.
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield
        _sync_file_system(directory, path)
    finally:
        os.close(directory)


def _sync_file_system(directory: int, path: bytes) -> None:
    function = getattr(_LIBC, "syncfs", None)
    if function is None:
        os.sync()
    elif function(directory) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def remove(path: bytes) -> None:
    """Remove a file or a whole tree, if it is there; no link in it is followed."""
    if os.path.islink(path) or not os.path.isdir(path):
        if os.path.lexists(path):
            os.unlink(path)
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        _open_up(path)  # Directories that their owner may not write: not root's concern.
        shutil.rmtree(path)


def _open_up(path: bytes) -> None:
    os.chmod(path, 0o700)
    for inside in os.scandir(path):
        if inside.is_dir(follow_symlinks=False):
            _open_up(inside.path)
