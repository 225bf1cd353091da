"""Items of pages and tables: how they are asked for, and what is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import RateLimited, StoreError, UsageError
from holdfast.model.rate import Rate
from holdfast.sources import paged, query
from holdfast.sources.pages import Pages


def numbered(at: Any) -> tuple[list[int], int | None]:
    """Return page `at` of four, of two items each."""
    return [2 * at, 2 * at + 1], at + 1 if at < 3 else None


def test_a_page_is_asked_for_when_it_is_needed() -> None:
    """Whoever takes three items has asked for two pages."""
    asked: list[int] = []
    source = paged(lambda at: asked.append(at) or numbered(at), start=0)

    assert ([0, 1, 2], [0, 1]) == (list(islice(source, 3)), asked)
    assert list(range(8)) == list(source)


def test_a_reading_goes_on_with_its_page() -> None:
    """All items of the page come again, none of those before."""
    source = paged(numbered, start=0)
    cursor = next(cursor for cursor, item in source.resume(None) if item == 5)

    assert [4, 5, 6, 7] == [item for _, item in source.resume(cursor)]


def test_what_the_function_raises_ends_no_reading() -> None:
    """The next `next` asks for the same page again: nothing is lost, nothing twice."""
    bad, taken = [1, 1, 3], []

    def moody(at: Any) -> tuple[list[int], int | None]:
        if at in bad:
            bad.remove(at)
            raise RateLimited("2s")
        return numbered(at)

    reading, limited = paged(moody, start=0).resume(None), 0
    while True:
        try:
            taken.append(next(reading)[1])
        except RateLimited:
            limited += 1
        except StopIteration:
            break

    assert (list(range(8)), 3) == (taken, limited)


def test_pages_are_not_asked_for_faster_than_the_rate() -> None:
    """The first at once, each other an interval after the one before, whoever reads."""
    now, begun = [100.0], []

    def pause(seconds: float) -> None:
        now[0] += seconds

    def asked(at: Any) -> tuple[list[int], int | None]:
        begun.append(now[0])
        return numbered(at)

    source = Pages(asked, 0, Rate.of("2/s"), monotonic=lambda: now[0], pause=pause)
    assert 16 == len([*source, *source])

    assert pytest.approx([100 + n / 2 for n in range(8)]) == begun


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([1, 2], r"returned a list for the cursor 0; return \(items, next\)"),
        (([1], 2, 3), r"return \(items, next\)"),
        (("text", None), "items of the page at 0 are a str"),
        ((None, None), "are a NoneType"),
        (([1], 0), "names itself as the next one"),
        (([1], (1, 2)), "is not plain JSON"),
        (([1], object()), "is not plain JSON"),
        (([1], float("nan")), "is not plain JSON"),
        (([1], "x" * 70_000), "too long to keep"),
    ],
)
def test_an_answer_of_another_form_is_refused(answer: Any, why: str) -> None:
    """The error names the cursor and the form."""
    with pytest.raises(UsageError, match=why):
        list(paged(lambda at: answer, start=0))


@pytest.mark.parametrize(("before", "length"), [(0, 2), (1, 3), (50, 7), (3, 1_000)])
def test_pages_that_go_round_are_refused(before: int, length: int) -> None:
    """After some turns, wherever the round begins and however long it is; every item has come."""
    taken: list[int] = []

    def page(at: Any) -> tuple[list[int], int]:
        return [at], at + 1 if at + 1 < before + length else before

    with pytest.raises(UsageError, match="has come before: the pages go round"):
        taken.extend(paged(page, start=0))

    assert set(range(before + length)) == set(taken)
    assert len(taken) <= 3 * (before + length)


def test_a_source_of_pages_wants_a_function() -> None:
    """And a cursor and a rate that can be."""
    for wrong in ({"fn": 7}, {"start": {1}}, {"rate": "often"}):
        with pytest.raises(UsageError):
            paged(**{"fn": numbered, **wrong})


# --- tables -----------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(tmp_path / "t.db", timeout=0)

    with connect() as db:
        db.execute("CREATE TABLE t (id INTEGER, name TEXT)")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"n{n}") for n in range(10, 0, -1)])
    db.close()
    return connect


def changed(connect: Callable[..., sqlite3.Connection], sql: str) -> None:
    with connect() as db:
        db.execute(sql)
    db.close()


@pytest.mark.parametrize("page", [1, 2, 3, 9, 10, 11, 1000])
def test_rows_come_in_the_order_of_the_key(table: Any, page: int) -> None:
    """All of them once, whatever a page holds; the statement's own order counts for nothing."""
    source = query(table, "SELECT * FROM t ORDER BY name DESC;", key="id", page=page)

    assert [{"id": n, "name": f"n{n}"} for n in range(1, 11)] == list(source)


def test_parameters_are_the_drivers(table: Any) -> None:
    """By place and by name, beside the ones that pages need."""
    by_place = query(
        table, "SELECT id FROM t WHERE id > ? AND name <> ?", (5, "n7"), key="id", page=2
    )
    named = query(table, "SELECT id FROM t WHERE id > :n", {"n": 8}, key="id", page=1)

    assert [6, 8, 9, 10] == [row["id"] for row in by_place]
    assert [9, 10] == [row["id"] for row in named]


