"""Values too large for a row, as files named by their digest.

`<db>.spill/ab/<digest>`: written aside, synced, renamed, and the directory synced, all before
the row that refers to it. A crash in between leaves a file that nothing refers to.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from holdfast.errors import ConfigError, StoreCorrupt, StoreError
from holdfast.model.facts import Spilled
from holdfast.model.hashing import blake2b
from holdfast.model.json import Json
from holdfast.stores.lockfile import hand_over, hand_over_folder, open_regular, refuse_link
from holdfast.stores.row_tables import load_json

DIGEST_BYTES: Final = 32


def digest_of(data: bytes) -> str:
    """Return the name of a spilled value."""
    return blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def checked(spilled: Spilled, data: bytes) -> Json:
    """Return the value in `data`. Raises StoreCorrupt unless it has the digest that names it."""
    if len(data) != spilled.size_bytes or digest_of(data) != spilled.digest:
        raise _not_written(spilled.digest)
    value: Json = load_json(data.decode(), f"spilled value {spilled.digest}")
    return value


def _not_written(digest: str) -> StoreCorrupt:
    return StoreCorrupt(f"the content of spilled value {digest} is not what was written")


class SpillFiles:
    """The spilled values of one store. Writers hold the store's lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        refuse_link(root)

    def keep(self, text: str) -> Spilled:
        """Make a value durable and return what its row holds. Raises OSError."""
        data = text.encode()
        spilled = Spilled(digest_of(data), len(data))
        path = self._path(spilled.digest)
        folder = path.parent
        for made in (self.root, folder):
            self._make_folder(made)
        if not self._is_kept(path, data):
            self._write(path, data)
        # Also when it is there already: the rename may not be on the disk yet.
        sync_folder(folder)
        return spilled

    def load(self, spilled: Spilled) -> Json:
        """Return a spilled value. Raises StoreCorrupt when it is gone or not what was written."""
        return checked(spilled, self._read(spilled.digest))

    def check(self, digest: str) -> None:
        """Read a spilled value. Raises StoreCorrupt as `load` does."""
        if digest_of(self._read(digest)) != digest:
            raise _not_written(digest)

    def drop(self, digests: Iterable[str]) -> None:
        """Remove values that no row refers to. What is gone already is fine; what cannot be removed
        now is found by the next sweep."""
        for digest in digests:
            with contextlib.suppress(OSError):
                self._path(digest).unlink()

    def _path(self, digest: str) -> Path:
        # The digest comes from the journal: it must never name a path of somebody's choosing.
        if len(digest) != 2 * DIGEST_BYTES or set(digest) - set("0123456789abcdef"):
            raise StoreCorrupt(f"{digest!r} is not the digest of a spilled value")
        return self.root / digest[:2] / digest

    def _read(self, digest: str) -> bytes:
        path = self._path(digest)
        try:
            with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
                return file.read()
        except OSError as problem:
            raise StoreError(f"{path} cannot be read: {problem.strerror}") from problem
        except StoreError as problem:
            if not isinstance(problem.__cause__, FileNotFoundError | NotADirectoryError):
                raise
            gone = f"spilled value {digest} is gone: {path} does not exist"
            raise StoreCorrupt(gone) from problem

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if not stat.S_ISDIR(folder.lstat().st_mode):
                raise ConfigError(f"{folder} is not a directory; holdfast needs it") from None
        else:
            hand_over_folder(folder)
            sync_folder(folder.parent)

    def _is_kept(self, path: Path, data: bytes) -> bool:
        try:
            fd = open_regular(path, os.O_RDONLY) if path.exists() else None
        except OSError:
            return False
        if fd is None:
            return False
        with os.fdopen(fd, "rb") as file:
            return file.read() == data

    def _write(self, path: Path, data: bytes) -> None:
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.unlink(missing_ok=True)
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                hand_over(fd, path.parent)
                file.write(data)
                file.flush()
                os.fsync(fd)
            aside.rename(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def sync_folder(folder: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
