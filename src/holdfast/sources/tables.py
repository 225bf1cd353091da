"""Rows of a database as items, a page at a time in the order of a unique key.

The statement of the user stands inside ours, so that he writes no condition, no order and no limit:

    SELECT * FROM (<his statement>) AS q WHERE q."id" > ? ORDER BY q."id" LIMIT 1000

A page is one short transaction, so nothing is locked, or kept from being vacuumed, while its items
are worked on. Every reading has a connection of its own. Drivers differ in their placeholders; they
say which are theirs (`paramstyle`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any, Final, TypeAlias

from holdfast.errors import StoreError, UsageError
from holdfast.model.codec import Unrecordable, decode, encode
from holdfast.model.json import Json

PAGE_ROWS_MAX: Final = 100_000
_SQLITE_ERROR: Final = 1
_FLOAT4: Final = 700
"""The number of the type `real` in PostgreSQL."""
_OURS: Final = "holdfast_key"

Parameters: TypeAlias = Sequence[object] | Mapping[str, object]
Row: TypeAlias = dict[str, Any]  # A cell is whatever the driver makes of it.
Connect: TypeAlias = Callable[[], Any]  # A connection of PEP 249, of whichever driver.


class Query:
    """The rows of a statement."""

    def __init__(
        self, connect: Connect, sql: str, params: Parameters, key: Sequence[str], page: int
    ) -> None:
        self._connect, self._key, self._page = connect, tuple(key), page
        self._own: Parameters = dict(params) if isinstance(params, Mapping) else list(params)
        self._sql = sql.strip().removesuffix(";")

    def __iter__(self) -> Iterator[Row]:
        with closing(self.resume(None)) as found:
            for _, row in found:
                yield row

    def resume(self, cursor: Json) -> Generator[tuple[Json, Row], None, None]:
        """Yield each row with its key as the cursor, from that key on."""
        last = None if cursor is None else self._values(cursor)
        with closing(_Session(self._connect)) as session:
            if last is None:
                self._refuse_nulls(session)
            else:
                session.rows(f"{self._inner} LIMIT 0", self._own)  # It tells the columns' types.
            rows = self._rows(session, ">=", last)
            keys = self._keys(rows)
            while True:
                self._refuse_twins(keys)
                for values, row in zip(keys[: self._page], rows, strict=False):
                    yield self._cursor(values), row
                if len(rows) <= self._page:
                    return
                last, following = keys[self._page - 1 :]
                rows = self._rows(session, ">", last)
                keys = self._keys(rows)
                if keys[:1] != [following]:
                    self._refuse_likes(session, last, following, keys)

    def _keys(self, rows: Sequence[Row]) -> list[list[object]]:
        return [[row[name] for name in self._key] for row in rows]

    def _rows(self, session: _Session, sign: str, last: Sequence[object] | None) -> list[Row]:
        columns = ", ".join(f"q.{_quoted(name)}" for name in self._key)
        where, params = "", self._own
        if last is not None:
            marks, params = session.bound(self._own, dict(zip(self._key, last, strict=True)))
            where = f"WHERE ({columns}) {sign} ({marks}) "
        # One more than a page, to see whether its key is that of the last one.
        limit = f"LIMIT {self._page + 1}"
        rows = session.rows(f"{self._inner} {where}ORDER BY {columns} {limit}", params)
        if rows and (lacking := [name for name in self._key if name not in rows[0]]):
            raise UsageError(
                f"query: key= names {lacking[0]!r}, and the columns are {', '.join(rows[0])}"
            )
        return rows

    def _refuse_nulls(self, session: _Session) -> None:
        """No comparison finds a row whose key is NULL: it would be left out in silence."""
        none = " OR ".join(f"q.{_quoted(name)} IS NULL" for name in self._key)
        if session.rows(f"{self._inner} WHERE {none} LIMIT 1", self._own):
            raise UsageError(
                f"query: a row has no {' or '.join(self._key)} (NULL); {_UNIQUE}, or leave such "
                "rows out with WHERE"
            )

    def _refuse_twins(self, keys: Sequence[list[object]]) -> None:
        """Of rows with the same key one could be left out, where a page ends between them."""
        for one, other in pairwise(keys):
            if one == other:
                raise UsageError(f"query: two rows have the {self._shown(one)}; {_UNIQUE}")

    def _refuse_likes(
        self,
        session: _Session,
        last: list[object],
        following: list[object],
        keys: list[list[object]],
    ) -> None:
        """Another row comes than the one that was seen to be next. That one was removed, or the
        database compares keys in another way than they look: one is left out, or comes again."""
        if keys[:1] == [last]:
            raise UsageError(
                f"query: the row with the {self._shown(last)} comes after itself, because the "
                f"database keeps it otherwise than its driver tells it; {_UNIQUE}"
            )
        if last in self._keys(self._rows(session, ">=", following)):
            raise UsageError(
                f"query: the database takes the {self._shown(last)} for the "
                f"{self._shown(following)}; {_UNIQUE}"
            )

    @property
    def _inner(self) -> str:
        # On a line of its own, because the statement may end in a comment.
        return f"SELECT * FROM (\n{self._sql}\n) AS q"

    def _cursor(self, values: Sequence[object]) -> Json:
        try:
            return [encode(value) for value in values]
        except Unrecordable as error:
            raise UsageError(f"query: the {self._shown(values)} cannot be kept: {error}") from error

    def _values(self, cursor: Json) -> list[object]:
        if not isinstance(cursor, list) or len(cursor) != len(self._key):
            raise UsageError(
                f"{cursor!r} is no place in this query; a cursor is the values of "
                f"{', '.join(self._key)}"
            )
        return [decode(value) for value in cursor]

    def _shown(self, values: Sequence[object]) -> str:
        return "key " + ", ".join(map(repr, values))


_UNIQUE: Final = "key= must be a column, or columns, by which every row is another"


def query(
    connect: Connect,
    sql: str,
    params: Parameters = (),
    *,
    key: str | Sequence[str],
    page: int = 1_000,
) -> Query:
    """Return the rows of a SELECT as items: dicts by column, in the order of `key`.

    `connect()` opens a connection of `sqlite3` or `psycopg`, for one reading, which closes it. The
    statement needs no ORDER BY and no LIMIT: it is read a page at a time, each beginning after the
    last key. `key` is a column of the result, or several, by which every row is another; an index
    on it makes a page cheap. `params` are the statement's own, with the placeholders of the driver
    (with psycopg a literal `%` is `%%`).

    Rows that come with a higher key while it is read are read too. While it is read: UsageError for
    a statement that the database refuses, and for a key that is NULL or comes twice; StoreError
    when the database cannot be read; whatever `connect` raises.
    """
    keys = [key] if isinstance(key, str) else list(key)
    if not callable(connect):
        raise UsageError(
            "query: connect is a function that opens a connection, for each reading one"
        )
    if not isinstance(sql, str) or not sql.strip():
        raise UsageError("query: sql is empty; give a SELECT")
    if not keys or not all(isinstance(name, str) and name for name in keys):
        raise UsageError(f"query: key is {key!r}; give the name of a column, or several")
    if isinstance(page, bool) or not isinstance(page, int) or not 1 <= page <= PAGE_ROWS_MAX:
        raise UsageError(f"query: page is {page!r}; give 1 to {PAGE_ROWS_MAX:,} rows")
    if isinstance(params, str | bytes) or not isinstance(params, Sequence | Mapping):
        raise UsageError("query: params is a sequence of values, or a dict of them by name")
    return Query(connect, sql, params, keys, page)


class _Session:
    """A connection of whichever driver, and what is different between drivers."""

    def __init__(self, connect: Connect) -> None:
        self._connection = connect()
        name = type(self._connection).__module__.partition(".")[0]
        self._driver: Any = sys.modules.get(name)
        style = getattr(self._driver, "paramstyle", None)
        if hasattr(self._connection, "__aenter__") or style not in ("qmark", "format", "pyformat"):
            raise UsageError(
                f"query: connect() returned a {type(self._connection).__qualname__}; give a "
                "connection of sqlite3 or psycopg"
            )
        self._is_qmark = style == "qmark"
        self._reals: set[str] = set()
        """Columns of the last statement whose numbers PostgreSQL keeps in four bytes. A number of
        Python has eight: 0.7 is not found there, and less than it is what was 0.7."""

    def bound(self, params: Parameters, last: Mapping[str, object]) -> tuple[str, Parameters]:
        """Return placeholders for the values of a key, by its columns, and the parameters with
        those values."""
        if not isinstance(params, Mapping):
            marks = {name: "?" if self._is_qmark else "%s" for name in last}
            bound: Parameters = [*params, *last.values()]
        else:
            ours = {name: f"{_OURS}_{place}" for place, name in enumerate(last)}
            marks = {
                name: f":{our}" if self._is_qmark else f"%({our})s" for name, our in ours.items()
            }
            bound = {**params, **{ours[name]: value for name, value in last.items()}}
        cast = (f"CAST({mark} AS real)" if name in self._reals else mark
                for name, mark in marks.items())  # fmt: skip
        return ", ".join(cast), bound

    def rows(self, sql: str, params: Parameters) -> list[Row]:
        """Return all rows of a statement, in a transaction that is over on return."""
        try:
            with closing(self._connection.cursor()) as cursor:
                cursor.execute(sql, params)
                columns = cursor.description
                names = [column[0] for column in columns]
                if not self._is_qmark:
                    self._reals = {column[0] for column in columns if column[1] == _FLOAT4}
                found = cursor.fetchall()
            self._connection.rollback()
        except self._driver.Error as error:
            raise self._translated(error) from error
        if len(set(names)) != len(names):
            raise UsageError(f"query: two columns have the same name among {', '.join(names)}")
        return [
            dict(row) if isinstance(row, Mapping) else dict(zip(names, row, strict=True))
            for row in found
        ]

    def close(self) -> None:
        self._connection.close()

    def _translated(self, error: Exception) -> UsageError | StoreError:
        text = f"query: {type(error).__name__}: {str(error).strip()}"
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(error, self._driver.OperationalError) and code != _SQLITE_ERROR:
            return StoreError(f"{text}; the database was only read: try again when it is well")
        return UsageError(f"{text}; correct the statement or its parameters")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
