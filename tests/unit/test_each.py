"""`each` in one process: what runs, what is recorded, and what a later life does with it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.runs import CALLS, Runs, touch

from holdfast import (
    Budget,
    JsonLines,
    NotDone,
    RateLimited,
    Retry,
    StepFailed,
    UsageError,
    aio,
    current_item,
    each,
    paged,
    step,
    workflow,
)
from holdfast.model.batches import BatchRow
from holdfast.model.facts import BudgetGranted, ItemDecided, ItemsRearmed, StepLeft
from holdfast.testing.crash import TESTER


@pytest.fixture
def runs() -> Runs:
    """A run on a store in memory."""
    CALLS.clear()
    return Runs()


def batch_of(runs: Runs, key: str = "item") -> BatchRow:
    """Return what is stored of a batch."""
    found = runs.store.batches.batch("r", key)
    assert found is not None
    return found


def item(value: Any) -> Any:
    """An item that notes that it ran."""
    return touch(str(value), value)


def over(items: Any, function: Any = item, **options: Any) -> Any:
    """Return a workflow of one batch, whose result is its counts."""

    @workflow
    def main() -> dict[str, int]:
        found = each(items, function, **options)
        return {"total": found.total, "done": found.done, "failed": found.failed}

    return main


# --- which item is which ---


@pytest.mark.parametrize(
    "options",
    [{}, {"at_once": 3}, {"chunk": 4}, {"key": "position"}, {"at_once": 2, "chunk": 3}],
    ids=str,
)
def test_every_item_runs_once(runs: Runs, options: dict[str, Any]) -> None:
    """Whoever does them; and a run that is over says the same without running anything."""
    outcome = runs.start(over(range(25), **options))

    assert {"total": 25, "done": 25, "failed": 0} == outcome.result
    assert Counter({str(n): 1 for n in range(25)}) == CALLS
    assert 25 == batch_of(runs).done


def test_items_of_one_key_run_once(runs: Runs) -> None:
    """The first of them; the others are counted. A text and a number are not the same."""
    runs.start(over(["a", 1, "b", "1", "a", "b", True]))

    assert Counter({"a": 1, "b": 1, "1": 2, "True": 1}) == CALLS
    assert (5, 2) == (batch_of(runs).total, batch_of(runs).duplicates)


def test_an_iterator_is_read_as_it_goes(runs: Runs) -> None:
    """By position and by key; nothing is asked for its length."""
    for key in ("position", None):
        outcome = runs.start(over(iter(range(5)), key=key), id=f"r{key}")

        assert {"total": 5, "done": 5, "failed": 0} == outcome.result


def test_what_moves_in_the_source_between_lives_is_found_again(runs: Runs) -> None:
    """Inserted items run, removed ones are gone, moved ones do not run again."""
    first = over(["a", "b", "c", "d"], stop_after=3)
    assert 75 == runs.start(first).exit_code
    runs.start(over(["new", "c", "a", "d"]))

    assert Counter({"a": 1, "b": 1, "c": 1, "d": 1, "new": 1}) == CALLS
    row = batch_of(runs)
    assert (4, 5, 1) == (row.total, row.done, row.gone)


def test_a_finished_item_that_changed_is_kept_and_counted(runs: Runs) -> None:
    """Within one run it is not done again; the fingerprint tells."""
    key = lambda pair: pair[0]  # noqa: E731
    runs.start(over([["a", 1], ["b", 1]], lambda pair: touch(pair[0]), key=key, name="item",
                    stop_after=1))  # fmt: skip
    runs.start(over([["a", 2], ["b", 2]], lambda pair: touch(pair[0]), key=key, name="item"))

    assert Counter({"a": 1, "b": 1}) == CALLS
    assert 1 == batch_of(runs).changed


def test_a_ledger_remembers_items_over_runs(runs: Runs) -> None:
    """Known ones are skipped, changed and new ones run, in another run too."""
    name = lambda pair: touch(f"{pair[0]}{pair[1]}")  # noqa: E731
    options = {"key": lambda pair: pair[0], "ledger": "papers", "name": "item"}
    runs.start(over([["a", 1], ["b", 1], ["c", 1]], name, **options))
    outcome = runs.start(over([["a", 1], ["b", 2], ["c", 1], ["d", 1]], name, **options), id="s")

    assert {"total": 4, "done": 4, "failed": 0} == outcome.result
    assert Counter({"a1": 1, "b1": 1, "c1": 1, "b2": 1, "d1": 1}) == CALLS


def test_a_source_with_cursors_is_resumed_at_the_oldest_unfinished(runs: Runs) -> None:
    """Pages of which every item is done are not asked for again."""
    asked: list[int] = []

    def page(cursor: Any) -> tuple[list[int], int | None]:
        asked.append(cursor or 0)
        at = cursor or 0
        return list(range(at * 3, at * 3 + 3)), (at + 1 if at < 4 else None)

    runs.start(over(paged(page), stop_after=7))
    asked.clear()
    outcome = runs.start(over(paged(page)))

    assert {"total": 15, "done": 15, "failed": 0} == outcome.result
    assert [2, 3, 4] == asked
    assert 15 == len(CALLS) == sum(CALLS.values())


# --- what comes of an item ---


def test_results_are_kept_and_outputs_written(runs: Runs, tmp_path: Path) -> None:
    """Both in the order of the items where it is asked for."""
    kept: list[Any] = []
    out = tmp_path / "out.jsonl"

    @workflow
    def main() -> None:
        found = each("cab", str.upper, keep=True, at_once=3, order="input", out=JsonLines(out))
        kept.extend(found.results())

    runs.start(main)

    assert [("c", "C"), ("a", "A"), ("b", "B")] == kept
    assert '"C"\n"A"\n"B"\n' == out.read_text()


def test_a_failed_item_is_tried_again_and_the_others_meanwhile(runs: Runs) -> None:
    """Its attempts are counted over lives; what is tried at last is a dead letter."""

    def flaky(value: int) -> int:
        touch(str(value))
        if value == 1 and CALLS["1"] < 3:
            raise OSError("not yet")
        if value == 2:
            raise ValueError("never")
        return value

    retry = Retry(3, first="1m", on=OSError)
    outcome = runs.start(over(range(5), flaky, retry=retry, name="item"))

    assert Counter({"0": 1, "1": 3, "2": 1, "3": 1, "4": 1}) == CALLS
    assert (1, "1 item of 5 failed: 1 × ValueError: never") == (
        outcome.exit_code, outcome.reason.partition("ItemsFailed: ")[2],
    )  # fmt: skip
    (row,) = runs.store.batches.items("r", "item")
    assert ("2", "failed", 1, "ValueError", "never") == (
        row.key, row.status, row.attempts, row.error_type, row.error,
    )  # fmt: skip


def test_a_resume_tries_dead_letters_again(runs: Runs) -> None:
    """With all their attempts, and nothing else; a second failure is a failure again."""
    broken = {"3"}

    def fails(value: int) -> None:
        touch(str(value))
        if str(value) in broken:
            raise ValueError("broken")

    main = over(range(5), fails, name="item")
    assert 1 == runs.start(main).exit_code
    assert 1 == runs.resume(main).exit_code
    broken.clear()

    assert 0 == runs.resume(main).exit_code
    assert Counter({"0": 1, "1": 1, "2": 1, "3": 3, "4": 1}) == CALLS


def test_a_failure_may_be_caught_and_stays_an_outcome(runs: Runs) -> None:
    """The script goes on; the next life gets the same failure without running an item."""

    def fails(value: int) -> None:
        touch(str(value))
        raise ValueError("broken")

    @workflow
    def main() -> str:
        try:
            each([1], fails)
        except StepFailed as failure:
            return failure.type
        return ""

    assert "ItemsFailed" == runs.start(main).result
    assert 1 == CALLS["1"]


def test_a_value_that_cannot_be_recorded_fails_its_item_alone(runs: Runs) -> None:
    """Where values are kept; elsewhere they are nobody's business."""
    value = lambda n: object() if n == 1 else n  # noqa: E731
    assert 0 == runs.start(over(range(3), value, name="item")).exit_code
    outcome = runs.start(over(range(3), value, name="item", keep=True, budget=1), id="s")

    assert {"total": 3, "done": 2, "failed": 1} == outcome.result


