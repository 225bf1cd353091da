"""What people see of items and decide about them: failures, retry, done, skip, why."""

from __future__ import annotations

import threading
from typing import Final

import pytest
from tests.unit.runs import CALLS, TESTER, HeldUp, Runs, touch

from holdfast.app import failures, item_verbs
from holdfast.app.item_reasons import why_item
from holdfast.app.items import Item, item_named
from holdfast.app.upkeep import verify_run
from holdfast.app.views import shown, view_run
from holdfast.errors import InDoubt, RunLocked, StoreCorrupt, UsageError
from holdfast.flow.batches import each
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.model.facts import BudgetGranted

BAD = frozenset({3, 4, 5, 9})
DEADLINE_S: Final = 60


def of_items(items, *, bad=BAD, name="fetch", then=None, **options):
    """Return a workflow of one batch whose `bad` items fail until they are taken out of it."""
    broken = set(bad)

    def fetch(item):
        touch(f"item {item}")
        if item in broken:
            raise ValueError(f"id {item} is bad")

    @workflow(name="work")
    def main():
        each(items, fetch, name=name, **options)
        if then is not None:
            do("then", then)
        return "over"

    main.broken = broken  # type: ignore[attr-defined]
    return main


def item(runs: Runs, text: str) -> Item:
    found = item_named(runs.store, "r", runs.state, text)
    assert found is not None
    return found


def decide(runs: Runs, text: str, outcome="done") -> str:
    made = item_verbs.decide_item(
        runs.store, runs.row, runs.clock, TESTER, item(runs, text), outcome, "by hand"
    )
    return made.text


def retry_failed(runs: Runs, batch=None, **more) -> str:
    return item_verbs.retry_failed(runs.store, runs.row, runs.clock, TESTER, batch, **more).text


def dead(runs: Runs) -> list[str]:
    batches = {key: view.decided for key, view in view_run(runs.store, "r").batches.items()}
    rows = failures.rows_listed(runs.store, "r", batches, "failed", "quarantined")
    return [row.key for _, row in rows]


# --- seeing -----------------------------------------------------------------------------------


def test_batches_are_shown_as_promised(runs: Runs):
    """`show --json` has these members and no others; who reads them may count on it."""
    runs.start(of_items(range(10)))

    batches = shown(runs.store, view_run(runs.store, "r"))["batches"]

    expected = {"total": 10, "done": 6, "failed": 4, "quarantined": 0, "in_flight": 0}
    assert [{"key": "fetch", **expected}] == batches


@pytest.mark.parametrize(
    ("items", "bad", "names"),
    [
        (range(10), BAD, ("3-5", "9")),
        (["a", "b"], {"b"}, ("b",)),
        (["7", "8"], {"8"}, ('"8"',)),
    ],
)
def test_items_are_named_as_they_are_typed(runs: Runs, items, bad, names):
    """Numbers in stretches, others by name, and a text that looks like a number in quotes."""
    runs.start(of_items(items, bad=bad))

    (listed,) = view_run(runs.store, "r").batches["fetch"].listed

    assert names == listed.names


def test_failures_are_grouped_by_kind(runs: Runs):
    """One line for all that differ in a number, the most frequent first, with the items."""
    runs.start(of_items(range(10)))

    (group,) = failures.groups_of(runs.store, "r", {"fetch": {}})

    assert ("ValueError: id # is bad", 4, "3-5, 9") == (group.error, group.count, group.named())


@pytest.mark.parametrize(
    ("text", "state"),
    [("3", "failed"), ("1", "done"), ("77", "unknown"), ("fetch/9", "failed")],
)
def test_why_an_item_is_where_it_is(runs: Runs, text, state):
    """By its key, alone or with its batch; also one that no batch has met."""
    runs.start(of_items(range(10)))

    assert state == why_item(runs.store, view_run(runs.store, "r"), text).state


def test_an_unknown_item_is_guessed_at(runs: Runs):
    """Of the items that are known by name, those are told that look like it."""
    runs.start(of_items(["paper-17", "x"], bad={"paper-17"}))

    assert "paper-17" in why_item(runs.store, view_run(runs.store, "r"), "paper-71").text


def test_a_text_is_found_without_its_quotes(runs: Runs):
    """A shell takes them away; where no number has that name, the text is meant."""
    runs.start(of_items(["7", "8"], bad={"8"}))

    assert '"8"' == item(runs, "8").key


# --- deciding ---------------------------------------------------------------------------------