def test_rows_of_another_kind_are_dicts_too(table: Any) -> None:
    """A connection may make rows as it likes."""

    def connect() -> sqlite3.Connection:
        db: sqlite3.Connection = table()
        db.row_factory = sqlite3.Row
        return db

    assert {"id": 1, "name": "n1"} == next(iter(query(connect, "SELECT * FROM t", key="id")))


def test_nothing_is_locked_between_pages(table: Any) -> None:
    """Somebody else writes while the items of a page are worked on; his higher keys are read."""
    found = iter(query(table, "SELECT id FROM t", key="id", page=4))
    first = next(found)
    changed(table, "INSERT INTO t VALUES (11, 'late')")
    changed(table, "DELETE FROM t WHERE id = 7")

    assert [1, 2, 3, 4, 5, 6, 8, 9, 10, 11] == [first["id"], *(row["id"] for row in found)]


@pytest.mark.parametrize("page", [4, 5, 6, 20])
def test_a_key_that_comes_twice_is_refused(table: Any, page: int) -> None:
    """Also when a page ends between the two rows: one of them would be left out in silence."""
    changed(table, "INSERT INTO t VALUES (5, 'twin')")

    with pytest.raises(UsageError, match="two rows have the key 5; key= must be"):
        list(query(table, "SELECT * FROM t", key="id", page=page))


def test_keys_that_are_the_same_to_the_database_are_refused(tmp_path: Path) -> None:
    """Where a page ends between them one would be left out in silence, as they look different."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(tmp_path / "t.db")

    with connect() as db:
        db.execute("CREATE TABLE t (name TEXT COLLATE NOCASE)")
        db.executemany("INSERT INTO t VALUES (?)", [("a",), ("b",), ("B",), ("c",)])
    db.close()

    with pytest.raises(UsageError, match=r"takes the key '[bB]' for the key '[bB]'; key= must be"):
        list(query(connect, "SELECT * FROM t", key="name", page=2))


def test_a_key_that_the_driver_rounds_is_refused(table: Any) -> None:
    """Its row would come again, with each page."""

    def connect() -> sqlite3.Connection:
        db: sqlite3.Connection = table()
        db.row_factory = lambda cursor, row: {"half": int(row[0])}
        return db

    with pytest.raises(UsageError, match="the key 1 comes after itself"):
        list(query(connect, "SELECT id + 0.5 AS half FROM t", key="half", page=1))


def test_a_key_that_is_null_is_refused(table: Any) -> None:
    """Before the first item is given: no comparison would ever find that row."""
    changed(table, "INSERT INTO t VALUES (NULL, 'none')")

    with pytest.raises(UsageError, match=r"a row has no id \(NULL\)"):
        next(iter(query(table, "SELECT * FROM t", key="id")))


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT wrong FROM t", "OperationalError: no such column: wrong; correct"),
        ("SELECT name FROM t", "no such column: q.id"),
        ("DELETE FROM t", "syntax error"),
        ("SELECT id, id FROM t WHERE id = ?", "correct the statement or its parameters"),
        ("SELECT id AS ID, name FROM t", "key= names 'id', and the columns are ID, name"),
    ],
)
def test_a_statement_that_cannot_be_is_refused(table: Any, sql: str, why: str) -> None:
    """What the database says, and nothing is changed."""
    with pytest.raises(UsageError, match=why):
        list(query(table, sql, key="id"))

    assert 10 == len(list(query(table, "SELECT * FROM t", key="id")))


def test_a_database_that_cannot_be_read_is_storage(table: Any) -> None:
    """A lock that is not given up is no mistake of the script."""
    writer = table()
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="database is locked; the database was only read"):
        list(query(table, "SELECT * FROM t", key="id"))
    writer.close()


def test_a_connection_is_closed(table: Any) -> None:
    """After the last row, after an error, and when a reading is given up."""
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        opened.append(table())
        return opened[-1]

    list(query(connect, "SELECT * FROM t", key="id"))
    with pytest.raises(UsageError):
        list(query(connect, "SELECT wrong FROM t", key="id"))
    given_up = query(connect, "SELECT * FROM t", key="id").resume(None)
    next(given_up)
    given_up.close()

    assert 3 == len(opened)
    for db in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            db.execute("SELECT 1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"connect": 7},
        {"connect": dict},
        {"sql": " "},
        {"key": ""},
        {"key": []},
        {"page": 0},
        {"page": True},
        {"params": "text"},
    ],
)
def test_a_query_that_cannot_work_is_refused(table: Any, wrong: dict[str, Any]) -> None:
    """With a sentence; what is no connection as soon as it is opened."""
    with pytest.raises(UsageError, match="query: "):
        list(query(**{"connect": table, "sql": "SELECT * FROM t", "key": "id", **wrong}))
