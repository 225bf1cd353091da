"""Make a tree anew, name by name, in a directory that is nobody's yet.

A name is made only in a directory that was made here before it, never through a link, and never
twice: whatever the names say, nothing outside can be reached.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from holdfast.integrations.directories.tree import (
    ACCESS_LISTS,
    ROOT,
    DirectoryFailed,
    Entry,
    path_in,
    shown,
)


class Builder:
    """Makes the entries of one tree below `root`, which must not exist yet."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._directories: dict[bytes, Entry] = {}
        self._others: dict[bytes, Entry] = {}

    def make(self, entry: Entry, fill: Callable[[int], None]) -> None:
        """Make one entry; `fill` writes a file's content into its descriptor."""
        path = self._free_path(entry.name)
        if entry.is_directory:
            # What is in it comes next: it gets its mode and times in the end.
            os.mkdir(path, 0o700)
            self._directories[entry.name] = entry
            return
        self._others[entry.name] = entry
        if entry.is_file:
            _make_file(path, entry, fill)
        elif entry.is_link:
            os.symlink(entry.target, path)
            _describe(path, entry)
        elif stat.S_ISFIFO(entry.mode):
            os.mkfifo(path, 0o600)
            _describe(path, entry)
        else:
            raise DirectoryFailed(f"{shown(entry.name)} is of a kind that no snapshot holds")

    def link(self, name: bytes, first: bytes) -> None:
        """Make another name for an entry that was made before."""
        if first not in self._others:
            raise DirectoryFailed(f"{shown(name)} is a second name of {shown(first)}, which is new")
        path = self._free_path(name)
        os.link(path_in(self._root, first), path, follow_symlinks=False)
        self._others[name] = self._others[first]

    def finish(self) -> None:
        """Give the directories what they were not given while they were being filled."""
        inside = self._directories.keys() - {ROOT}
        for name in [*sorted(inside, reverse=True), ROOT]:
            _describe(path_in(self._root, name), self._directories[name])

    def _free_path(self, name: bytes) -> bytes:
        parts = name.split(b"/")
        parent = os.path.dirname(name) or ROOT
        is_sound = name == ROOT or not {b"", b".", b".."} & {*parts}
        is_placed = parent in self._directories or (name == ROOT and not self._directories)
        if not (is_sound and is_placed) or name in self._directories or name in self._others:
            raise DirectoryFailed(f"{shown(name)} does not belong into the directory")
        return path_in(self._root, name)


def _make_file(path: bytes, entry: Entry, fill: Callable[[int], None]) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        fill(file)
        _describe(file, entry)
    finally:
        os.close(file)


def _disinherit(place: bytes | int, entry: Entry, at: dict[str, Any]) -> None:
    """Take from a new entry the access lists that the directory above gives to all that is made in
    it: they would let people in who were kept out."""
    if not hasattr(os, "listxattr"):
        return
    try:
        names = os.listxattr(place, **at)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        return
    for name in names:
        if name.startswith(ACCESS_LISTS) and name not in entry.attributes:
            os.removexattr(place, name, **at)


def _describe(place: bytes | int, entry: Entry) -> None:
    """Give a new entry its owner, mode, attributes and time, in the order that keeps them all."""
    at: dict[str, Any] = {} if isinstance(place, int) else {"follow_symlinks": False}
    found = os.stat(place, **at)
    if (found.st_uid, found.st_gid) != (entry.uid, entry.gid):
        os.chown(place, entry.uid, entry.gid, **at)
    if not entry.is_link:
        _disinherit(place, entry, at)
        os.chmod(place, stat.S_IMODE(entry.mode))
        for name, value in entry.attributes.items():
            os.setxattr(place, name, value, **at)
    os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns), **at)
