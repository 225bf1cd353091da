"""The items of a shell: the lines of a file or a pipe, or words that end in a NUL.

They are taken as bytes, for a file's name may be any. What is text and short is its own key; a
number is one, so that people see and type `7`; anything else is known by its digest.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Final, TypeAlias

from holdfast.errors import StoreError, UsageError
from holdfast.model.items import KEY_CHARS_MAX
from holdfast.ports.sources import NOT_YET
from holdfast.scratch import scratch_file

Word: TypeAlias = str | int | tuple[bytes]
"""An item: a text, a number that is written as it would be, or bytes that are no short text."""
READ_BYTES: Final = 64 * 1024
WORD_BYTES_MAX: Final = 1 << 28
"""Something without separators is no list of items, and must not fill the memory."""
DIGITS_MAX: Final = 15
STDIN: Final = 0


def words(path: str, *, null: bool = False) -> Iterable[object]:
    """Return the lines of a file as items, or with `null` what NULs end; `-` is standard input.

    Empty ones are no items; of lines a `\\r` at the end is no part. Raises UsageError for a file
    that cannot be read. A pipe is read as it comes, and once: while there is nothing in it,
    NOT_YET is yielded.
    """
    separator = b"\0" if null else b"\n"
    if path == "-":
        return InPipe(STDIN, "standard input", separator)
    with _translated(path):
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            return InPipe(os.open(path, os.O_RDONLY | os.O_CLOEXEC), path, separator)
        with open(path, "rb"):
            return InFile(os.path.abspath(path), separator)


class InFile:
    """Items in a file, read from its beginning: what was put on top of others since is an item,
    too, and a place in the file would say nothing of that."""

    def __init__(self, path: str, separator: bytes) -> None:
        self.path, self._separator = path, separator

    def __iter__(self) -> Iterator[Word]:
        return map(_word, self._raw())

    def __len__(self) -> int:
        return sum(1 for _ in self._raw())

    def _raw(self) -> Iterator[bytes]:
        with _translated(self.path), open(self.path, "rb") as file:
            pieces = _Pieces(self.path, self._separator)
            while chunk := file.read(READ_BYTES):
                yield from pieces.ended_by(chunk)
            yield from pieces.rest()


class InPipe:
    """Items as they come out of a pipe. What has come is kept, in a file without a name: a second
    reading begins with it."""

    def __init__(self, fd: int, name: str, separator: bytes) -> None:
        self._fd, self._name, self._separator = fd, name, separator
        self._come: IO[bytes] | None = None
        self._is_over = False

    def __del__(self) -> None:
        if self._come is not None:
            self._come.close()

    def __iter__(self) -> Iterator[object]:
        pieces = _Pieces(self._name, self._separator)
        for chunk in self._chunks():
            if chunk:
                yield from map(_word, pieces.ended_by(chunk))
            else:
                yield NOT_YET
        yield from map(_word, pieces.rest())

    def _chunks(self) -> Iterator[bytes]:
        """Yield what has come so far, and what comes; nothing while there is nothing."""
        ready, at = select.poll(), 0
        ready.register(self._fd, select.POLLIN)
        with _translated(self._name):
            if self._come is None:
                self._come = scratch_file()
            while True:
                self._come.seek(at)
                chunk = self._come.read(READ_BYTES)
                if not chunk and self._is_over:
                    return
                if not chunk and ready.poll(0):
                    chunk = os.read(self._fd, READ_BYTES)
                    self._is_over = not chunk
                    self._come.write(chunk)
                at += len(chunk)
                if chunk or not self._is_over:
                    yield chunk


class _Pieces:
    """What stands between separators, of a text that comes in chunks. What of a piece has come is
    put together once, when its end is there: a long one costs no more than its length."""

    def __init__(self, name: str, separator: bytes) -> None:
        self._name, self._separator = name, separator
        self._begun: list[bytes] = []
        self._size = 0

    def ended_by(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the pieces that end in this chunk, without those of which nothing is left."""
        first, *others = chunk.split(self._separator)
        self._keep(first)
        if others:
            yield from self.rest()
            for piece in others[:-1]:
                yield from self._told(piece)
            self._keep(others[-1])

    def rest(self) -> Iterator[bytes]:
        """Yield what has begun, if it is something, as a piece that ends here."""
        piece = b"".join(self._begun)
        self._begun.clear()
        self._size = 0
        yield from self._told(piece)

    def _keep(self, part: bytes) -> None:
        self._begun.append(part)
        self._size += len(part)
        if self._size > WORD_BYTES_MAX:
            raise UsageError(f"{self._name}: an item is longer than {WORD_BYTES_MAX >> 20} MiB")

    def _told(self, piece: bytes) -> Iterator[bytes]:
        told = piece.removesuffix(b"\r") if self._separator == b"\n" else piece
        if told:
            yield told


def _word(raw: bytes) -> Word:
    if len(raw) > KEY_CHARS_MAX:
        return (raw,)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return (raw,)
    if len(text) <= DIGITS_MAX and text.isascii() and text.isdigit() and str(int(text)) == text:
        return int(text)
    return text


def raw_of(item: object) -> bytes:
    """Return the bytes that an item is."""
    return item[0] if isinstance(item, tuple) else str(item).encode()


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise UsageError(f"{name} cannot be read: {(error.strerror or '').lower()}") from error
    except OSError as error:
        raise StoreError(f"{name} cannot be read: {error.strerror}") from error
