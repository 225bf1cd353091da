"""The items in a file: its lines, its rows, its JSON values.

A cursor is where an item begins, and in which state of the file: `[byte, line, stamp]`, counted in
the unpacked text. In a file that was written to since, another line may begin there, or none: then
the cursor does not hold. To go on in a compressed file, it is unpacked again up to there.

What cannot be read is one item among others for whoever reads with cursors, which a batch does,
and ends any other reading.
"""

from __future__ import annotations

import csv
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Generic, TypeVar

from holdfast.errors import UsageError
from holdfast.model.json import Json
from holdfast.ports.sources import Unreadable
from holdfast.sources.reading import Reader, encoding_of, path_of, place_of, shown_place, stamp_of

T = TypeVar("T")


class InFile(ABC, Generic[T]):
    """The items of a file, from its beginning or from one of them on."""

    def __init__(self, path: str | os.PathLike[str], encoding: str) -> None:
        self.path, self._encoding = path_of(path), encoding_of(encoding)

    def __iter__(self) -> Iterator[T]:
        with closing(self.resume(None)) as found:
            for _, item in found:
                if isinstance(item, Unreadable):
                    raise UsageError(item.why)
                yield item

    def resume(self, cursor: Json) -> Generator[tuple[Json, T | Unreadable], None, None]:
        """Yield each item with the place where it begins, from that of `cursor` on."""
        given = None if cursor is None else place_of(self.path, cursor)
        with closing(Reader(self.path, self._encoding)) as reader:
            stamp = reader.stamp
            names = self._header(reader)
            if given is not None:
                byte, line, known = given
                if known != stamp:
                    raise UsageError(
                        f"{self.path} was written to since line {line} of it was to be read next; "
                        "read it from its beginning"
                    )
                reader.go_to(byte, line)
            for (byte, line), item in self._items(reader, names):
                yield [byte, line, stamp], item

    def holds(self, cursor: Json) -> bool:
        """Whether the file is the one, byte for byte, that this cursor is a place in."""
        try:
            return place_of(self.path, cursor)[2] == stamp_of(os.stat(self.path))
        except (UsageError, OSError):
            return False

    def place_of(self, cursor: Json) -> str:
        """Return the file's name and the line in which an item begins."""
        return shown_place(self.path, place_of(self.path, cursor)[1])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    def _header(self, reader: Reader) -> tuple[str, ...]:
        """Read what stands before the items; return the names it gives them."""
        return ()

    @abstractmethod
    def _items(
        self, reader: Reader, names: tuple[str, ...]
    ) -> Iterator[tuple[tuple[int, int], T | Unreadable]]:
        """Yield the items from here on, with the byte and line where each begins."""


# --- lines ------------------------------------------------------------------------------------


class Lines(InFile[str]):
    """The lines of a text."""

    def _items(
        self, reader: Reader, names: tuple[str, ...]
    ) -> Iterator[tuple[tuple[int, int], str | Unreadable]]:
        for text in reader.lines():
            item = text.removesuffix("\n").removesuffix("\r")
            if reader.undecoded:
                yield reader.began, reader.unreadable(item, reader.undecoded)
            elif item:
                yield reader.began, item