def test_an_item_that_was_done_by_hand_is_not_done_again(runs: Runs):
    """The others that failed are tried again, as at every resume of a failed batch."""
    flow = of_items(range(10))
    runs.start(flow)
    decide(runs, "3")
    flow.broken.clear()

    outcome = runs.resume(flow)

    assert ("succeeded", 1, 2) == (outcome.status, CALLS["item 3"], CALLS["item 4"])
    assert 10 == runs.step("fetch").result["done"]


def test_a_skipped_item_is_counted_as_skipped(runs: Runs):
    """The batch goes on without it, and its result says so."""
    flow = of_items(range(10), bad={3})
    runs.start(flow)
    decide(runs, "3", "skipped")
    runs.resume(flow)

    result = runs.step("fetch").result
    assert (9, 1, 0) == (result["done"], result["skipped"], result["failed"])


def test_dead_letters_are_tried_again_in_portions(runs: Runs):
    """Two portions decided before any life took them up are two different ones."""
    flow = of_items(range(10))
    runs.start(flow)
    flow.broken.clear()
    retry_failed(runs, limit=1)
    retry_failed(runs, limit=2)

    runs.resume(flow)

    assert ["9"] == dead(runs)
    assert [2, 2, 2, 1] == [CALLS[f"item {number}"] for number in (3, 4, 5, 9)]


def test_only_those_of_one_kind_are_tried_again(runs: Runs):
    """`where` is a part of the error's text; where it fits nothing, nothing is recorded."""
    flow = of_items(range(10))
    runs.start(flow)
    flow.broken.clear()

    with pytest.raises(UsageError, match="no dead letter"):
        retry_failed(runs, where="timed out")
    retry_failed(runs, where="id 9")
    runs.resume(flow)

    assert ["3", "4", "5"] == dead(runs)


def test_one_item_is_tried_again(runs: Runs):
    """The others that failed stay dead letters, and the batch fails by them."""
    flow = of_items(range(10))
    runs.start(flow)
    flow.broken.clear()
    made = item_verbs.retry_item(runs.store, runs.row, runs.clock, TESTER, item(runs, "4"))
    outcome = runs.resume(flow)

    assert "fetch: item 4 is tried again" == made.text
    assert ("failed", ["3", "5", "9"]) == (outcome.status, dead(runs))


