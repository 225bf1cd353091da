"""The items in a file: its lines, its rows, its JSON values.

A cursor is where an item begins, and in which state of the file: `[byte, line, stamp]`, counted in
the unpacked text. To go on in a compressed file, it is unpacked again up to there.
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
from holdfast.sources.reading import Reader, encoding_of, path_of, place_of, stamp_of

T = TypeVar("T")


class InFile(ABC, Generic[T]):
    """The items of a file, from its beginning or from one of them on."""

    def __init__(self, path: str | os.PathLike[str], encoding: str) -> None:
        self.path, self._encoding = path_of(path), encoding_of(encoding)

    def __iter__(self) -> Iterator[T]:
        with closing(self.resume(None)) as found:
            for _, item in found:
                yield item

    def resume(self, cursor: Json) -> Generator[tuple[Json, T], None, None]:
        """Yield each item with the place where it begins, from that of `cursor` on."""
        place = None if cursor is None else place_of(self.path, cursor)
        with closing(Reader(self.path, self._encoding)) as reader:
            names = self._header(reader)
            if place is not None:
                reader.go_to(*place)
            as_it_is = stamp_of(self.path)
            for (byte, line), item in self._items(reader, names):
                yield [byte, line, as_it_is], item

    def is_still(self, cursor: Json) -> bool:
        """Whether the file is the one in which the cursor is a place: what was put before it
        since would never be read from there."""
        return isinstance(cursor, list) and cursor[2:] == [stamp_of(self.path)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    def _header(self, reader: Reader) -> tuple[str, ...]:
        """Read what stands before the items; return the names it gives them."""
        return ()

    @abstractmethod
    def _items(self, reader: Reader, names: tuple[str, ...]) -> Iterator[tuple[tuple[int, int], T]]:
        """Yield the items from here on, with the byte and line where each begins."""


# --- lines ------------------------------------------------------------------------------------


class Lines(InFile[str]):
    """The lines of a text."""

    def _items(
        self, reader: Reader, names: tuple[str, ...]
    ) -> Iterator[tuple[tuple[int, int], str]]:
        for text in reader.lines():
            item = text.removesuffix("\n").removesuffix("\r")
            if item:
                yield reader.began, item


def lines(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Lines:
    """Return the lines of a text file as items, without their ends (`\\n` or `\\r\\n`).

    Empty lines are no items; a line of spaces is one. A name that ends in `.gz` is unpacked, and a
    byte order mark left out. While it is read: UsageError with `file:line` for a byte that is not
    in the encoding.
    """
    return Lines(path, encoding)


# --- JSON lines -------------------------------------------------------------------------------


class JsonValues(InFile[Json]):
    """The values of JSON lines."""

    def _items(
        self, reader: Reader, names: tuple[str, ...]
    ) -> Iterator[tuple[tuple[int, int], Json]]:
        for text in reader.lines():
            if text.isspace():
                continue
            try:
                item: Json = json.loads(text)
            except (ValueError, RecursionError) as error:
                torn = "" if text.endswith("\n") else "; the file ends here: was the line torn?"
                raise reader.wrong(f"not JSON: {error}{torn}") from error
            yield reader.began, item


def jsonl(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> JsonValues:
    """Return the values of a file of JSON lines as items: dicts, lists, texts, numbers.

    Blank lines are no items. A name that ends in `.gz` is unpacked, and a byte order mark left out.
    While it is read: UsageError with `file:line` for a line that is not JSON.
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
            return _names(f"{self.path}:{began[1]}: the header", row)
        return ()

    def _items(
        self, reader: Reader, names: tuple[str, ...]
    ) -> Iterator[tuple[tuple[int, int], dict[str, str]]]:
        for began, row in _rows(reader, self._delimiter):
            if len(row) != len(names):
                raise UsageError(
                    f"{self.path}:{began[1]}: the row has {len(row)} cells, and there are "
                    f"{len(names)} columns: {', '.join(names)}"
                )
            yield began, dict(zip(names, row, strict=True))


def csv_rows(
    path: str | os.PathLike[str],
    *,
    fields: Sequence[str] | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> Rows:
    """Return the rows of a CSV file as items: dicts of text by the names of the columns.

    The first row is the header, unless `fields` names the columns. Empty lines are no items. A name
    that ends in `.gz` is unpacked, and a byte order mark left out. While it is read: UsageError
    with `file:line` for a row with too few or too many cells, or a quote that is never closed.
    """
    return Rows(path, encoding, fields, delimiter)


def _rows(reader: Reader, delimiter: str) -> Iterator[tuple[tuple[int, int], list[str]]]:
    """Yield each row with the place where it begins: the module takes a line when it needs it."""
    began: list[tuple[int, int]] = []

    def fed() -> Iterator[str]:
        for text in reader.lines():
            began.append(reader.began)
            yield text

    rows = csv.reader(fed(), delimiter=delimiter, strict=True)
    while True:
        began.clear()
        try:
            row = next(rows, None)
        except csv.Error as error:
            first = began[0][1] if began else reader.began[1]
            raise UsageError(
                f"{reader.path}:{first}: not CSV, in the row that begins here: {error}"
            ) from error
        if row is None:
            return
        if row:
            yield began[0], row


def _names(where: str, given: Sequence[object]) -> tuple[str, ...]:
    names = tuple(name for name in given if isinstance(name, str))
    if isinstance(given, str) or not names or len(names) != len(given):
        raise UsageError(f"{where} {given!r} are no names of columns; give texts")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{where} names a column twice: {', '.join(map(repr, twice))}")
    return names
