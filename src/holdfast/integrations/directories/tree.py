"""What is in a directory: every name as the file system describes it, and a digest of all that.

Names are bytes, as the system has them: no encoding is assumed, and no link is followed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from holdfast.errors import HoldfastError

ROOT = b"."
"""The name of the directory itself."""
SECTOR = 512
"""The unit of `st_blocks`, whatever the file system."""
UNKEPT = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
ACCESS_LISTS = "system.posix_acl_"
EVERYBODYS_ATTRIBUTES = ("user.", ACCESS_LISTS)
"""Extended attributes that whoever owns a file may set; the others take root."""


class DirectoryFailed(HoldfastError):
    """A directory could not be kept or put back; the message says how it stands now."""


class DirectoryChanged(DirectoryFailed):
    """Something in the directory changed while it was read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory. `target` is where a symbolic link points."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    target: bytes = b""
    is_sparse: bool = field(default=False, compare=False)
    identity: tuple[int, int] = (0, 0)
    links: int = 1
    ctime_ns: int = 0
    attributes: Mapping[str, bytes] = field(default_factory=dict, compare=False)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)


def path_in(root: bytes, name: bytes) -> bytes:
    """Return the path of a name in the directory `root`."""
    return root if name == ROOT else os.path.join(root, name)


def shown(path: bytes) -> str:
    """Return a path as a person may read it, whatever bytes it has."""
    text = path.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else repr(text)[1:-1]


def scan(root: bytes) -> Iterator[Entry]:
    """Yield every name in the directory, itself first, parents before what they hold, in one
    order. Raises DirectoryChanged for a name that goes while it is read; DirectoryFailed for
    what cannot be kept: a socket, a device, another file system."""
    todo, device = [ROOT], os.lstat(root).st_dev
    while todo:
        name = todo.pop()
        path = path_in(root, name)
        try:
            entry, where = _entry(path, name)
            inside = sorted(os.listdir(path), reverse=True) if entry.is_directory else []
        except FileNotFoundError:
            raise DirectoryChanged(f"{shown(path)} went away") from None
        _refuse_unkept(path, entry, is_elsewhere=entry.is_directory and where != device)
        yield entry
        todo += inside if name == ROOT else [os.path.join(name, each) for each in inside]


def _entry(path: bytes, name: bytes) -> tuple[Entry, int]:
    found = os.lstat(path)
    target = os.readlink(path) if stat.S_ISLNK(found.st_mode) else b""
    return entry_of(name, found, target), found.st_dev


def entry_of(name: bytes, found: os.stat_result, target: bytes = b"") -> Entry:
    """Return the entry that a stat result describes."""
    is_directory = stat.S_ISDIR(found.st_mode)
    return Entry(
        name,
        found.st_mode,
        found.st_uid,
        found.st_gid,
        0 if is_directory else found.st_size,
        found.st_mtime_ns,
        target,
        stat.S_ISREG(found.st_mode) and found.st_blocks * SECTOR < found.st_size,
        (found.st_dev, found.st_ino),
        1 if is_directory else found.st_nlink,
        found.st_ctime_ns,
    )


def _refuse_unkept(path: bytes, entry: Entry, *, is_elsewhere: bool) -> None:
    what = UNKEPT.get(stat.S_IFMT(entry.mode))
    if what is not None:
        raise DirectoryFailed(
            f"{shown(path)} is {what}, which no snapshot can hold; stop the program that uses it, "
            "remove it, and resume"
        )
    if is_elsewhere:
        raise DirectoryFailed(
            f"{shown(path)} is on another file system than what it is in; unmount it, or take a "
            "snapshot of it alone"
        )
    _refuse_foreign(path, entry)


def _refuse_foreign(path: bytes, entry: Entry) -> None:
    """Raise DirectoryFailed for an owner that only root could give back."""
    if os.geteuid() == 0:
        return
    if entry.uid != os.geteuid() or entry.gid not in (os.getegid(), *os.getgroups()):
        raise DirectoryFailed(
            f"{shown(path)} belongs to user {entry.uid} and group {entry.gid}, which only root can "
            "give back; run as root, or as its owner"
        )


def attributes_of(path: bytes) -> dict[str, bytes]:
    """Return the extended attributes of a file or directory that can be given back."""
    if not hasattr(os, "listxattr"):
        return {}
    try:
        names = os.listxattr(path, follow_symlinks=False)
        wanted = [n for n in names if os.geteuid() == 0 or n.startswith(EVERYBODYS_ATTRIBUTES)]
        return {name: os.getxattr(path, name, follow_symlinks=False) for name in wanted}
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODATA):
            raise DirectoryChanged(f"{shown(path)} was changed") from error
        if error.errno != errno.ENOTSUP:
            raise
        return {}


def digest_of(entries: Iterable[Entry]) -> str:
    """Return a digest of everything but contents: equal trees have equal digests, wherever."""
    hashed, first = hashlib.sha256(), dict[tuple[int, int], int]()
    for number, entry in enumerate(entries):
        same = first.setdefault(entry.identity, number) if entry.links > 1 else number
        words = (entry.mode, entry.uid, entry.gid, entry.size, entry.mtime_ns, number - same)
        for part in (entry.name, entry.target, repr(words).encode()):
            hashed.update(len(part).to_bytes(8, "big"))
            hashed.update(part)
    return f"sha256:{hashed.hexdigest()}"


def changes(before: Iterable[Entry], after: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the names that are not in both, or not the same in both."""
    known = {entry.name: entry for entry in before}
    for entry in after:
        if known.pop(entry.name, None) != entry:
            yield entry.name
    yield from known
