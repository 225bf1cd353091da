"""`each` in one process: budgets, doubts, time, and where items run."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.unit.batching import item, over
from tests.unit.runs import CALLS, Runs, touch

from holdfast import (
    Budget,
    NotDone,
    Retry,
    UsageError,
    aio,
    current_item,
    each,
    step,
    workflow,
)
from holdfast.model.facts import BudgetGranted, ItemDecided, ItemsRearmed, StepLeft
from holdfast.testing.crash import TESTER

# --- budgets of failure ---


def test_a_budget_lets_some_fail_and_holds_at_one_more(runs: Runs) -> None:
    """Exit 4, nothing new begins; a yes grants it anew, and what is done stays done."""

    def fails(value: int) -> None:
        touch(str(value))
        if value % 2:
            raise ValueError("odd")

    main = over(range(10), fails, name="item", budget=Budget(count=2))
    outcome = runs.start(main)
    assert ("on_hold", 4) == (outcome.status, outcome.exit_code)
    assert {"0", "1", "2", "3", "4", "5"} == set(CALLS)
    runs.answer("approve", comment="seen")
    outcome = runs.start(main)

    assert {"total": 10, "done": 5, "failed": 5} == outcome.result
    assert {1} == set(CALLS.values())
    assert [3] == [fact.failed for fact in runs.facts(BudgetGranted)]


def test_a_budget_that_is_not_granted_fails_the_step(runs: Runs) -> None:
    """With the person's words; taken up again, it tries the dead letters, and asks again."""
    main = over([1, 2], lambda n: touch(str(n)) and 1 // 0, name="item", budget=0)
    assert 4 == runs.start(main).exit_code
    runs.answer("reject", comment="stop this")

    failed = runs.step("item")
    assert ("failed", "failed", True) == (
        runs.row.status, failed.status, "stop this" in failed.error,
    )  # fmt: skip
    assert 4 == runs.start(main).exit_code
    assert Counter({"1": 2}) == CALLS


# --- items that run at most once ---


def test_a_once_item_that_raised_is_uncertain_and_asked_about(runs: Runs) -> None:
    """After the rest have run; `done` and `retry` decide each, and NotDone is no doubt."""

    def pays(value: int) -> None:
        touch(str(value))
        if value == 1 and CALLS["1"] == 1:
            raise OSError("timeout")
        if value == 2:
            raise OSError("timeout")
        if value == 3:
            raise NotDone("refused")

    main = over(range(5), pays, name="item", once=True, budget=1)
    outcome = runs.start(main)
    assert (6, "on_hold") == (outcome.exit_code, outcome.status)
    assert ["item/1", "item/2"] == [hold.opened.key for hold in runs.state.open_holds]
    at, seq = runs.clock.now(), runs.state.seq
    facts = (
        ItemsRearmed(at, "item", TESTER, items=("1",)),
        ItemDecided(at, "item", "2", TESTER, "done", "seen at the bank"),
    )
    assert runs.store.append("r", facts, after=seq, epoch=None).written
    outcome = runs.start(main)

    assert {"total": 5, "done": 4, "failed": 1} == outcome.result
    assert Counter({"0": 1, "1": 2, "2": 1, "3": 1, "4": 1}) == CALLS


# --- how long ---


def test_a_time_budget_leaves_in_order_and_does_at_least_one(runs: Runs) -> None:
    """Exit 75; each life goes on where the last one left, until all are done."""

    def slow(value: int) -> None:
        touch(str(value))
        runs.clock.jump(60)

    main = over(range(5), slow, name="item", time_budget="150s")
    codes = [runs.start(main).exit_code for _ in range(3)]

    assert [75, 75, 0] == codes
    assert Counter({str(n): 1 for n in range(5)}) == CALLS
    assert 2 == len(runs.facts(StepLeft))


def test_a_jobs_end_is_a_time_budget(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM says when it will kill; an item that would not fit before is not begun."""
    end = int(runs.clock.now().timestamp()) + 100
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(end))

    def slow(value: int) -> None:
        touch(str(value))
        runs.clock.jump(30)

    assert 75 == runs.start(over(range(9), slow, name="item")).exit_code
    assert {"0", "1"} == set(CALLS)


def test_a_stop_of_a_person_is_heeded_between_items(runs: Runs) -> None:
    """At the next look for requests; what landed by then is kept."""

    def asks(value: int) -> None:
        touch(str(value))
        if value == 2:
            runs.stop()
        runs.clock.jump(1)

    main = over(range(500), asks, name="item")
    assert (3, "stopped") == ((outcome := runs.start(main)).exit_code, outcome.status)
    assert len(CALLS) < 10
    assert 0 == runs.resume(main).exit_code
    assert {1} == set(CALLS.values())


# --- where it runs ---


def test_async_functions_run_at_once_in_both_kinds_of_workflow(runs: Runs) -> None:
    """As many as `at_once` says, and no more: each waits until three others have begun."""
    now, most, together = 0, 0, asyncio.Barrier(4)

    async def waits(value: int) -> int:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.wait_for(together.wait(), 30)
        now -= 1
        return value

    @aio.workflow
    async def main() -> int:
        return (await aio.each(range(20), waits, at_once=4)).done

    assert 20 == runs.start(main).result
    together = asyncio.Barrier(4)  # It belongs to the loop that first waited for it.
    assert {"total": 20, "done": 20, "failed": 0} == runs.start(
        over(range(20), waits, at_once=4), id="s"
    ).result
    assert 4 == most


def test_rows_and_checkpoint_are_one_transaction(runs: Runs, tmp_path: Path) -> None:
    """An item whose rows are there is not done again, though no checkpoint knows of it."""
    connection = sqlite3.connect(tmp_path / "mine.db", isolation_level=None)
    connection.execute("CREATE TABLE paper (n INTEGER)")

    def load(value: int) -> None:
        with current_item().tx(connection):
            touch(str(value))
            connection.execute("INSERT INTO paper VALUES (?)", (value,))
        if value == 2 and CALLS["died"] == 0:
            touch("died")
            raise SystemError("after the commit")
        if value == 3 and CALLS["3"] == 1:
            with current_item().tx(connection):
                raise AssertionError("not entered")

    main = over(range(4), load, name="item", retry=Retry(2, first=0))
    runs.start(main)

    assert [(0,), (1,), (2,), (3,)] == connection.execute("SELECT n FROM paper").fetchall()
    connection.close()


def test_a_transaction_has_no_value_to_keep(runs: Runs, tmp_path: Path) -> None:
    """Its rows are what is kept: a value would be lost by a death right after the commit."""
    connection = sqlite3.connect(tmp_path / "mine.db", isolation_level=None)

    def load(value: int) -> int:
        with current_item().tx(connection):
            return value

    outcome = runs.start(over([1], load, name="item", keep=True))
    connection.close()

    assert (1, True) == (outcome.exit_code, "leave out= and keep= out" in outcome.reason)


def test_steps_in_items_are_plain_calls_and_an_item_knows_itself(runs: Runs) -> None:
    """A step called by an item records nothing of its own."""

    @step
    def inner(value: int) -> int:
        return touch(f"inner {value}", value)

    def body(value: int) -> int:
        me = current_item()
        print(f"item {me.key} at {me.ordinal}, attempt {me.attempt}")
        return inner(value)

    runs.start(over([7], body, name="item"))

    assert ["item"] == list(runs.state.steps)
    assert ["item 7 at 0, attempt 1"] == [output.text for output in runs.output()]
    assert ["item/7"] == [output.key for output in runs.output()]


def test_several_batches_and_repeats_have_keys_of_their_own(runs: Runs) -> None:
    """The second of a name is numbered, as steps are."""

    @workflow
    def main() -> None:
        each([1], item)
        each([2], item)
        each([3], item, name="third")

    runs.start(main)

    assert ["item", "item#2", "third"] == [row.key for row in runs.store.batches.batches("r")]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"key": "place"}, "position"),
        ({"key": "position", "ledger": "x"}, "no ledger"),
        ({"once": True, "retry": 2}, "never repeated"),
        ({"once": True, "chunk": 2}, "one item at a time"),
        ({"order": "output"}, "any or input"),
        ({"sync": "batch"}, "sync"),
        ({"at_once": 0}, "at_once is 0"),
        ({"chunk": 2.5}, "chunk is 2.5"),
        ({"budget": -1}, "Budget: count is -1"),
        ({"rate": "fast"}, "rate is"),
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(
    runs: Runs, options: dict[str, Any], why: str
) -> None:
    """Before anything runs, with a sentence."""
    outcome = runs.start(over([1], **options))

    assert (2, True, {}) == (outcome.exit_code, why in outcome.reason, dict(CALLS))


def test_a_function_without_a_name_needs_one(runs: Runs) -> None:
    """The name is the batch's identity."""
    outcome = runs.start(over([1], lambda value: value))

    assert (2, True) == (outcome.exit_code, "name=" in outcome.reason)


def test_a_source_that_raises_fails_the_step_and_keeps_what_was_done(runs: Runs) -> None:
    """The next life goes on behind it."""

    def source() -> Any:
        yield from range(3)
        if CALLS["source"] == 0:
            touch("source")
            raise OSError("the list ended in the middle")
        yield from range(3, 5)

    @workflow
    def main() -> int:
        return each(source(), item).done

    outcome = runs.start(main)
    assert (1, True) == (outcome.exit_code, "ended in the middle" in outcome.reason)

    assert 5 == runs.resume(main).result
    assert Counter({"0": 1, "1": 1, "2": 1, "3": 1, "4": 1, "source": 1}) == CALLS


def test_each_belongs_into_a_workflow() -> None:
    """Outside a run it would record nothing."""
    with pytest.raises(UsageError, match="outside a run"):
        each([1], item)


@pytest.mark.parametrize("budget", ["10%", Budget(percent=10, window=500)], ids=str)
@pytest.mark.parametrize("at_once", [1, 3])
def test_a_share_of_few_items_is_judged_when_all_were_tried(
    runs: Runs, budget: Any, at_once: int
) -> None:
    """A source that ends before the window is full does not slip through; within it is well."""

    def fails(value: int) -> None:
        if value % 5 == 0 or value < 0:
            raise ValueError("no")

    outcome = runs.start(over(range(20), fails, name="item", budget=budget, at_once=at_once))
    assert (4, True) == (outcome.exit_code, "4 of" in outcome.reason)
    outcome = runs.start(over(range(1, 20), fails, name="item", budget="20%"), id="s")

    assert {"total": 19, "done": 16, "failed": 3} == outcome.result


def test_a_rate_holds_for_each_item_of_a_chunk(runs: Runs) -> None:
    """A worker that takes many at a time does not begin them all at once."""
    began: list[Any] = []

    def note(value: int) -> None:
        began.append(runs.clock.now())

    runs.start(over(range(4), note, name="item", rate="1/10s", chunk=3))
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(began)]

    assert 4 == len(began)
    assert min(gaps) >= 10