def lines(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Lines:
    """Return the lines of a text file as items, without their ends (`\\n` or `\\r\\n`).

    Empty lines are no items; a line of spaces is one. A name that ends in `.gz` is unpacked, and a
    byte order mark left out. In a batch a line with a byte that is not in the encoding is an item
    that has failed, by `file:line`; elsewhere it ends the reading with UsageError.
    """
    return Lines(path, encoding)


# --- JSON lines -------------------------------------------------------------------------------


class JsonValues(InFile[Json]):
    """The values of JSON lines."""

    def _items(
        self, reader: Reader, names: tuple[str, ...]
    ) -> Iterator[tuple[tuple[int, int], Json | Unreadable]]:
        for text in reader.lines():
            if text.isspace():
                continue
            why = reader.undecoded
            if not why:
                try:
                    item: Json = json.loads(text)
                except (ValueError, RecursionError) as error:
                    torn = "" if text.endswith("\n") else "; the file ends here: was the line torn?"
                    why = f"not JSON: {error}{torn}"
            yield reader.began, reader.unreadable(text, why) if why else item


def jsonl(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> JsonValues:
    """Return the values of a file of JSON lines as items: dicts, lists, texts, numbers.

    Blank lines are no items. A name that ends in `.gz` is unpacked, and a byte order mark left out.
    In a batch a line that is not JSON is an item that has failed, by `file:line`; elsewhere it
    ends the reading with UsageError.
    """
    return JsonValues(path, encoding)


# --- rows -------------------------------------------------------------------------------------


class Rows(InFile[dict[str, str]]):
    """The rows of a CSV file."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        encoding: str,
        fields: Sequence[str] | None,
        delimiter: str,
    ) -> None:
        super().__init__(path, encoding)
        if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '\r\n"':
            raise UsageError(f"delimiter is {delimiter!r}; give one character, as ';' or '\\t'")
        self._delimiter = delimiter
        self._fields = None if fields is None else _names(f"{self.path}: fields=", fields)

    def _header(self, reader: Reader) -> tuple[str, ...]:
        if self._fields is not None:
            return self._fields
        for began, row in _rows(reader, self._delimiter):
            if isinstance(row, Unreadable):
                raise UsageError(row.why)
            return _names(f"{self.path}:{began[1]}: the header", row)
        return ()

    def _items(
        self, reader: Reader, names: tuple[str, ...]
    ) -> Iterator[tuple[tuple[int, int], dict[str, str] | Unreadable]]:
        for began, row in _rows(reader, self._delimiter):
            if isinstance(row, Unreadable):
                yield began, row
            elif len(row) == len(names):
                yield began, dict(zip(names, row, strict=True))
            else:
                why = (
                    f"the row has {len(row)} cells, and there are {len(names)} columns: "
                    f"{', '.join(names)}{_until(reader, began)}"
                )
                yield began, reader.unreadable(repr(row), why, began[1])


def csv_rows(
    path: str | os.PathLike[str],
    *,
    fields: Sequence[str] | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> Rows:
    """Return the rows of a CSV file as items: dicts of text by the names of the columns.

    The first row is the header, unless `fields` names the columns. Empty lines are no items. A name
    that ends in `.gz` is unpacked, and a byte order mark left out. In a batch a row with too few or
    too many cells, or a quote that is never closed, is an item that has failed, by `file:line`;
    elsewhere it ends the reading with UsageError.
    """
    return Rows(path, encoding, fields, delimiter)


def _rows(
    reader: Reader, delimiter: str
) -> Iterator[tuple[tuple[int, int], list[str] | Unreadable]]:
    """Yield each row with the place where it begins: the module takes a line when it needs it.

    After an error it begins anew with the next line.
    """
    taken: list[tuple[tuple[int, int], str, str]] = []

    def fed() -> Iterator[str]:
        for text in reader.lines():
            taken.append((reader.began, text, reader.undecoded))
            yield text

    rows = csv.reader(fed(), delimiter=delimiter, strict=True)
    while True:
        taken.clear()
        row, why = None, ""
        try:
            row = next(rows, None)
        except csv.Error as error:
            why = f"not CSV, in the row that begins here: {error}"
        if not taken:
            return
        began = taken[0][0]
        undecoded = [(place[1], wrong) for place, _, wrong in taken if wrong]
        if why or undecoded:
            line, why = undecoded[0] if undecoded else (began[1], why + _until(reader, began))
            yield began, reader.unreadable("".join(text for _, text, _ in taken), why, line)
        elif row:
            yield began, row


def _until(reader: Reader, began: tuple[int, int]) -> str:
    """Return where a row ends that was read just now, if that is in another line: one that lacks
    a quote takes others along."""
    last = reader.began[1]
    return "" if last == began[1] else f" (it ends in line {last}: is a quote missing?)"


def _names(where: str, given: Sequence[object]) -> tuple[str, ...]:
    names = tuple(name for name in given if isinstance(name, str))
    if isinstance(given, str) or not names or len(names) != len(given):
        raise UsageError(f"{where} {given!r} are no names of columns; give texts")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{where} names a column twice: {', '.join(map(repr, twice))}")
    return names
