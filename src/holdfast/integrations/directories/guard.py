"""Which directories are left alone: those whose exchange would take away more than they hold."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator

from holdfast.errors import UsageError
from holdfast.integrations.directories.tree import DirectoryFailed, shown

PEOPLE_FROM = 1000
NOBODY = 65534
_OCTAL = re.compile(rb"\\([0-7]{3})")


def place_of(path: str | bytes | os.PathLike[str]) -> bytes:
    """Return the absolute path of a directory that is there or could be made, with no symbolic
    link in it. Raises UsageError for a link, for what is no directory, and without a parent."""
    given = os.path.join(os.getcwdb(), os.fsencode(path)).rstrip(b"/") or b"/"
    parent, name = os.path.split(given)
    if name in (b"", b".", b".."):
        return os.path.realpath(given)
    if not os.path.isdir(parent):
        raise UsageError(f"{shown(parent)} is no directory, so {shown(given)} cannot be in it")
    place = os.path.join(os.path.realpath(parent), name)
    if os.path.islink(place):
        raise UsageError(
            f"{shown(place)} is a symbolic link; take a snapshot of "
            f"{shown(os.path.realpath(place))} instead"
        )
    refuse_other_than_directory(place)
    return place


def refuse_other_than_directory(place: bytes) -> None:
    """Raise UsageError when something is there that is no directory."""
    if os.path.islink(place) or (os.path.lexists(place) and not os.path.isdir(place)):
        raise UsageError(f"{shown(place)} is no directory; nothing was changed")


def refuse_precious(place: bytes) -> None:
    """Raise UsageError for a directory that cannot be exchanged without harm: one with a home
    directory or a mounted file system in it, or in which this very process is at work."""
    refused = f"{shown(place)} is not exchanged: "
    if place == b"/":
        raise UsageError(f"{refused}it is the root of the file system")
    for home in _homes():
        if is_inside(home, place):
            raise UsageError(f"{refused}{shown(home)} is a home directory; name one inside it")
    for mounted in _mounts():
        if is_inside(mounted, place):
            raise UsageError(f"{refused}a file system is mounted on {shown(mounted)}")
    if is_inside(os.getcwdb(), place):
        raise UsageError(f"{refused}this process works in it; run it from another directory")
    for file in _open_files():
        if is_inside(file, place):
            raise UsageError(
                f"{refused}this process has {shown(file)} open; the store (`--store`) and its "
                "output must be elsewhere"
            )


def refuse_unwritable(place: bytes) -> None:
    """Raise DirectoryFailed when the directory could not be exchanged for another one."""
    parent = os.path.dirname(place)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise DirectoryFailed(
            f"{shown(parent)} may not be written, so {shown(place)} could not be put back"
        )


def refuse_inside(archive: bytes, place: bytes) -> None:
    """Raise UsageError for an archive within what it is of."""
    if is_inside(os.path.realpath(archive), place):
        raise UsageError(
            f"the archive {shown(archive)} would be inside of what it holds; give another to="
        )


def is_inside(path: bytes, place: bytes) -> bool:
    """Whether a path is the place, or within it."""
    return path == place or path.startswith(place.rstrip(b"/") + b"/")


def _homes() -> Iterator[bytes]:
    """Yield the home directories of this user and of people."""
    yield os.path.realpath(os.fsencode(os.path.expanduser("~")))
    for user in pwd.getpwall():
        if user.pw_uid == 0 or PEOPLE_FROM <= user.pw_uid < NOBODY:
            yield os.path.realpath(os.fsencode(user.pw_dir))


def _mounts() -> Iterator[bytes]:
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            lines = table.readlines()
    except FileNotFoundError:  # Not Linux: `scan` still finds other file systems.
        return
    for line in lines:
        yield _OCTAL.sub(lambda found: bytes([int(found[1], 8)]), line.split()[4])


def _open_files() -> Iterator[bytes]:
    try:
        numbers = os.listdir(b"/proc/self/fd")
    except FileNotFoundError:
        return
    for number in numbers:
        try:
            yield os.readlink(b"/proc/self/fd/" + number)
        except FileNotFoundError:  # The listing's own.
            continue
