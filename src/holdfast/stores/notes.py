"""The last fact of a journal as a note: in a file's page cache, which outlives every process.

`<db>.notes/<run number>` holds at most one fact, the intent of the step that runs now. It costs a
tenth of a row. A note is the next link of its journal's chain and nothing else: it counts while
the journal ends where the note says, and it is stale, torn or of another journal when its own link
does not follow. So it is never cleared, only written over, and no boot has to be compared.

Whoever appends to the journal first makes a row of it. Notes are written, and files closed, inside
the store's lock, and so by one thread at a time; the last are closed when the database refuses to
be written. They are read without it.
"""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path
from typing import Final

from holdfast.errors import StoreError
from holdfast.model.making import dataclass, made_often
from holdfast.stores.lockfile import hand_over, hand_over_folder, open_regular, refuse_link
from holdfast.stores.rows import chain

_MAGIC: Final = b"hfnote"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<6sHQQII16s")
WHOLE_BYTES: Final = 1 << 20
"""More than any note: what is not short is written as a row."""
OPEN_FILES_MAX: Final = 32


@made_often
@dataclass(frozen=True, slots=True)
class Note:
    """One fact as its row would be."""

    seq: int
    epoch: int
    kind: str
    body: str
    link: bytes

    def follows(self, epoch: int, seq: int, link: bytes) -> bool:
        """Return whether this is the next fact of a journal that ends with that one, by its owner
        under that epoch."""
        is_next = self.seq == seq + 1 and self.epoch == epoch
        return is_next and self.link == chain(link, self.kind, self.body)


class NoteFiles:
    """The notes of one store, by the number of the run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: dict[int, int] = {}
        refuse_link(root)

    def write(self, number: int, note: Note) -> bool:
        """Keep a note in place of the one before. Return False when the system does not let us:
        then there is none."""
        kind, body = note.kind.encode(), note.body.encode()
        head = _HEADER.pack(_MAGIC, _VERSION, note.seq, note.epoch, len(kind), len(body), note.link)
        content = head + kind + body
        try:
            fd = self._open.get(number)
            if fd is None:
                fd = self._file(number)
            return os.pwrite(fd, content, 0) == len(content)
        except (OSError, StoreError):
            return False

    def read(self, number: int) -> Note | None:
        """Return what is noted, whether it counts or not; None when there is nothing whole.
        Raises StoreError where the system does not let us look."""
        content = _content(self.root / str(number))
        if len(content) < _HEADER.size:
            return None
        magic, version, seq, epoch, kind_bytes, body_bytes, link = _HEADER.unpack_from(content)
        body_at = _HEADER.size + kind_bytes
        if (magic, version) != (_MAGIC, _VERSION) or len(content) < body_at + body_bytes:
            return None
        try:
            kind = content[_HEADER.size : body_at].decode()
            body = content[body_at : body_at + body_bytes].decode()
        except UnicodeDecodeError:
            return None
        return Note(seq, epoch, kind, body, link)

    def changes(self) -> frozenset[tuple[str, bytes]]:
        """Return what differs when a note was written since it was last asked: the links of all.
        Raises StoreError."""
        try:
            names = os.listdir(self.root)
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
        except OSError as problem:
            raise StoreError(f"{self.root} cannot be read: {problem.strerror}") from problem
        return frozenset((name, _content(self.root / name, _HEADER.size)) for name in names)

    def remove(self, number: int) -> None:
        """Take a run's note away."""
        self.forget(number)
        with contextlib.suppress(OSError):
            (self.root / str(number)).unlink()

    def close(self) -> None:
        """Close the files; the next write opens them anew."""
        for number in list(self._open):
            self.forget(number)

    def _file(self, number: int) -> int:
        if len(self._open) >= OPEN_FILES_MAX:
            self.forget(next(iter(self._open)))
        self.root.mkdir(mode=0o700, exist_ok=True)
        hand_over_folder(self.root)
        fd = self._open[number] = open_regular(self.root / str(number), os.O_RDWR | os.O_CREAT)
        hand_over(fd, self.root)
        return fd

    def forget(self, number: int) -> None:
        """Close a run's file; the next write opens the one that is there then."""
        fd = self._open.pop(number, None)
        if fd is not None:
            os.close(fd)


def _content(path: Path, count: int = WHOLE_BYTES) -> bytes:
    """Return a file's first bytes; nothing when it is not there. Raises StoreError."""
    try:
        fd = open_regular(path, os.O_RDONLY)
    except StoreError as problem:
        if isinstance(problem.__cause__, FileNotFoundError | NotADirectoryError):
            return b""
        raise
    try:
        return os.pread(fd, count, 0)
    except OSError as problem:
        raise StoreError(f"{path} cannot be read: {problem.strerror}") from problem
    finally:
        os.close(fd)
