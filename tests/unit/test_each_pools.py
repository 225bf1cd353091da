"""`each` over process pools: workers that die, pools that break, and what cannot come back."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from tests.unit.batching import over
from tests.unit.runs import Runs

from holdfast import each, here, step, workflow
from holdfast.stores.sqlite import SqliteStore


def note(noted: list[Any]) -> int:
    """Note in a file that the item ran."""
    path, value = noted
    with Path(path).open("a") as file:
        file.write(f"{value}\n")
    return int(value)


def note_and_die(noted: list[Any]) -> int:
    """Note in a file that the item ran; the second one kills its process."""
    value = note(noted)
    if value == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def test_a_once_item_whose_worker_died_is_in_doubt(runs: Runs, tmp_path: Path) -> None:
    """It is not a suspect to be done alone: that would be a second time."""
    path = tmp_path / "ran"
    items = [[str(path), number] for number in range(4)]
    with ProcessPoolExecutor(1) as pool:
        main = over(
            items, note_and_die, key=lambda pair: pair[1], name="item", once=True, executor=pool
        )
        outcome = runs.start(main)

    assert (6, ["0", "1", "2", "3"]) == (outcome.exit_code, path.read_text().split())


class Twofold(Exception):
    """Goes into a pickle and never comes out."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("twofold")


def note_and_return(noted: list[Any]) -> object:
    """Note in a file that the item ran; the second one returns what cannot be sent."""
    value = note(noted)
    if len(Path(noted[0]).read_text().split()) > 20:
        os._exit(1)
    return Twofold(1, 2) if value == 1 else value


def test_a_value_that_cannot_come_back_fails_its_item(runs: Runs, tmp_path: Path) -> None:
    """A pool would break over it each time, with nobody to blame, and repeat it for ever."""
    path = tmp_path / "ran"
    items = [[str(path), number] for number in range(4)]
    options: dict[str, Any] = {"key": lambda pair: pair[1], "name": "item", "budget": 1}
    with ProcessPoolExecutor(1) as pool:
        outcome = runs.start(over(items, note_and_return, executor=pool, **options))

    assert {"total": 4, "done": 3, "failed": 1} == outcome.result
    assert ["0", "1", "2", "3"] == path.read_text().split()


# --- pools of threads ---


def test_a_pool_of_threads_needs_nothing_that_can_be_sent(runs: Runs) -> None:
    """It is this process: any function will do, and any item."""
    seen: list[int] = []
    items = [threading.Lock() for _ in range(3)]
    with ThreadPoolExecutor(2) as pool:
        main = over(
            items, lambda lock: seen.append(id(lock)), key="position", name="item", executor=pool
        )
        outcome = runs.start(main)

    assert {"total": 3, "done": 3, "failed": 0} == outcome.result
    assert {id(lock) for lock in items} == set(seen)


def test_a_timeout_is_refused_where_nothing_could_keep_it(runs: Runs) -> None:
    """No thread of another's can be ended or replaced: it says what keeps a timeout instead."""
    with ThreadPoolExecutor(2) as pool:
        outcome = runs.start(over(range(2), abs, name="item", executor=pool, timeout="0.5s"))

    assert 2 == outcome.exit_code and "give at_once=2" in outcome.reason


class Elsewhere(Executor):
    """A pool whose workers are nobody's whom this process could end, as those of a cluster."""

    _max_workers = 2

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise AssertionError("nothing is to be done here")


def test_a_timeout_is_refused_for_workers_that_are_not_ours_to_end(runs: Runs) -> None:
    """It was taken, and an item that hung went on for ever."""
    outcome = runs.start(
        over(range(2), abs, name="item", executor=Elsewhere(), timeout="0.5s", keep=True)
    )

    assert 2 == outcome.exit_code
    assert "timeout= cannot end what a worker of Elsewhere is at" in outcome.reason
    assert "executor=ProcessPoolExecutor(2)" in outcome.reason


def test_a_timeout_is_refused_for_processes_that_tell_nobody_what_they_are_at(runs: Runs) -> None:
    """A store in memory has no place where they note it: none of them could be told from the
    others."""
    with ProcessPoolExecutor(1) as pool:
        outcome = runs.start(over(range(2), abs, name="item", executor=pool, timeout="0.5s"))

    assert 2 == outcome.exit_code and "the store has no file" in outcome.reason


# --- pools that break ---


class Locked(Executor):
    """A pool that tells what came of its items with its own lock held, as a process pool has
    done since Python 3.12 when it breaks."""

    _max_workers = 1

    def __init__(self) -> None:
        self._inner = ProcessPoolExecutor(1)
        self._lock = threading.Lock()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        told: Future[Any] = Future()
        with self._lock:
            done = self._inner.submit(fn, *args, **kwargs)
        threading.Thread(target=self._tell, args=(done, told)).start()
        return told

    def _tell(self, done: Future[Any], told: Future[Any]) -> None:
        error = done.exception()
        with self._lock:
            if error is None:
                told.set_result(done.result())
            else:
                told.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._lock:
            self._inner.shutdown(wait, cancel_futures=cancel_futures)


