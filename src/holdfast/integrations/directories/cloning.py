"""A directory as a copy that shares its contents, where the file system can do that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from holdfast.integrations.directories import system
from holdfast.integrations.directories.building import Builder
from holdfast.integrations.directories.packing import read
from holdfast.integrations.directories.tree import Entry, attributes_of, path_in


class CannotClone(Exception):
    """The file system shares nothing between these files."""


def clone_tree(
    source: bytes, entries: Sequence[Entry], target: bytes, progress: Callable[[int], object]
) -> None:
    """Make the directory `target` as `source` is, sharing all contents with it.

    Raises CannotClone, with a part of it made, where that cannot be; DirectoryChanged as `read`.
    """
    builder, first = Builder(target), dict[tuple[int, int], bytes]()
    for entry in entries:
        path = path_in(source, entry.name)
        known = first.setdefault(entry.identity, entry.name)
        if known != entry.name and entry.links > 1:
            builder.link(entry.name, known)
            continue
        attributes = {} if entry.is_link else attributes_of(path)
        builder.make(replace(entry, attributes=attributes), _sharing(path, entry))
        if entry.is_file:
            progress(entry.size)
    builder.finish()


def _sharing(path: bytes, entry: Entry) -> Callable[[int], None]:
    def fill(file: int) -> None:
        with read(path, entry) as content:
            if not system.clone(content.fileno(), file):
                raise CannotClone

    return fill