def test_a_batch_that_succeeded_within_its_budget_is_taken_up_again(runs: Runs):
    """As long as its run is not over; what came after it keeps its result."""
    flow = of_items(range(10), budget=5, then=lambda: touch("then") and 1 // (CALLS["then"] - 1))
    runs.start(flow)
    flow.broken.clear()
    text = retry_failed(runs)
    outcome = runs.resume(flow)

    assert "what came after it keeps its result" in text
    assert ("succeeded", 0, 10) == (
        outcome.status, runs.step("fetch").result["failed"], runs.step("fetch").result["done"],
    )  # fmt: skip


def test_a_run_that_is_over_keeps_its_dead_letters(runs: Runs):
    """Nothing of it is decided any more; the message says where to read of them."""
    runs.start(of_items(range(10), budget=5))

    for verb in (retry_failed, lambda runs: decide(runs, "3")):
        with pytest.raises(UsageError, match="holdfast failures r"):
            verb(runs)


def test_several_batches_have_to_be_told_apart(runs: Runs):
    """Nobody guesses which of them is meant."""
    flow = of_items(range(10), budget=9, name="the first")
    other = of_items(range(5), name="the other")

    @workflow(name="work")
    def main():
        flow.function()
        other.function()

    runs.start(main)

    with pytest.raises(UsageError, match=r"several batches.*holdfast retry r 'the first' --failed"):
        retry_failed(runs)
    with pytest.raises(UsageError, match="say which, with its batch"):
        item(runs, "3")
    assert "the other: 2 items" in retry_failed(runs, "the other")


def test_a_batch_in_hand_is_not_disturbed(runs: Runs):
    """Its process has it; what would be recorded now would change nothing before it ends."""
    seen = []

    def look(number):
        if number == 1:
            for verb in (retry_failed, lambda runs: decide(runs, "0")):
                with pytest.raises(RunLocked, match="is running"):
                    verb(runs)
            seen.append(number)
        raise ValueError("bad")

    @workflow(name="work")
    def main():
        each(range(2), look)

    runs.start(main)

    assert [1] == seen


def test_a_batch_that_was_taken_up_meanwhile_is_not_disturbed(runs: Runs):
    """The process that took the run up since the verb began has it in hand."""
    entered, release = threading.Event(), threading.Event()

    def look(number):
        if touch("item") and CALLS["item"] > 2:
            entered.set()
            release.wait(DEADLINE_S)
        raise ValueError("bad")

    @workflow(name="work")
    def main():
        each(range(2), look)

    def take_up():
        life.start()
        assert entered.wait(DEADLINE_S)

    runs.start(main)
    row, meant = runs.row, item(runs, "0")
    verbs = {
        "retry": lambda store: item_verbs.retry_item(store, row, runs.clock, TESTER, meant),
        "done": lambda store: item_verbs.decide_item(
            store, row, runs.clock, TESTER, meant, "done", "by hand"
        ),
    }
    retry_failed(runs)
    for verb in verbs.values():
        entered.clear()
        release.clear()
        life = threading.Thread(target=runs.resume, args=(main,))
        try:
            with pytest.raises(RunLocked, match="is running in"):
                verb(HeldUp(runs.store, take_up))
        finally:
            release.set()
            life.join()
        retry_failed(runs)


def test_an_item_that_was_done_meanwhile_is_not_decided(runs: Runs):
    """A later life ended it well since the verb looked for it."""
    flow = of_items(range(2), bad={0}, then=lambda: 1 // 0)
    runs.start(flow)
    row, meant = runs.row, item(runs, "0")
    flow.broken.clear()
    retry_failed(runs)
    store = HeldUp(runs.store, lambda: runs.resume(flow))

    with pytest.raises(UsageError, match="item 0 of fetch is done already"):
        item_verbs.retry_item(store, row, runs.clock, TESTER, meant)


def test_what_needs_no_decision_is_refused(runs: Runs):
    """An item that is done, or that no batch has met."""
    runs.start(of_items(range(10)))

    with pytest.raises(UsageError, match="is done already"):
        decide(runs, "1")
    with pytest.raises(UsageError, match="has met no item"):
        decide(runs, "77")


# --- budgets and doubts -----------------------------------------------------------------------


def test_no_item_begins_before_a_budget_is_granted(runs: Runs):
    """However often the run is resumed; the answer is heeded by the life that comes after it."""
    flow = of_items(range(10), budget=0)
    runs.start(flow)
    runs.resume(flow)
    runs.resume(flow)
    asked = runs.hold().opened.id
    runs.answer("approve")
    runs.resume(flow)

    assert "h1" == asked
    assert [1] == [fact.failed for fact in runs.facts(BudgetGranted)]
    assert 1 == CALLS["item 4"]


def test_a_refused_budget_fails_the_batch(runs: Runs):
    """Also when nobody runs it: then a resume tries again what had failed."""
    flow = of_items(range(10), budget=0)
    runs.start(flow)
    runs.answer("reject", comment="look first")
    failed = runs.step("fetch").status
    flow.broken.clear()
    outcome = runs.resume(flow)

    assert ("failed", "succeeded", 2) == (failed, outcome.status, CALLS["item 3"])


def test_a_batch_that_waits_for_an_answer_waits(runs: Runs):
    """It is neither interrupted nor in doubt, whatever became of its process."""
    runs.start(of_items(range(10), budget=0))

    (step,) = view_run(runs.store, "r").steps

    assert ("waiting", False) == (step.status, step.is_orphaned)


@pytest.mark.parametrize(("verb", "calls"), [("done", 1), ("retry", 2)])
def test_an_item_in_doubt_is_decided(runs: Runs, verb, calls):
    """`done` never repeats it; `retry` does, once. Until then nothing goes back over it."""
    flow = of_items(range(4), bad={2}, once=True)
    outcome = runs.start(flow)
    flow.broken.clear()
    with pytest.raises(InDoubt):
        runs.rollback(flow)
    if verb == "done":
        decide(runs, "fetch/2")
    else:
        item_verbs.retry_item(runs.store, runs.row, runs.clock, TESTER, item(runs, "2"))
    ended = runs.resume(flow)

    assert (6, "succeeded", calls) == (outcome.exit_code, ended.status, CALLS["item 2"])


def test_items_that_were_altered_are_found_out(runs: Runs):
    """`verify` compares them with the digest that the batch's result carries."""
    runs.start(of_items(range(10), budget=5))
    verify_run(runs.store, "r")
    disk = runs.store.disk.batches.runs["r"]["fetch"]
    disk.items.pop(next(iter(disk.items)))

    with pytest.raises(StoreCorrupt, match="not what its journal recorded"):
        verify_run(runs.store, "r")


def test_a_batch_that_goes_on_is_not_verified_yet(runs: Runs):
    """A decision took it up again: its result is what it was, its items are on their way."""
    runs.start(of_items(range(10), budget=5, then=lambda: 1 // 0))
    retry_failed(runs)

    assert "r" == verify_run(runs.store, "r").run