def test_a_rate_limit_costs_no_attempt_and_stops_everybody(runs: Runs) -> None:
    """Nobody begins before the moment that the other side has named."""
    began: list[Any] = []

    def limited(value: int) -> int:
        began.append(runs.clock.now())
        if len(began) == 1:
            raise RateLimited("5m")
        return value

    outcome = runs.start(over(range(3), limited, name="item", at_once=1))

    assert {"total": 3, "done": 3, "failed": 0} == outcome.result
    assert began[1] - began[0] >= timedelta(minutes=5)
    assert () == runs.store.batches.items("r", "item") or [] == list(
        runs.store.batches.items("r", "item")
    )


def test_a_timeout_fails_the_item_and_frees_its_worker(runs: Runs) -> None:
    """An item that does not end is given up on: the others are done by another thread."""
    import threading

    gate = threading.Event()

    def slow(value: int) -> int:
        if value == 0:
            gate.wait(30)
        return value

    try:
        from holdfast.runtime.batches import crews

        before, crews.GRACE_S = crews.GRACE_S, 0.1
        outcome = runs.start(over(range(4), slow, name="item", timeout=0.2, budget=1))
    finally:
        crews.GRACE_S = before
        gate.set()
    (row,) = runs.store.batches.items("r", "item")

    assert {"total": 4, "done": 3, "failed": 1} == outcome.result
    assert "timed out; it may still be running" == row.error


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
    """At most `at_once` of them."""
    now, most = 0, 0

    async def waits(value: int) -> int:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.sleep(0)
        now -= 1
        return value

    @aio.workflow
    async def main() -> int:
        return (await aio.each(range(20), waits, at_once=4)).done

    assert 20 == runs.start(main).result
    assert {"total": 20, "done": 20, "failed": 0} == runs.start(
        over(range(20), waits, at_once=4), id="s"
    ).result
    assert 1 < most <= 4


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
