"""The files of a directory as items, in an order that stays: sorted by their paths.

Only the names of the directories on the way to the current file are in memory, never the whole
tree. A cursor is the path itself, percent-encoded, so that it is text whatever bytes it has; a
reading goes on at that path, also when the file has gone meanwhile.
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
        return self._files("", "", 0)

    def resume(self, cursor: Json) -> Iterator[tuple[Json, str]]:
        """Yield each path with its cursor, from that path on."""
        for file in self._files("", _path(cursor), 0):
            yield quote_from_bytes(os.fsencode(file)), file

    def __repr__(self) -> str:
        return f"Directory({self.path!r}, {self._pattern!r})"

    def _files(self, below: str, first: str, depth: int) -> Iterator[str]:
        """Yield the files below a directory of the tree from the path `first` on."""
        for name in self._names(below, depth):
            path = below + name
            if not name.endswith("/"):
                if path >= first:
                    yield path
            # What lies in it begins with its path: it is passed by when all of that is before.
            elif path >= first or first.startswith(path):
                yield from self._files(path, first, depth + 1)

    def _names(self, below: str, depth: int) -> list[str]:
        """Return what is looked at in one directory, sorted; names of directories end in "/"."""
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
            why = (error.strerror or str(error)).lower()
            raise UsageError(f"{error.filename or where} cannot be listed: {why}") from error
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
    links to directories. Raises UsageError, while it is read, for a directory that cannot be
    listed.
    """
    return Directory(path, pattern, recursive)


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
