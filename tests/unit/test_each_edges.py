"""`each` where two of its promises meet: at most once, the order of the input, and what dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.unit.batching import batch_of, over
from tests.unit.runs import CALLS, Runs, touch

from holdfast import Csv, JsonLines, Retry, current_item, each, workflow
from holdfast.app.rewinding import rewind
from holdfast.errors import Leaving
from holdfast.runtime.batches import driver
from holdfast.testing.crash import TESTER

# --- at most once ---


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, Leaving("signalled", 130, "signal")], ids=str)
def test_a_once_item_that_was_interrupted_is_in_doubt(
    runs: Runs, error: BaseException, at_once: int
) -> None:
    """A second signal in the middle of it proves nothing: it is never done again unasked."""

    def pays(value: int) -> None:
        touch(str(value))
        if value == 1:
            raise error

    main = over(range(3), pays, name="item", once=True, at_once=at_once)
    runs.start(main)
    outcome = runs.start(over(range(3), pays, name="item", once=True))

    assert (6, 1) == (outcome.exit_code, CALLS["1"])
    assert ["uncertain"] == [row.status for row in runs.store.batches.items("r", "item")]


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt, GeneratorExit, OSError])
@pytest.mark.parametrize("once", [False, True])
def test_what_a_source_ends_with_costs_no_item_in_hand(
    runs: Runs, ending: type[BaseException], once: bool
) -> None:
    """Those that ended while it was read are done, those that are still at it are waited for."""
    both, is_over = threading.Barrier(3), threading.Event()

    def does(value: int) -> None:
        touch(str(value))
        both.wait(5)
        if value == 1:
            is_over.wait(5)

    class Ends:
        """A source that ends like that, while its items are done."""

        def __iter__(self) -> Iterator[int]:
            yield from range(2)
            if CALLS["again"]:
                return
            touch("again")
            both.wait(5)
            threading.Timer(0.05, is_over.set).start()
            raise ending("no more")

    first = runs.start(over(Ends(), does, name="item", at_once=3, once=once))
    ended = batch_of(runs)
    last = runs.resume(over(Ends(), does, name="item", at_once=3, once=once))

    assert 0 != first.exit_code and (2, 0) == (ended.done, ended.uncertain)
    assert 0 == last.exit_code and (1, 1) == (CALLS["0"], CALLS["1"])


# --- what a batch began with ---


@pytest.mark.parametrize(("began", "now"), [(None, "la"), ("la", "lb"), ("la", None)])
def test_a_batch_keeps_the_ledger_with_which_it_began(
    runs: Runs, began: str | None, now: str | None
) -> None:
    """Another would never know what is done already: it is refused, nothing of it is lost, and
    with the first one, or begun anew, the batch goes on."""
    runs.start(over(range(4), name="item", ledger=began, stop_after=2))
    refused = runs.resume(over(range(4), name="item", ledger=now))
    done = batch_of(runs).done
    resumed = runs.resume(over(range(4), name="item", ledger=began))

    assert (2, 2, 0) == (refused.exit_code, done, resumed.exit_code)
    assert "holdfast rewind r --to item" in refused.reason
    assert {name: 1 for name in "0123"} == {name: CALLS[name] for name in "0123"}


@pytest.mark.parametrize(("began", "now"), [(Csv, JsonLines), (JsonLines, Csv)])
def test_a_file_of_results_stays_of_one_kind(
    runs: Runs, tmp_path: Path, began: Any, now: Any
) -> None:
    """Lines of another out= below those that are there could be read by nobody."""
    path = tmp_path / "out"

    def row(value: int) -> dict[str, object]:
        return {"a": value, "b": "x"}

    runs.start(over(range(4), row, name="item", out=began(path), stop_after=2))
    before = path.read_text()
    refused = runs.resume(over(range(4), row, name="item", out=now(path)))
    after = path.read_text()
    resumed = runs.resume(over(range(4), row, name="item", out=began(path)))

    assert (2, before) == (refused.exit_code, after)
    assert "was begun by another out=" in refused.reason
    assert 0 == resumed.exit_code and 4 == path.read_text().count("x")


def test_a_batch_that_began_without_an_output_gets_none(runs: Runs, tmp_path: Path) -> None:
    """A part of the results would be missing in it; and the file, with what it holds, is not of
    this batch."""
    path = tmp_path / "mine.jsonl"
    path.write_text("mine\n")
    runs.start(over(range(4), name="item", stop_after=2))
    refused = runs.resume(over(range(4), name="item", out=JsonLines(path)))
    resumed = runs.resume(over(range(4), name="item"))

    assert (2, 0, "mine\n") == (refused.exit_code, resumed.exit_code, path.read_text())
    assert "holdfast rewind r --to item" in refused.reason


# --- what is passed over ---


def test_what_a_ledger_knows_is_noted_while_it_is_read(runs: Runs) -> None:
    """However long nothing is to be done: it is not held in memory, and a signal is heeded."""
    read: list[int] = []

    def source() -> Iterator[int]:
        for number in range(6_000):
            read.append(batch_of(runs, "again").done)
            if number == 4_500:
                os.kill(os.getpid(), signal.SIGTERM)
            yield number

    @workflow
    def main() -> None:
        each(range(6_000), abs, name="first", ledger="l", chunk=1_000)
        each(source(), abs, name="again", ledger="l")

    outcome = runs.start(main)

    assert (143, 5_000) == (outcome.exit_code, len(read))
    assert [0, 1_000, 2_000, 3_000, 4_000] == sorted(set(read))
    assert 5_000 == batch_of(runs, "again").done


def test_a_source_that_only_repeats_itself_can_be_stopped(runs: Runs) -> None:
    """Also one that never ends: a signal is heeded among items whose keys have come before."""

    def source() -> Iterator[int]:
        for number in count():
            if number == 5_000:
                os.kill(os.getpid(), signal.SIGTERM)
            yield number % 2

    outcome = runs.start(over(source(), name="item"))

    assert (143, 2) == (outcome.exit_code, batch_of(runs).done)


def test_a_slow_source_that_is_passed_over_can_be_stopped(runs: Runs) -> None:
    """It is not waited for until it has given a thousand items."""

    def source() -> Iterator[int]:
        for number in count():
            runs.clock.jump(1)
            if number == 100:
                os.kill(os.getpid(), signal.SIGTERM)
            if number == 200:
                raise AssertionError("nobody looked")
            yield 7

    assert 143 == runs.start(over(source(), name="item")).exit_code


# --- the order of the input ---


@pytest.mark.parametrize("count", [3, 2_500])
def test_what_waits_behind_an_item_that_is_gone_is_written(
    runs: Runs, tmp_path: Path, count: int
) -> None:
    """However many; nobody waits for what the source has no more."""
    out = tmp_path / "out.jsonl"

    def fails(value: int) -> int:
        if value < 0:
            raise OSError("not now")
        return value

    def main(items: Any, **more: Any) -> Any:
        retry = Retry(5, first="1h", most="2h")
        return over(
            items, fails, name="item", order="input", out=JsonLines(out), retry=retry, **more
        )

    assert 75 == runs.start(main([-1, 0], stop_after=2)).exit_code
    outcome = runs.start(main(range(count)))

    assert (0, count) == (outcome.exit_code, batch_of(runs).done)
    assert [str(number) for number in range(count)] == out.read_text().split()


def test_once_items_keep_the_order_of_the_input(runs: Runs, tmp_path: Path) -> None:
    """One that is in hand has no outcome yet, and is waited for."""
    out, gate = tmp_path / "out.jsonl", threading.Event()

    def waits(value: int) -> int:
        if value == 0:
            gate.wait(30)
        if value == 3:
            gate.set()
        return value

    runs.start(
        over(range(6), waits, name="item", order="input", once=True, at_once=2, out=JsonLines(out))
    )

    assert ["0", "1", "2", "3", "4", "5"] == out.read_text().split()


def test_a_value_without_a_line_fails_its_item_when_its_turn_comes(
    runs: Runs, tmp_path: Path
) -> None:
    """As it would have without an order: the others are written, and no life is stuck at it."""
    out, gate = tmp_path / "out.csv", threading.Event()

    def rows(value: int) -> dict[str, int]:
        if value == 0:
            gate.wait(30)
        if value == 3:
            gate.set()
        return {"b": 2} if value == 1 else {"a": value}

    options: dict[str, Any] = {"order": "input", "at_once": 2, "budget": 1, "out": Csv(out)}
    outcome = runs.start(over(range(6), rows, name="item", **options))

    assert {"total": 6, "done": 5, "failed": 1} == outcome.result
    assert ["a", "0", "2", "3", "4", "5"] == out.read_text().split()
    (row,) = runs.store.batches.items("r", "item")
    assert ("1", "failed", "Unrecordable") == (row.key, row.status, row.error_type)
    assert [] == list(runs.store.batches.values("r", "item"))


# --- what lands all the same ---


@pytest.mark.parametrize("once", [False, True])
def test_items_in_hand_land_when_the_source_raises(runs: Runs, once: bool) -> None:
    """They are recorded before the step fails; nothing runs on behind it."""
    began, raised = threading.Event(), threading.Event()

    def waits(value: int) -> int:
        began.set()
        raised.wait(30)
        return value

    def source() -> Iterator[int]:
        yield 0
        began.wait(30)
        raised.set()
        raise OSError("the list ended in the middle")

    outcome = runs.start(over(source(), waits, name="item", at_once=2, once=once))

    assert (1, 1, 0) == (outcome.exit_code, batch_of(runs).done, batch_of(runs).in_flight)
    assert [] == list(runs.store.batches.items("r", "item"))


def test_an_item_that_cancels_a_task_of_its_own_fails_alone(runs: Runs) -> None:
    """The batch is not what was cancelled."""

    async def cancels(value: int) -> int:
        if value == 1:
            task = asyncio.ensure_future(asyncio.Event().wait())
            await asyncio.sleep(0)
            task.cancel()
            await task
        return value

    outcome = runs.start(over(range(4), cancels, name="item", budget=1))

    assert {"total": 4, "done": 3, "failed": 1} == outcome.result


def test_a_rewound_batch_enters_its_transactions_again(runs: Runs, tmp_path: Path) -> None:
    """What was committed before it was set aside says nothing of the batch that follows."""
    connection = sqlite3.connect(tmp_path / "mine.db", isolation_level=None)

    def load(value: int) -> int:
        with current_item().tx(connection):
            touch(str(value))
        return value

    @workflow
    def main() -> int:
        found = each(range(3), load, name="item")
        if CALLS["rewound"] == 0:
            raise ValueError("all of this again")
        return found.done

    runs.start(main)
    rewind(runs.store, "r", "item", runs.clock, TESTER)
    touch("rewound")

    assert 3 == runs.start(main).result
    assert [2, 2, 2] == [CALLS[str(number)] for number in range(3)]
    connection.close()


def test_a_chunk_is_no_longer_than_what_a_life_may_still_begin(runs: Runs) -> None:
    """`stop_after` counts items, however many a worker takes at a time."""
    main = over(range(20), lambda n: touch(str(n)), name="item", chunk=10, stop_after=13)

    assert (75, 13) == (runs.start(main).exit_code, len(CALLS))
    assert (0, 20) == (runs.start(main).exit_code, len(CALLS))


# --- done alone ---


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every item is done in a process of its own, as if two had died over it."""
    monkeypatch.setattr(driver, "DEATHS_ALONE", 0)


@pytest.mark.usefixtures("alone")
def test_an_async_item_is_done_alone_too(runs: Runs) -> None:
    """On a loop made for it; and one that kills its process is quarantined."""

    async def dies(value: int) -> int:
        await asyncio.sleep(0)
        if value == 1:
            os._exit(3)
        return value

    runs.start(over(range(3), dies, name="item", budget=1))

    assert (2, 1) == (batch_of(runs).done, batch_of(runs).quarantined)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("is_late", [False, True])
def test_nothing_waits_for_what_an_item_alone_left_running(runs: Runs, is_late: bool) -> None:
    """Neither after its death nor after its timeout, though its output is still open."""

    def leaves(value: int) -> None:
        program = subprocess.Popen(["sleep", "20"])
        if is_late:
            program.wait()
        os._exit(3)

    began = os.times().elapsed
    options: dict[str, Any] = {"timeout": 0.3} if is_late else {}
    outcome = runs.start(over([1], leaves, name="item", **options))

    assert 1 == outcome.exit_code
    assert os.times().elapsed - began < 15
