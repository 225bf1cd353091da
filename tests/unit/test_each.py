"""`each` in one process: what runs, what is recorded, and what a later life does with it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.batching import Seen, batch_of, over
from tests.unit.runs import CALLS, Runs, touch

from holdfast import (
    JsonLines,
    RateLimited,
    Retry,
    StepFailed,
    each,
    lines,
    paged,
    workflow,
)

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
    seen = Seen()
    runs.start(over(["new", "c", "a", "d"]), listeners=[seen])

    assert Counter({"a": 1, "b": 1, "c": 1, "d": 1, "new": 1}) == CALLS
    row = batch_of(runs)
    assert (4, 5, 1) == (row.total, row.done, row.gone)
    assert ["item: 1 item of an earlier life is gone from the source"] == seen.notes
    assert (5, 5) == seen.of


def test_another_list_by_mistake_is_told_of(runs: Runs) -> None:
    """What it leaves undone is in no exit code, and nowhere else on the way."""
    failing = over(["a", "b"], lambda item: 1 / 0, name="item")
    assert 1 == runs.start(failing).exit_code
    seen = Seen()
    again = runs.start(over(["c"]), listeners=[seen])

    assert "succeeded" == again.status
    assert ["item: 2 items of earlier lives are gone from the source, 2 of them not done"] == [
        note for note in seen.notes if "gone" in note
    ]


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


@pytest.mark.parametrize("how", ["inserted", "moved", "appended"])
def test_a_file_that_changed_is_read_from_its_beginning(
    how: str, runs: Runs, tmp_path: Path
) -> None:
    """A place in it would mean another item, half a line, or that new ones before it are never
    done; what is done already is not done again."""
    path, names = tmp_path / "items", [f"item {n}" for n in range(20)]
    path.write_text("\n".join(names))
    runs.start(over(lines(path), stop_after=12))
    assert batch_of(runs).cursor is not None
    edited = {
        "inserted": ["x", *names], "moved": names[::-1], "appended": [*names, "item 20"],
    }[how]  # fmt: skip
    path.write_text("\n".join(edited))
    outcome = runs.start(over(lines(path)))

    assert {"total": len(edited), "done": len(edited), "failed": 0} == outcome.result
    assert Counter(dict.fromkeys(edited, 1)) == CALLS


# --- what comes of an item ---


def test_the_last_that_is_told_of_a_batch_is_how_far_it_came(runs: Runs) -> None:
    """It stays on the line of the step: a batch that is done is not left at 59 of 60."""
    told: list[tuple[float, float | None, str]] = []

    class Listener:
        def progress(self, key: str, done: float, total: float | None, note: str) -> None:
            told.append((done, total, note))

        def __getattr__(self, name: str) -> Any:
            return lambda *args: None

    def work(number: int) -> None:
        if number == 7:
            raise ValueError("no")

    runs.start(over(range(60), work, budget=1), listeners=(Listener(),))
    done, total, note = told[-1]

    assert (59, 60) == (done, total)
    assert "1 failed" in note and "left" not in note


def test_a_batch_is_no_value(runs: Runs) -> None:
    """What `each` returns reads the store; who wants it recorded is told to give its numbers."""

    @workflow
    def flow() -> object:
        return each(range(3), abs)

    outcome = runs.start(flow)

    assert "failed" == outcome.status
    assert "Batch has no recorded form; give what you need of it, such as its" in outcome.reason


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


@pytest.mark.parametrize("source", [list, iter])
def test_what_a_shorter_source_has_no_more_is_told(runs: Runs, source: Any) -> None:
    """By position, too, where it was not to change: more are done than it has."""

    lengths = [10, 4]

    @workflow
    def main() -> tuple[int, int, int]:
        items = source(range(lengths.pop(0)))
        found = each(items, abs, name="item", key="position", stop_after=6)
        return found.total, found.done, found.gone

    runs.start(main)

    assert (4, 6, 2) == tuple(runs.resume(main).result)
