"""What nothing in the database refers to any more.

A process left it that was killed between the row and the file, or between the end of a run's rows
and that of its files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from holdfast.stores.lockfile import beside

BY_NUMBER = (".output", ".notes", ".batches")
"""Folders whose entries begin with the number of a run."""


def sweep(connection: sqlite3.Connection, path: Path) -> None:
    """Remove it. The caller holds the store's lock: nobody is between a file and its row."""
    kept = {digest for (digest,) in connection.execute("SELECT DISTINCT digest FROM spill")}
    numbers = {number for (number,) in connection.execute("SELECT number FROM run")}
    for folder in entries(beside(path, ".spill")):
        for file in entries(Path(folder)):
            if file.name not in kept:
                _remove(file)
    for end in BY_NUMBER:
        for entry in entries(beside(path, end)):
            number = number_in(entry.name)
            if number is not None and number not in numbers:
                _remove(entry)


def number_in(name: str) -> int | None:
    """Return the number of the run that a file or folder beside the database belongs to."""
    number = name.partition(".")[0].partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() else None


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a folder; nothing where it is none, or cannot be read."""
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        yield from found


def _remove(entry: os.DirEntry[str]) -> None:
    """Remove a file or a folder of them. What cannot be removed is found the next time."""
    with contextlib.suppress(OSError):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
