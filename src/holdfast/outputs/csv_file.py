"""CSV: a header once, then one row for each value."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Final
from uuid import UUID

from holdfast.errors import UsageError
from holdfast.model.encoding import Unrecordable
from holdfast.outputs.appending import Appending
from holdfast.outputs.lined import Lined
from holdfast.outputs.tails import Find, kind_of, last_row_end

_CELLS: Final = (str, int, float, bool, Decimal, Fraction, UUID, PurePath)
_NAMES_SHOWN_MAX: Final = 10


class Csv(Lined):
    """A file of comma-separated rows under one header, of which no row is ever torn or half there.

    A value is a dict, a dataclass, or a sequence in the order of the columns. The columns are those
    of the file's header, else `fields`, else those of the first row; the header is written once,
    together with the first row, so a file without rows is empty. Texts are quoted where they must
    be, also newlines; None is an empty cell, moments are ISO 8601, and a member of an Enum is its
    value.

    In a batch (`out=`), alone, and when the disk is full it behaves as `JsonLines` does. Raises
    Unrecordable, and writes nothing, for a row with unknown or missing fields, which it names, or
    with a cell that is no single value; UsageError when `fields` are not the columns of a file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fields: Sequence[str] | None = None,
        *,
        append: bool = False,
    ) -> None:
        super().__init__(path, append=append)
        self._wanted = None if fields is None else _checked(fields)
        self._columns: tuple[str, ...] = ()
        self._end = "\n"
        self._rows = _Rows()

    def _find_end(self) -> Find:
        return last_row_end

    def _may_begin(self, line: bytes) -> bool:
        return kind_of(line) not in (dict, list)  # A column may be called 7.

    def _begin(self, file: Appending) -> None:
        self._columns, self._end = (), "\n"
        if not file.length:
            return
        found, self._end = _header(file)
        if self._wanted is not None and self._wanted != found:
            raise UsageError(
                f"{file.path} has the columns {_listed(found)}, and fields= says "
                f"{_listed(self._wanted)}; no row was written. Give the same, or another file"
            )
        self._columns = found

    def _line(self, value: object, *, is_first: bool) -> bytes:
        named = _named(value)
        if is_first:
            self._columns = self._wanted or _own_columns(value, named)
        columns = self._columns
        cells = _by_place(value, columns) if named is None else _by_name(named, columns)
        row = [_cell(cell, name) for cell, name in zip(cells, columns, strict=True)]
        return self._rows.text([columns, row] if is_first else [row], self._end)


# --- what a value says ------------------------------------------------------------------------


def _named(value: object) -> Mapping[str, object] | None:
    """Return a row's cells by name, or None for a sequence of them."""
    if type(value) is dict or isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return None
    raise Unrecordable("the row", f"{type(value).__qualname__} is no dict, dataclass or sequence")


def _own_columns(value: object, named: Mapping[str, object] | None) -> tuple[str, ...]:
    if named is None:
        raise Unrecordable("the row", "a sequence names no columns; give fields= to Csv")
    try:
        return _checked(tuple(named))
    except UsageError as error:
        raise Unrecordable("the row", str(error)) from error


def _by_name(named: Mapping[str, object], columns: tuple[str, ...]) -> list[object]:
    if len(named) == len(columns):
        try:
            return [named[name] for name in columns]
        except KeyError:
            pass  # It is said below.
    unknown = [name for name in named if name not in columns]
    missing = [name for name in columns if name not in named]
    if unknown or missing:
        parts = [f"it has the unknown fields {_listed(unknown)}"] if unknown else []
        parts += [f"it lacks the fields {_listed(missing)}"] if missing else []
        raise Unrecordable("the row", f"{' and '.join(parts)}; the columns are {_listed(columns)}")
    return [named[name] for name in columns]


def _by_place(value: object, columns: tuple[str, ...]) -> list[object]:
    assert isinstance(value, Sequence)
    if len(value) != len(columns):
        raise Unrecordable(
            "the row", f"it has {len(value)} cells for {len(columns)} columns: {_listed(columns)}"
        )
    return list(value)


def _cell(value: object, name: str) -> object:
    if type(value) is str or type(value) is int:
        return value  # Most cells end here.
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, _CELLS):
        return value
    if isinstance(value, date | time):
        return value.isoformat()
    raise Unrecordable(
        f"the row's {name!r}",
        f"a {type(value).__qualname__} is no single value; give text, a number or a date",
    )


def _checked(fields: Sequence[object]) -> tuple[str, ...]:
    """Return names of columns. Raises UsageError when they cannot be a header."""
    names = tuple(name for name in fields if isinstance(name, str))
    if isinstance(fields, str) or not names or len(names) != len(fields):
        raise UsageError(f"Csv: {_listed(fields)} are no names of columns; give texts")
    if len(set(names)) != len(names):
        raise UsageError(f"Csv: {_listed(names)}: two columns have the same name")
    return names


def _listed(names: Sequence[object]) -> str:
    shown = ", ".join(map(repr, names[:_NAMES_SHOWN_MAX]))
    more = len(names) - _NAMES_SHOWN_MAX
    return f"{shown} and {more} more" if more > 0 else shown


# --- text -------------------------------------------------------------------------------------


class _Rows:
    """Makes a row's text, without an end.

    The module quotes what is in its own line end, and nothing else that a reader takes for one: so
    its end is both characters here, and the file's own comes later.
    """

    def __init__(self) -> None:
        self._row = csv.writer(self, lineterminator="\r\n").writerow

    def write(self, text: str) -> str:
        return text

    def text(self, rows: Sequence[Sequence[object]], end: str) -> bytes:
        """Return rows, each with this end. Raises Unrecordable."""
        try:
            # `writerow` returns what `write` returned.
            return "".join(str(self._row(row))[:-2] + end for row in rows).encode()
        except (csv.Error, ValueError) as error:  # A ValueError also of a number that is too long.
            raise Unrecordable("the row", f"it cannot be written as CSV: {error}") from error


def _header(file: Appending) -> tuple[tuple[str, ...], str]:
    """Return the names in the first row of the file, and how its lines end."""
    with io.TextIOWrapper(file.reader(), encoding="utf-8-sig", newline="") as text:
        lines: list[str] = []
        try:
            names = next(csv.reader(_remembered(text, lines)))
        except (StopIteration, csv.Error, UnicodeDecodeError) as error:
            raise UsageError(
                f"{file.path}: its first row is no header of CSV in UTF-8 ({error}); no row was "
                "written"
            ) from error
    if not names or len(set(names)) != len(names):
        raise UsageError(
            f"{file.path}: its first row, {_listed(names)}, names no columns, or one twice; no row "
            "was written"
        )
    return tuple(names), "\r\n" if lines[-1].endswith("\r\n") else "\n"


def _remembered(lines: Iterable[str], into: list[str]) -> Iterator[str]:
    for line in lines:
        into.append(line)
        yield line
