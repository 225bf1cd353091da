"""Keep a directory: whole, verified and durable under its name, or not at all.

It is made under a name that ends in `.part` and renamed when all of it is on the disk and was read
back from there. A process that dies leaves the part, which `forget` removes.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import BinaryIO, Literal, TypeAlias, cast

from holdfast.integrations.directories import guard, system
from holdfast.integrations.directories.cloning import CannotClone, clone_tree
from holdfast.integrations.directories.compression import (
    Compression,
    Counted,
    best,
    compressed,
    decompressed,
)
from holdfast.integrations.directories.packing import CHUNK, pack
from holdfast.integrations.directories.tree import (
    DirectoryChanged,
    DirectoryFailed,
    Entry,
    changes,
    digest_of,
    scan,
    shown,
)

Method: TypeAlias = Literal["reflink", "zstd", "gzip"]
SUFFIXES: dict[Method, bytes] = {"reflink": b".tree", "zstd": b".tar.zst", "gzip": b".tar.gz"}
PART = b".part"
READINGS_MAX = 3
"""How often a directory that changes is read, until it stands still for one reading."""
CONTENT = b"content"
"""What the copied directory is called in its `.tree`, which nobody else may enter."""
CHANGES_SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class Kept:
    """A directory that is kept: where, how, and what proves that it is as it was."""

    archive: bytes
    method: Method
    size_bytes: int
    files: int
    digest: str


Progress: TypeAlias = Callable[[int, int], object]
"""Told how many bytes were read, and of how many."""


def keep(source: bytes, stem: bytes, progress: Progress) -> Kept:
    """Keep the directory `source` in an archive whose name begins with `stem`.

    On return it is durable and was read back. Raises DirectoryFailed, with nothing left behind
    and the directory untouched, when it cannot be kept or does not stand still.
    """
    folder = os.path.dirname(stem)
    with told(f"no snapshot was taken of {shown(source)}, which is untouched"):
        guard.refuse_precious(source)
        guard.refuse_inside(folder, source)
        guard.refuse_unwritable(source)
        os.makedirs(folder, 0o700, exist_ok=True)
        system.sync_directory(os.path.dirname(folder))
        return _kept_when_still(source, stem, progress)


@contextmanager
def told(state: str) -> Iterator[None]:
    """Turn what the system refuses in the block into a DirectoryFailed that says how it stands."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.filename:
            why = f"{why}: {shown(os.fsencode(error.filename))}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = f"the disk is full: make room, and resume ({why})"
        raise DirectoryFailed(f"{state}: {why}") from error
    except DirectoryFailed as error:
        raise type(error)(f"{state}: {error}") from error


def _kept_when_still(source: bytes, stem: bytes, progress: Progress) -> Kept:
    method: Method = "reflink"
    for reading in count(1):
        entries = list(scan(source))
        part = stem + SUFFIXES[method] + PART
        is_made = False
        try:
            archive = _made(method, source, entries, part, progress)
            _refuse_changes(entries, source)
            is_made = True
        except CannotClone:
            method = best()
            continue
        except DirectoryChanged as changed:
            if reading >= READINGS_MAX:
                raise DirectoryChanged(
                    f"{changed} in each of {READINGS_MAX} readings; stop what writes there"
                ) from changed
            continue
        finally:
            if not is_made:
                system.remove(part)
        return _renamed(part, archive)
    raise AssertionError


def _refuse_changes(entries: Sequence[Entry], source: bytes) -> None:
    names = list(changes(entries, scan(source)))
    if names:
        first = ", ".join(shown(name) for name in sorted(names)[:CHANGES_SHOWN_MAX])
        more = "" if len(names) <= CHANGES_SHOWN_MAX else f" and {len(names)} in all"
        raise DirectoryChanged(f"{first}{more} changed while the directory was read")


def _made(
    method: Method, source: bytes, entries: Sequence[Entry], part: bytes, progress: Progress
) -> Kept:
    """Make the archive under its name for the time being, durable, and read it back."""
    sizes = {entry.identity: entry.size for entry in entries if entry.is_file}
    total, done = sum(sizes.values()), [0]

    def note(size: int) -> None:
        done[0] += size
        progress(done[0], total)

    files = sum(not entry.is_directory for entry in entries)
    if method == "reflink":
        digest = _cloned(source, entries, part, note)
        return Kept(part, method, total, files, digest)
    digest = _packed(method, source, entries, part, note)
    return Kept(part, method, os.path.getsize(part), files, digest)


def _cloned(
    source: bytes, entries: Sequence[Entry], part: bytes, note: Callable[[int], object]
) -> str:
    if not any(entry.is_file and entry.size for entry in entries):
        raise CannotClone  # Nothing to find out with whether it could.
    os.mkdir(part, 0o700)
    content = os.path.join(part, CONTENT)
    with system.made_durable(part):
        clone_tree(source, entries, content, note)
    digest = digest_of(scan(content))
    if digest != digest_of(entries):
        raise DirectoryFailed("the copy is not as the directory is")
    return digest


def _packed(
    method: Compression,
    source: bytes,
    entries: Sequence[Entry],
    part: bytes,
    note: Callable[[int], object],
) -> str:
    written = hashlib.sha256()
    with open(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with compressed(method, file) as stream:
            pack(source, entries, cast(BinaryIO, Counted(stream, written.update)), note)
        file.flush()
        os.fsync(file.fileno())
    with open(part, "rb") as file:
        if hasattr(os, "posix_fadvise"):  # What is read back comes from the disk, then.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        found = hashlib.sha256()
        with decompressed(method, file) as stream:
            while chunk := stream.read(CHUNK):
                found.update(chunk)
    if found.digest() != written.digest():
        raise DirectoryFailed("the archive does not read as it was written; is the disk sound?")
    return file_digest(part)


def file_digest(path: bytes) -> str:
    """Return the digest of a file."""
    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _renamed(part: bytes, kept: Kept) -> Kept:
    archive = part.removesuffix(PART)
    os.rename(part, archive)
    system.sync_directory(os.path.dirname(archive))
    return Kept(archive, kept.method, kept.size_bytes, kept.files, kept.digest)


def forget(stem: bytes) -> None:
    """Remove whatever is kept under `stem`, whole or in part."""
    for suffix in SUFFIXES.values():
        system.remove(stem + suffix + PART)
        system.remove(stem + suffix)
