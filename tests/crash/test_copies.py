"""A store that was copied without all of it, or put back from an older copy, says so."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from holdfast.cli.doctor import diagnose
from holdfast.errors import StoreCorrupt
from holdfast.model.facts import StepStarted, StepSucceeded
from holdfast.ports.store import Output, StoreAbsent
from holdfast.stores import sqlite_health
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.samples import AT, life_started, run_created


def begun(path: Path, run: str = "r") -> SqliteStore:
    """Return a store with one more run, whose first step is noted to have started."""
    store = SqliteStore(path)
    store.create(run, run_created())
    store.claim(run, life_started(1), after=1, expected_epoch=0)
    store.write_output(run, [Output(AT, "a", 1, "out", "text")])
    go_on(store, "a", after=2, run=run)
    return store


def go_on(store: SqliteStore, key: str, *, after: int, run: str = "r") -> None:
    """Start a step, as a note."""
    store.append(run, [StepStarted(AT, key, 1)], after=after, epoch=1, durable=False)


def copied(folder: Path, path: Path, *left_out: str) -> Path:
    """Copy all that is beside `path`, as `cp -a` does, but for what ends so."""
    folder.mkdir(mode=0o700)
    for source in path.parent.iterdir():
        if not source.name.endswith(left_out or ("\0",)):
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / source.name)
    return folder / path.name


def test_a_store_without_its_log_is_not_begun_anew(tmp_path: Path) -> None:
    """All that was recorded was in the log: without it the same command would do all of it again.
    Reading, writing and `doctor` say what is missing; with the log back, all is there."""
    path = tmp_path / "a" / "s.db"
    with closing(begun(path)):
        place = copied(tmp_path / "b", path, "-wal", "-shm")
        log = (tmp_path / "a" / "s.db-wal").read_bytes()
    for is_reading in (True, False):
        with pytest.raises(StoreCorrupt, match=r"its log, s\.db-wal, is missing"):
            SqliteStore(place, read_only=is_reading)
    (damage,) = diagnose(str(place)).wrong
    assert "s.db-wal, is missing" in damage

    place.with_name("s.db-wal").write_bytes(log)
    assert () == sqlite_health.inspect(place).behind
    with closing(SqliteStore(place)) as store:
        assert 3 == len(list(store.read("r")))


def test_a_store_that_failed_while_it_was_made_is_begun(tmp_path: Path) -> None:
    """Nothing lies beside it then; nor is a file refused that was never a store's."""
    path = tmp_path / "a" / "s.db"
    with closing(begun(path)):
        place = copied(tmp_path / "b", path, "-wal", "-shm", ".notes", ".output")
        empty = copied(tmp_path / "c", path, "-wal", "-shm")
    with pytest.raises(StoreAbsent):
        SqliteStore(place, read_only=True)
    said = diagnose(str(place))
    assert (True, True) == (said.is_healthy, "copied without its log, s.db-wal" in said.mind[0])
    empty.write_bytes(b"")
    for made in (place, empty):
        begun(made).close()
        health = sqlite_health.inspect(made)
        assert (True, ()) == (health.is_clean, health.behind)


def test_a_database_older_than_what_lies_beside_it_is_told(tmp_path: Path) -> None:
    """An older copy that was put back, and one that was taken without its log: whole by itself,
    with a note of a fact it does not have, and files of runs that it never knew."""
    path = tmp_path / "a" / "s.db"
    begun(path).close()
    older = path.read_bytes()
    with closing(SqliteStore(path)) as store:
        store.append("r", [StepSucceeded(AT, "a", 1)], after=3, epoch=1)
    with closing(SqliteStore(path)) as store:
        store.claim("r", life_started(2), after=4, expected_epoch=1)
        store.append("r", [StepStarted(AT, "b", 1)], after=5, epoch=2, durable=False)
    assert () == sqlite_health.inspect(path).behind
    begun(path, "s").close()
    assert () == sqlite_health.inspect(path).behind
    path.write_bytes(older)

    health = sqlite_health.inspect(path)
    assert health.is_clean
    assert (
        "beside it are files of 1 run that is newer than all in it",
        "run r ends with fact 2, and once came to fact 6",
    ) == health.behind
    assert 2 == sum(
        "is older than what lies beside it" in text for text in diagnose(str(path)).mind
    )
    with closing(begun(path, "s")):
        assert ["run r ends with fact 2, and once came to fact 6"] == [
            *sqlite_health.inspect(path).behind
        ]
