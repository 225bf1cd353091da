"""What tests of snapshots share: a directory's portrait, in which every difference shows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast.integrations.directories.keeping import Kept, keep
from holdfast.integrations.directories.tree import attributes_of, path_in, scan

NOBODY = 65534
NOTHING_READ: Callable[[int, int], object] = lambda done, total: None  # noqa: E731


def kept(place: Path, progress: Callable[[int, int], object] = NOTHING_READ) -> Kept:
    """Keep a directory in `archives` beside it."""
    return keep(os.fsencode(place), os.fsencode(place.parent / "archives" / "x"), progress)


def portrait(root: Path) -> list[tuple[Any, ...]]:
    """Return all there is to know of a directory, but for what no copy can have."""
    first, lines = dict[tuple[int, int], bytes](), []
    place = os.fsencode(root)
    for entry in scan(place):
        path = path_in(place, entry.name)
        same = first.setdefault(entry.identity, entry.name)
        content = Path(os.fsdecode(path)).read_bytes() if entry.is_file else entry.target
        attributes = {} if entry.is_link else attributes_of(path)
        lines.append((
            entry.name, entry.mode, entry.uid, entry.gid, entry.mtime_ns, same, content, attributes
        ))  # fmt: skip
    return lines


def fill(root: Path) -> None:
    """Make a directory with one of everything that a snapshot holds."""
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "a").write_text("hello")
    (root / "program").write_bytes(b"\x7fELF" * 1000)
    (root / "program").chmod(0o4751)
    os.link(root / "a", root / "sub" / "other name")
    with open(os.fsencode(root) + b"/new\nline \xff", "wb") as file:
        file.write(b"x" * 100)
    with open(root / "holes", "wb") as file:
        file.seek(5_000_000)
        file.write(b"end")
    os.symlink("/etc/passwd", root / "absolute")
    os.symlink("../../..", root / "sub" / "up")
    os.mkfifo(root / "pipe", 0o640)
    (root / "sub").chmod(0o2551)
    os.utime(root / "sub", ns=(0, -1_500_000_001))
    os.utime(root / "a", ns=(0, 1_700_000_000_123_456_789))


def spoil(root: Path) -> None:
    """Change a directory that `fill` made, in each way that there is."""
    (root / "sub").chmod(0o700)
    (root / "a").write_text("something else, and longer")
    (root / "program").unlink()
    (root / "sub" / "empty").rmdir()
    (root / "absolute").unlink()
    (root / "absolute").write_text("a file now")
    (root / "added").mkdir(mode=0o500)
    root.chmod(0o711)


def names(folder: Path) -> set[str]:
    """Return what is in a folder, hidden things too."""
    return set(os.listdir(folder))


def as_nobody(function: Callable[[], object]) -> str:
    """Call a function in a process that is not root; return what it returned, or raised."""
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Of fork, where threads run.
        child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            said = str(function())
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with open(ours) as pipe:
        return pipe.read()
