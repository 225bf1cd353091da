"""A batch of which millions of items failed is taken up again: in portions, over any kill."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.unit.batching import batch_of, over
from tests.unit.runs import CALLS, Runs, touch

from holdfast.model.facts import ItemsRearmed
from holdfast.runtime.batches import opening
from holdfast.testing.crash import TESTER, Crash, Mortal

TOTAL, PORTION = 95, 10


class Watched(Mortal):
    """A store as one process sees it that is killed after some of the checkpoints of a batch."""

    def __init__(self, store: Any, dies_after: int | None = None) -> None:
        super().__init__(store)
        self._left = dies_after
        self.rows: list[int] = []
        self.batches: Any = _Batches(self, store.batches)

    def note(self, rows: int) -> None:
        """Count the rows of one checkpoint that was made; die when it was the last."""
        self.rows.append(rows)
        if len(self.rows) == self._left:
            self.is_dead = True
            raise Crash


class _Batches:
    def __init__(self, watched: Watched, store: Any) -> None:
        self._watched, self._store = watched, store

    def __getattr__(self, name: str) -> Any:
        if self._watched.is_dead:
            raise Crash
        return getattr(self._store, name)

    def checkpoint(self, run: str, epoch: int, change: Any, **options: Any) -> None:
        self.__getattr__("checkpoint")(run, epoch, change, **options)
        self._watched.note(len(change.items))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """A run of which every item has failed; few are in memory at once."""
    monkeypatch.setattr(opening, "PORTION", PORTION)
    CALLS.clear()
    runs = Runs()
    assert 1 == runs.start(over(range(TOTAL), lambda item: 1 / 0, name="item", chunk=5)).exit_code
    return runs


def done(item: int) -> None:
    """An item that fails no more."""
    touch(str(item))


def die(runs: Runs, checkpoints: int) -> None:
    """Run a life that is killed after so many checkpoints of the batch."""
    with pytest.raises(Crash):
        runs.start(over(range(TOTAL), done, name="item"), store=Watched(runs.store, checkpoints))
    runs.store.release("r", runs.row.epoch)


def say(runs: Runs, **what: Any) -> None:
    """Let a person say which items are to be tried again."""
    fact = ItemsRearmed(runs.clock.now(), "item", TESTER, **what)
    assert runs.store.append("r", (fact,), after=runs.state.seq, epoch=None).written


@pytest.mark.parametrize("is_named", [False, True])
def test_few_are_in_memory_at_once(runs: Runs, is_named: bool) -> None:
    """Whether a resume tries all dead letters again or a person said so."""
    if is_named:
        say(runs)
    store: Any = Watched(runs.store)
    outcome = runs.start(over(range(TOTAL), done, name="item", chunk=5), store=store)

    assert {"total": TOTAL, "done": TOTAL, "failed": 0} == outcome.result
    assert Counter(map(str, range(TOTAL))) == CALLS
    assert PORTION == max(store.rows)


@pytest.mark.parametrize("checkpoints", [1, 4, 10])
@pytest.mark.parametrize("is_named", [False, True])
def test_a_kill_in_between_loses_none(runs: Runs, checkpoints: int, is_named: bool) -> None:
    """What was written is applied once more, and its counts are right."""
    if is_named:
        say(runs, where="ZeroDivision")
    die(runs, checkpoints)
    outcome = runs.start(over(range(TOTAL), done, name="item"))

    assert {"total": TOTAL, "done": TOTAL, "failed": 0} == outcome.result
    assert Counter(map(str, range(TOTAL))) == CALLS
    assert (0, 0, TOTAL) == (batch_of(runs).waiting, batch_of(runs).failed, batch_of(runs).done)


@pytest.mark.parametrize("checkpoints", [1, 2])
def test_no_more_are_tried_than_were_said(runs: Runs, checkpoints: int) -> None:
    """A limit is kept over a kill: whoever wants to see whether two go well sees two."""
    say(runs, limit=2)
    say(runs, where="something else")
    die(runs, checkpoints)
    outcome = runs.start(over(range(TOTAL), done, name="item"))

    assert (1, Counter("01")) == (outcome.exit_code, CALLS)
    assert (TOTAL - 2, 2) == (batch_of(runs).failed, batch_of(runs).done)
