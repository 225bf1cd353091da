"""Put a directory back in one moment.

What was kept is made anew beside the directory, under a name of this attempt alone, and made
durable. Then the two are exchanged: whoever looks sees the one or the other, whole. What is now
under the name of the attempt is removed. An attempt may die anywhere, and the next one begins anew,
with a single exception. Where the system cannot exchange, the directory is renamed to the
attempt's name with `.old`, and what is new to the directory's. So `.old` beside a missing directory
is the record that an attempt died between the two: its `.new` is whole, and only to be renamed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator

from holdfast.integrations.directories import guard, system
from holdfast.integrations.directories.cloning import CannotClone, clone_tree
from holdfast.integrations.directories.compression import decompressed
from holdfast.integrations.directories.keeping import CONTENT, Kept, file_digest, told
from holdfast.integrations.directories.packing import unpack
from holdfast.integrations.directories.tree import DirectoryFailed, digest_of, scan, shown

NEW, OLD = b".new", b".old"
DIGITS = 12


def put_back(kept: Kept, place: bytes) -> None:
    """Make the directory `place` what it was when it was kept, in one moment. On return that is
    durable, and nothing of what it was meanwhile is left.

    May be repeated, and killed anywhere. Raises UsageError for what is no directory;
    DirectoryFailed, which says how it stands, when the archive is not as it was, or no room.
    """
    attempt = Attempt(place, kept.archive)
    with told(f"{shown(place)} was not put back and is as it was"):
        attempt.begin()
        with system.made_durable(os.path.dirname(place)):
            _build(kept, attempt.new)
        attempt.replace()
    attempt.end()


def take_away(place: bytes, mark: bytes) -> None:
    """Remove the directory `place`, which was not there, in one moment; `mark` tells this
    removal's left-overs from others. May be repeated, and killed anywhere."""
    attempt = Attempt(place, mark)
    with told(f"{shown(place)} was not removed and is as it was"):
        attempt.begin()
        if os.path.lexists(place):
            os.rename(place, attempt.old)
    attempt.end()


class Attempt:
    """One attempt to replace the directory `place`, and what is left of earlier ones."""

    def __init__(self, place: bytes, mark: bytes) -> None:
        self.place, self._parent = place, os.path.dirname(place)
        own = hashlib.sha256(place + b"\0" + mark).hexdigest()[:DIGITS]
        self._prefix = f".holdfast-{own}-".encode()
        # Nobody else's: one that was stopped for long must not build into what is another's.
        stem = os.path.join(self._parent, self._prefix + secrets.token_hex(4).encode())
        self.new, self.old = stem + NEW, stem + OLD

    def begin(self) -> None:
        """Refuse what must not be replaced, and end what an earlier attempt was about to."""
        guard.refuse_other_than_directory(self.place)
        guard.refuse_precious(self.place)
        left = sorted(self._left_over())
        if not os.path.lexists(self.place):
            for old in left:
                new = old.removesuffix(OLD) + NEW
                if old.endswith(OLD) and new in left:
                    os.rename(new, self.place)
                    system.sync_directory(self._parent)
                    break
        for path in left:
            # While the directory is missing, its former content is not ours to throw away.
            if path.endswith(NEW) or os.path.lexists(self.place):
                system.remove(path)

    def replace(self) -> None:
        """Put what is new in the place of the directory."""
        if not os.path.lexists(self.place):
            os.rename(self.new, self.place)
        elif not system.exchange(self.new, self.place):
            self._replace_in_two()

    def _replace_in_two(self) -> None:
        os.rename(self.place, self.old)
        is_there = False
        try:
            system.sync_directory(self._parent)
            os.rename(self.new, self.place)
            is_there = True
        finally:
            if not is_there:
                os.rename(self.old, self.place)

    def end(self) -> None:
        """Make the replacement durable; only then remove what is not needed any more."""
        with told(f"{shown(self.place)} is as it was before, but may not stay so"):
            system.sync_directory(self._parent)
        with told(f"{shown(self.place)} is as it was before, but what it was meanwhile is left"):
            for path in self._left_over():
                system.remove(path)

    def _left_over(self) -> Iterator[bytes]:
        for name in os.listdir(self._parent):
            if name.startswith(self._prefix) and name.endswith((NEW, OLD)):
                yield os.path.join(self._parent, name)


def _build(kept: Kept, new: bytes) -> None:
    """Make the directory anew under the name `new`; nothing is there when that fails."""
    is_built = False
    try:
        if not os.path.lexists(kept.archive):
            raise DirectoryFailed(f"its archive {shown(kept.archive)} is gone")
        if kept.method == "reflink":
            _build_from_tree(kept, new)
        else:
            _refuse_other(kept, file_digest(kept.archive))
            with (
                open(kept.archive, "rb") as file,
                decompressed(kept.method, file) as stream,
            ):
                unpack(stream, new)
        is_built = True
    finally:
        if not is_built:
            system.remove(new)


def _build_from_tree(kept: Kept, new: bytes) -> None:
    content = os.path.join(kept.archive, CONTENT)
    entries = list(scan(content))
    _refuse_other(kept, digest_of(entries))
    try:
        clone_tree(content, entries, new, lambda size: None)
    except CannotClone:
        raise DirectoryFailed(
            f"the file system no longer shares contents with {shown(kept.archive)}; "
            f"copy {shown(content)} by hand (cp -a)"
        ) from None


def _refuse_other(kept: Kept, digest: str) -> None:
    if digest != kept.digest:
        raise DirectoryFailed(
            f"its archive {shown(kept.archive)} is not the one that was made: its digest is "
            f"{digest}, and should be {kept.digest}"
        )
