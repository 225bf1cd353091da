"""Reading a file line by line, knowing where each began: the ground under every source of files.

Lines end with a newline; what stands before it is decoded line by line, so that a wrong byte has
the number of its line. A name that ends in .gz is unpacked.
"""

from __future__ import annotations

import errno
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from shlex import quote
from typing import BinaryIO, Final

from holdfast.errors import StoreError, UsageError
from holdfast.model.json import Json
from holdfast.ports.sources import Unreadable

LINE_BYTES_MAX: Final = 1 << 28
"""Something without newlines is no list of items, and must not fill the memory."""

_PACKED: Final = {
    b"\x1f\x8b\x08": "let its name end in .gz, or unpack it first",
    b"BZh91AY&SY": "unpack it first: `bzip2 -dk {}`",
    b"\xfd7zXZ\0": "unpack it first: `xz -dk {}`",
    b"\x28\xb5\x2f\xfd": "unpack it first: `zstd -d {}`",
    b"PK\x03\x04": "unpack it first: `unzip {}`",
}
"""How files begin that some encodings would take for text, and what to do with them."""
_BOM: Final = b"\xef\xbb\xbf"
_CANNOT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM,
                            errno.ELOOP, errno.ENAMETOOLONG})  # fmt: skip


class Reader:
    """A file, being read. `began` is the byte and the number of the last line that was given,
    `undecoded` what is wrong with its bytes, if anything, and `stamp` tells the file, as it was
    when it was opened, from any other."""

    def __init__(self, path: str, encoding: str) -> None:
        self.path, self._encoding = path, encoding
        self.began = (0, 1)
        self.undecoded = ""
        self._place, self._line = 0, 1
        with self._translated():
            self._file = _opened(path)
            self.stamp = stamp_of(os.fstat(self._file.fileno()))

    def lines(self) -> Iterator[str]:
        """Yield the lines from here on, with their ends. One that is not in the encoding has its
        bytes escaped, and is told by `undecoded`. Raises UsageError, with the line's number, and
        StoreError when the disk refuses."""
        read, encoding = self._file.readline, self._encoding
        # Around the whole loop, because this is on the way of every item.
        with self._translated():
            while raw := read(LINE_BYTES_MAX):
                self.began = self._place, self._line
                if len(raw) == LINE_BYTES_MAX:
                    raise self.wrong(f"the line is longer than {LINE_BYTES_MAX >> 20} MiB")
                self._place += len(raw)
                self._line += 1
                if self.began[0] == 0 and encoding == "utf-8":
                    raw = raw.removeprefix(_BOM)
                self.undecoded = ""
                try:
                    text = raw.decode(encoding)
                except UnicodeDecodeError as error:
                    text = raw.decode(encoding, errors="backslashreplace")
                    self.undecoded = (
                        f"byte {error.start + 1} of the line, 0x{raw[error.start]:02x}, is not "
                        f"{encoding}; give encoding="
                    )
                yield text

    def go_to(self, place: int, line: int) -> None:
        """Go on at a line that begins at this byte and has this number."""
        with self._translated():
            self._file.seek(place)
        self._place, self._line = place, line

    def wrong(self, why: str) -> UsageError:
        """Return an error about the last line that was given."""
        return UsageError(f"{self.path}:{self.began[1]}: {why}")

    def unreadable(self, content: str, why: str, line: int | None = None) -> Unreadable:
        """Return what stands for an item that cannot be read, which begins in `line`, or in the
        last one that was given."""
        first = self.began[1] if line is None else line
        return Unreadable(shown_place(self.path, first), content, f"{self.path}:{first}: {why}")

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (gzip.BadGzipFile, zlib.error) as error:
            raise UsageError(f"{self.path}:{self._line}: it is not whole gzip: {error}") from error
        except EOFError as error:
            raise UsageError(
                f"{self.path}:{self._line}: the compressed file ends within; was it copied whole?"
            ) from error
        except OSError as error:
            text = f"{self.path} cannot be read: {(error.strerror or str(error)).lower()}"
            raise UsageError(text) if error.errno in _CANNOT else StoreError(text) from error


def _opened(path: str) -> BinaryIO | gzip.GzipFile:
    if path.endswith(".gz"):
        return gzip.GzipFile(path, "rb")
    with ExitStack() as opened:
        file = opened.enter_context(open(path, "rb"))
        head = file.peek(1)
        for magic, unpacked_by in _PACKED.items():
            if head.startswith(magic):
                raise UsageError(f"{path} is no text but packed; {unpacked_by.format(quote(path))}")
        opened.pop_all()
    return file


def path_of(given: str | os.PathLike[str]) -> str:
    """Return a path as text. Raises UsageError for what is none."""
    path = os.fspath(given)
    if not isinstance(path, str) or not path or "\0" in path:
        raise UsageError(f"{path!r} is no path; give one as text")
    return path


def encoding_of(given: str) -> str:
    """Return an encoding's plain name. Raises UsageError unless its lines end as in ASCII."""
    try:
        fits = "\n".encode(given) in (b"\n", _BOM + b"\n")
    except (LookupError, TypeError) as error:
        raise UsageError(f"encoding is {given!r}, which Python does not know") from error
    if not fits:
        raise UsageError(
            f"encoding is {given!r}, in which a newline is not one byte; convert the file first: "
            f"`iconv -f {given} -t utf-8`"
        )
    name = given.lower().replace("_", "-")
    return "utf-8" if name in ("utf8", "utf-8", "utf-8-sig") else given


def shown_place(path: str, line: int) -> str:
    """Return a line's place as people type it."""
    return f"{os.path.basename(path)}:{line}"


def stamp_of(file: os.stat_result) -> str:
    """Return what differs after every write to a file, and in every other file."""
    return f"{file.st_ino:x}.{file.st_size:x}.{file.st_mtime_ns:x}.{file.st_ctime_ns:x}"


def place_of(path: str, cursor: Json) -> tuple[int, int, str]:
    """Return the byte, the line and the stamp of a cursor. Raises UsageError for none of ours."""
    if isinstance(cursor, list) and len(cursor) == 3:
        place, line, stamp = cursor
        if type(place) is int and type(line) is int and place >= 0 and line >= 1:
            return place, line, str(stamp)
    raise UsageError(f"{cursor!r} is no place in {path}; a cursor is [byte, line, stamp]")
