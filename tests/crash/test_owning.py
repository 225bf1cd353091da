"""What root makes in somebody's store belongs to them, and what is closed to us is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from holdfast.errors import StoreError
from holdfast.model.facts import StepStarted, StepSucceeded
from holdfast.ports.store import Output, Stored
from holdfast.stores import sqlite_health
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.samples import AT, life_started, run_created

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@contextmanager
def somebody() -> Iterator[None]:
    """Be a user who is not root."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def path() -> Iterator[Path]:
    """Where a store may lie that is that user's."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, NOBODY, -1)
        yield folder / "s.db"


def work(path: Path, run: str) -> None:
    """Leave something of every kind beside the database."""
    with closing(SqliteStore(path)) as store:
        store.create(run, run_created())
        store.claim(run, life_started(1), after=1, expected_epoch=0)
        store.write_output(run, [Output(AT, "k", 1, "out", "text")])
        store.append(run, [StepSucceeded(AT, "k", f"{run}{'x' * 100_000}")], after=2, epoch=1)
        store.append(run, [StepStarted(AT, "l", 1)], after=3, epoch=1, durable=False)
        store.batches.tail(run, "items", 1, slots=2).close()


def test_what_root_makes_belongs_to_whose_the_store_is(path: Path) -> None:
    """Who owns the store goes on with what root did there: results, output, notes and tails."""
    with somebody():
        SqliteStore(path).close()
    work(path, "r")

    made = [*path.parent.rglob("*")]
    assert {".spill", ".output", ".notes", ".batches"} <= {place.suffix for place in made}
    assert [] == [place for place in made if place.stat().st_uid != NOBODY]
    with somebody():
        work(path, "s")
        assert sqlite_health.inspect(path).is_clean


def test_a_file_with_a_second_name_is_not_given_away(path: Path) -> None:
    """Whoever may write in the folder could have made the name: of a file of root's."""
    secret = path.with_name("secret")
    secret.touch()
    with somebody():
        SqliteStore(path).close()
        (notes := path.with_name("s.db.notes")).mkdir()
    os.link(secret, notes / "1")
    work(path, "r")

    assert 0 == secret.stat().st_uid


def test_files_that_are_closed_to_us_are_told(path: Path) -> None:
    """As an error of the store, whose run ends with 74: not as a failure of the workflow, nor as
    a bug of ours. A run that is begun then only goes without what it would print."""
    with somebody():
        work(path, "r")
        (result,) = [s.fact.result for s in read(path) if isinstance(s.fact, StepSucceeded)]
    for end in (".spill", ".output"):
        os.chown(path.with_name(f"s.db{end}"), 0, 0)
    with somebody(), closing(SqliteStore(path)) as store:
        with pytest.raises(StoreError, match="chown it to whose the store is"):
            store.load(result)  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="chown it to whose the store is"):
            next(store.read_output("r"))
        assert store.create("s", run_created())
        store.write_output("s", [Output(AT, "k", 1, "out", "text")])
        assert (1, True) == (store.dropped, store.remove("s"))
        with pytest.raises(StoreError, match=r"s\.db\.spill/.*: Permission denied"):
            store.append("r", [StepSucceeded(AT, "l", "y" * 100_000)], after=4, epoch=1)


def read(path: Path) -> list[Stored]:
    with closing(SqliteStore(path, read_only=True)) as store:
        return [*store.read("r")]