def test_a_pool_may_tell_of_a_death_with_its_lock_held(runs: Runs, tmp_path: Path) -> None:
    """Nothing of it is called before it has let go: a batch would wait for ever."""
    path = tmp_path / "ran"
    items = [[str(path), number] for number in range(4)]
    options: dict[str, Any] = {"key": lambda pair: pair[1], "name": "item", "budget": 1}
    outcome = runs.start(over(items, note_and_die, executor=Locked, **options))

    assert {"total": 4, "done": 3, "failed": 0} == outcome.result
    assert ["quarantined"] == [row.status for row in runs.store.batches.items("r", "item")]
    assert {"0", "1", "2", "3"} == set(path.read_text().split())


def refuse(path: str, times: int) -> None:
    """Fail in a worker before it has an item, so many times."""
    with Path(path).open("a") as file:
        file.write("no\n")
    if len(Path(path).read_text().split()) <= times:
        raise OSError("no licence")


@pytest.mark.parametrize(("times", "code"), [(1_000_000, 2), (2, 0)])
def test_pools_that_break_before_any_item_are_given_up(
    runs: Runs, tmp_path: Path, times: int, code: int
) -> None:
    """Making another would go on for ever. No item is charged with it, and none is lost."""
    path, refused = str(tmp_path / "ran"), str(tmp_path / "refused")
    items = [[path, number] for number in range(4)]
    options: dict[str, Any] = {"key": lambda pair: pair[1], "name": "item", "at_once": 1}
    pool = partial(ProcessPoolExecutor, 1, initializer=refuse, initargs=(refused, times))
    mended = partial(ProcessPoolExecutor, 1)
    with closing(SqliteStore(tmp_path / "a.db")) as store:  # One in memory has no slots.
        outcome = runs.start(over(items, note, executor=pool, **options), store=store)

        assert code == outcome.exit_code
        if code:
            assert "before a worker had begun an item" in outcome.reason
            assert not Path(path).exists()
            outcome = runs.start(over(items, note, executor=mended, **options), store=store)

    assert {"total": 4, "done": 4, "failed": 0} == outcome.result
    assert ["0", "1", "2", "3"] == Path(path).read_text().split()


def note_and_hang(noted: list[Any]) -> None:
    """Note in a file that the item ran, and never end."""
    note(noted)
    signal.pause()


def test_pools_that_break_over_items_are_made_anew_each_time(runs: Runs, tmp_path: Path) -> None:
    """However many in a row: each item's end is its own, here a timeout that kills its worker."""
    path = tmp_path / "ran"
    items = [[str(path), number] for number in range(5)]
    options: dict[str, Any] = {"name": "item", "timeout": 0.2, "budget": 5}
    pool = partial(ProcessPoolExecutor, 1)
    with closing(SqliteStore(tmp_path / "a.db")) as store:
        outcome = runs.start(
            over(items, note_and_hang, executor=pool, at_once=1, **options), store=store
        )

    assert {"total": 5, "done": 0, "failed": 5} == outcome.result
    assert ["0", "1", "2", "3", "4"] == path.read_text().split()


@step("double {value}")
def double(value: int) -> int:
    return 2 * value


def double_of(value: int) -> int:
    """Call a step, as an item may: there it is a plain call."""
    return double(value) + 1


def where(value: int) -> str:
    """Say which run the item belongs to."""
    return here().run_id


@pytest.mark.parametrize(
    "pool",
    [
        None,
        partial(ThreadPoolExecutor, 2),
        partial(ProcessPoolExecutor, 2, mp_context=get_context("fork")),
        partial(ProcessPoolExecutor, 2, mp_context=get_context("forkserver")),
    ],
    ids=["threads", "pool of threads", "fork", "forkserver"],
)
def test_a_step_in_an_item_is_a_plain_call_whoever_does_it(
    runs: Runs, tmp_path: Path, pool: Any
) -> None:
    """Without an executor, in its threads, and in processes of either kind."""

    @workflow
    def main() -> list[Any]:
        batch = each(range(4), double_of, name="item", at_once=2, executor=pool, keep=True)
        return [value for _, value in batch.results()]

    with closing(SqliteStore(tmp_path / "a.db")) as store:
        outcome = runs.start(main, store=store)

    assert [1, 3, 5, 7] == outcome.result


def test_an_item_in_a_pool_of_threads_knows_its_run(runs: Runs) -> None:
    """As one does that has no executor."""

    @workflow
    def main() -> list[Any]:
        pool = partial(ThreadPoolExecutor, 2)
        batch = each(range(2), where, name="item", at_once=2, executor=pool, keep=True)
        return [value for _, value in batch.results()]

    assert ["r", "r"] == runs.start(main).result
