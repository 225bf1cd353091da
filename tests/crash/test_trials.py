"""Trials and facts are one record, wherever a process dies; and a store of before has none."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import StoreCorrupt
from holdfast.flow.decorator import step
from holdfast.flow.running import Outcome
from holdfast.flow.workflows import workflow
from holdfast.model.state import RunState
from holdfast.model.trials import trials_of
from holdfast.ports.store import Store
from holdfast.stores import sqlite_schema
from holdfast.stores.memory import MemoryDisk, MemoryStore
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.crash import When, sweep
from holdfast.testing.samples import life_started, run_created
from holdfast.testing.store_opening import facts, started, succeeded
from holdfast.testing.store_trials import STEP, trial


def test_trials_follow_from_the_journal_after_every_crash() -> None:
    """Killed before and after each effect, and gone on with: each step is clean once, and what
    is kept is what the facts say."""

    @workflow(name="swept", mode="earned")
    def flow() -> None:
        for node in ("n1", "n2"):
            step("drain {node}")(lambda node: node)(node)

    def verdict(outcome: Outcome, at: int, when: When, store: Store) -> None:
        again, state = MemoryDisk(), RunState()
        for stored in store.read("r"):
            again.keep(trials_of(stored.fact, state, "r"))
            state.apply(stored.fact)
        kept = store.trials("swept", "drain {node}")

        assert "succeeded" == outcome.status
        assert list(kept) == again.trials["swept", "drain {node}"][::-1], (at, when)
        assert ["drain n2", "drain n1"] == [t.key for t in kept if t.outcome == "clean"]
        assert {"clean", "interrupted"} >= {t.outcome for t in kept}

    assert 40 <= sweep(flow, MemoryStore, verdict)


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of the first schema, with a run in the middle of a step."""
    path = tmp_path / "s.db"
    with monkeypatch.context() as before:
        before.setattr(sqlite_schema, "MIGRATIONS", sqlite_schema.MIGRATIONS[:1])
        before.setattr(sqlite_schema, "VERSION", 1)
        before.setattr("holdfast.stores.sqlite_trials.keep", lambda *given: None)
        with closing(SqliteStore(path)) as store:
            store.create("r", run_created())
            store.claim("r", life_started(1), after=1, expected_epoch=0)
            store.append("r", [started(1)], after=2, epoch=1)
    assert 1 == sqlite_schema.recognise(path)
    return path


def test_an_older_store_is_brought_up_to_date(old: Path) -> None:
    """The first process that may write adds the tables; nothing else of it changes."""
    with closing(SqliteStore(old)) as store:
        before = facts(store)
        store.append("r", [succeeded(1)], after=3, epoch=1, trials=[trial()])

        assert [started(1)] == before[2:]
        assert [trial()] == store.trials(*STEP)
    assert sqlite_schema.VERSION == sqlite_schema.recognise(old)


def test_an_older_store_is_read_as_it_is(old: Path) -> None:
    """Who only reads changes nothing, and finds that nothing was on trial."""
    with closing(SqliteStore(old, read_only=True)) as store:
        found: list[Any] = [*store.trials(*STEP), *store.tried()]

        assert [] == found
        assert 3 == len(facts(store))
    assert 1 == sqlite_schema.recognise(old)


def test_a_trial_of_a_later_release_is_not_guessed_at(tmp_path: Path) -> None:
    """An outcome, or a time, that is not understood stops whoever would judge by it."""
    with closing(SqliteStore(tmp_path / "s.db")) as store:
        store.keep_trials([trial("failed")])
        for change in ("outcome = 'splendid'", "outcome = 'clean', at = 'yesterday'"):
            store._database.write(
                lambda connection, change=change: connection.execute(f"UPDATE trial SET {change}"),
                durable=True,
            )
            with pytest.raises(StoreCorrupt, match=r"drain \{node\}"):
                store.trials(*STEP)
