"""Where the last whole record of a file ends: after it comes a torn one, or nothing.

Of JSON lines it is after the last newline. Of CSV a newline may stand inside quotes, and only the
text before it says so: the file is read from its beginning, a chunk at a time, by the rules of the
`csv` module. A quote opens only at the start of a field; elsewhere it is a character like others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import BinaryIO, Final, TypeAlias

CHUNK_BYTES: Final = 1 << 20

Find: TypeAlias = Callable[[BinaryIO], int]
"""Returns the length of the whole records at the beginning of a file."""

_OPENS: Final = re.compile(rb'[,\n\r]"')
BOM: Final = b"\xef\xbb\xbf"


def kind_of(line: bytes) -> type | None:
    """Return what a line of JSON holds (dict, list, str, int, …); None for what is no JSON."""
    try:
        # Of numbers only that they are some: a long one is no error.
        return type(json.loads(line, parse_int=len))
    except RecursionError:
        return list
    except ValueError:
        return None


def last_line_end(file: BinaryIO, chunk_bytes: int = CHUNK_BYTES) -> int:
    """Return where the last line ends: after the last newline, or 0. Reads from the end."""
    place = file.seek(0, 2)
    while place > 0:
        start = max(0, place - chunk_bytes)
        file.seek(start)
        found = file.read(place - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        place = start
    return 0


def last_row_end(file: BinaryIO, chunk_bytes: int = CHUNK_BYTES) -> int:
    """Return where the last whole row of CSV ends: after the last newline outside quotes, or 0."""
    scan, place, end = _Scan(), 0, 0
    if file.read(len(BOM)) == BOM:
        place = len(BOM)
    file.seek(place)
    while chunk := file.read(chunk_bytes):
        found = scan.last_end(chunk)
        if found:
            end = place + found
        place += len(chunk)
    return end


class _Scan:
    """What the text so far says about the text that follows."""

    def __init__(self) -> None:
        self.is_quoted = False
        self.may_open = True
        """The next byte opens a field, if it is a quote; or it opens a field again, because the
        byte before closed it: two quotes within quotes are one of the text."""

    def last_end(self, chunk: bytes) -> int:
        """Return where in the chunk the last row ends, or 0."""
        place, end = 0, 0
        while place < len(chunk):
            if self.is_quoted:
                place = self._leave_quotes(chunk, place)
                continue
            stop = self._next_quote(chunk, place)
            end = chunk.rfind(b"\n", place, stop) + 1 or end
            if stop < len(chunk):
                self.is_quoted = True
            else:
                self.may_open = chunk[-1:] in (b",", b"\n", b"\r")
            place = stop + 1
        return end

    def _leave_quotes(self, chunk: bytes, place: int) -> int:
        found = chunk.find(b'"', place)
        if found < 0:
            return len(chunk)
        self.is_quoted, self.may_open = False, True
        return found + 1

    def _next_quote(self, chunk: bytes, place: int) -> int:
        """Return where the next field in quotes opens, or the chunk's length."""
        if self.may_open and chunk[place : place + 1] == b'"':
            return place
        self.may_open = False
        found = _OPENS.search(chunk, place)
        return found.end() - 1 if found else len(chunk)
