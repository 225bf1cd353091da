"""A store of an earlier release: brought up to date when it is written to, else read as it is."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tests.crash.databases import written_by_the_first_release

from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.samples import AT, run_created
from holdfast.testing.store_debts import borrowed
from holdfast.testing.store_opening import owned


def test_a_store_without_a_list_of_debts_gets_one(tmp_path: Path) -> None:
    """Nothing was owed in it; from now on it is kept."""
    path = written_by_the_first_release(tmp_path / "s.db")
    with closing(SqliteStore(path, read_only=True)) as store:
        assert [] == list(store.debts())
    with closing(SqliteStore(path)) as store:
        assert [] == list(store.debts())
        owned(store).append("r", [borrowed("a")], after=2, epoch=1)

    with closing(SqliteStore(path, read_only=True)) as store:
        assert [("r", "a", "return a", AT)] == list(store.debts())
    with closing(SqliteStore(path)) as store:
        assert not store.create("r", run_created())
