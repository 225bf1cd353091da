"""The files of a directory as items, in an order that stays: sorted by their paths.

Only the names of the directories on the way to the current file are in memory, never the whole
tree. A cursor is the path itself, percent-encoded, so that it is text whatever bytes it has; a
reading goes on at that path, also when the file has gone meanwhile.

A directory below that may not be entered is one item that cannot be read, for whoever reads with
cursors, and ends any other reading.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from holdfast.errors import UsageError
from holdfast.model.json import Json
from holdfast.ports.sources import Unreadable
from holdfast.sources.reading import path_of

DEPTH_MAX: Final = 200


class Directory:
    """The files under a directory, as paths relative to it."""

    def __init__(self, path: str | os.PathLike[str], pattern: str, recursive: bool) -> None:
        self.path = path_of(path)
        if not isinstance(pattern, str) or not pattern or "/" in pattern:
            raise UsageError(
                f"pattern is {pattern!r}; give one for the names of files, as '*.json', and "
                "recursive=True to look in directories below"
            )
        self._pattern, self._recursive = pattern, recursive

    def __iter__(self) -> Iterator[str]:
        for _, item in self.resume(None):
            if isinstance(item, Unreadable):
                raise UsageError(item.why)
            yield item

    def resume(self, cursor: Json) -> Iterator[tuple[Json, str | Unreadable]]:
        """Yield each path with its cursor, from that path on."""
        for item in self._files("", _path(cursor), 0):
            path = item.key if isinstance(item, Unreadable) else item
            yield quote_from_bytes(os.fsencode(path)), item

    def __repr__(self) -> str:
        return f"Directory({self.path!r}, {self._pattern!r})"

    def _files(self, below: str, first: str, depth: int) -> Iterator[str | Unreadable]:
        """Yield the files below a directory of the tree from the path `first` on."""
        try:
            names = self._names(below, depth)
        except PermissionError as error:
            yield Unreadable(below, below, _cannot_list(error, os.path.join(self.path, below)))
            return
        for name in names:
            path = below + name
            if not name.endswith("/"):
                if path >= first:
                    yield path
            # What lies in it begins with its path: it is passed by when all of that is before.
            elif path >= first or first.startswith(path):
                yield from self._files(path, first, depth + 1)

    def _names(self, below: str, depth: int) -> list[str]:
        """Return what is looked at in one directory, sorted; names of directories end in "/".
        Raises PermissionError for one below, and UsageError."""
        where = os.path.join(self.path, below)
        if depth > DEPTH_MAX:
            raise UsageError(f"{where}: more than {DEPTH_MAX} directories deep")
        names = []
        try:
            with os.scandir(where) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if self._recursive and not entry.name.startswith("."):
                            names.append(entry.name + "/")
                    elif self._fits(entry.name) and _is_file(entry):
                        names.append(entry.name)
        except FileNotFoundError as error:
            if below:
                return []  # Removed while we were on the way to it.
            raise UsageError(f"{where}: there is no such directory") from error
        except OSError as error:
            if below and isinstance(error, PermissionError):
                raise
            raise UsageError(_cannot_list(error, where)) from error
        return sorted(names)

    def _fits(self, name: str) -> bool:
        if name.startswith(".") and not self._pattern.startswith("."):
            return False
        return fnmatchcase(name, self._pattern)


def directory(
    path: str | os.PathLike[str], pattern: str = "*", *, recursive: bool = False
) -> Directory:
    """Return the files in a directory as items: their paths relative to it, sorted.

    `pattern` is for the file's name, as in a shell: `*` leaves out names that begin with a dot.
    With `recursive` directories below are looked into, but those that begin with a dot, and no
    links to directories. In a batch a directory below that may not be listed is an item that has
    failed; elsewhere, as for any other that cannot be listed, the reading ends with UsageError.
    """
    return Directory(path, pattern, recursive)


def _cannot_list(error: OSError, where: str) -> str:
    return f"{error.filename or where} cannot be listed: {(error.strerror or str(error)).lower()}"


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file, or leads to one."""
    try:
        return entry.is_file()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False  # It leads to itself: to no file, like a link to what is gone.
        raise


def _path(cursor: Json) -> str:
    if cursor is None:
        return ""
    if not isinstance(cursor, str):
        raise UsageError(f"{cursor!r} is no place in a directory; a cursor is a path")
    return os.fsdecode(unquote_to_bytes(cursor))
