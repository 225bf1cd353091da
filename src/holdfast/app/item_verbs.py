"""What people decide about the items of a batch: try again, it is done, leave it out.

Each appends a control fact, which the owner applies to the items when it takes the batch up. A
living process that has the batch in hand is not disturbed: the verb is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Literal

from holdfast.app.batch_views import DEAD, decided_since
from holdfast.app.batch_ways import is_about_item
from holdfast.app.commands import Done, decide
from holdfast.app.failures import batches_meant, rows_listed
from holdfast.app.finding import find_run
from holdfast.app.items import Item, item_named, items_named
from holdfast.app.judging import at_work_in, holds_of_batch
from holdfast.app.wording import stands
from holdfast.errors import RunLocked, UsageError
from holdfast.model.batch_facts import ItemOutcome
from holdfast.model.batching import item_key
from holdfast.model.facts import Fact, HoldOpened, ItemDecided, ItemsRearmed, Who
from holdfast.model.signature import matches
from holdfast.model.standing import StepState
from holdfast.model.state import RunState
from holdfast.model.typed import command
from holdfast.ports.clock import Clock
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import is_at_work


def retry_failed(
    store: Store,
    row: RunRow,
    clock: Clock,
    by: Who,
    batch: str | None,
    *,
    where: str = "",
    limit: int | None = None,
    reason: str = "",
) -> Done:
    """Record that dead letters of a batch are to be tried again, with all their attempts: those
    whose error contains `where`, and the first `limit` of these. Durable on return.

    Raises UsageError when there are none, or when several batches have some and none is named;
    RunLocked while a process does the batch.
    """

    def choose(state: RunState) -> tuple[Sequence[Fact], str]:
        _refuse_if_over(row, state)
        key = _with_dead_letters(store, row, state, batch)
        seen = state.steps[key]
        _refuse_in_hand(store, row.id, state, seen, clock.now())
        _refuse_by_hand(seen)
        count = _count(store, row.id, state, key, where, limit)
        if not count:
            raise UsageError(
                f"no dead letter of {key} has an error with {where!r} in it; "
                f"see them: holdfast failures {row.id}"
            )
        fact = ItemsRearmed(clock.now(), key, by, (), where, limit, reason)
        words = "1 item is" if count == 1 else f"{count:,} items are"
        after = "; what came after it keeps its result" if seen.is_finished else ""
        return (fact,), f"{key}: {words} tried again{after}"

    return decide(store, row.id, choose)


def retry_item(
    store: Store, row: RunRow, clock: Clock, by: Who, item: Item, reason: str = ""
) -> Done:
    """Record that one item is to be tried again, at once and with all its attempts."""

    def choose(state: RunState) -> tuple[Sequence[Fact], str]:
        _refuse_if_over(row, state)
        seen = state.steps[item.batch]
        _refuse_in_hand(store, row.id, state, seen, clock.now(), item)
        _refuse_by_hand(seen)
        shown = _decidable(_known_now(store, row.id, state, item), "retry")
        fact = ItemsRearmed(clock.now(), item.batch, by, (shown,), reason=reason)
        return (fact,), f"{item.batch}: item {shown} is tried again"

    return decide(store, row.id, choose)


def decide_item(
    store: Store, row: RunRow, clock: Clock, by: Who, item: Item, outcome: ItemOutcome, reason: str
) -> Done:
    """Record what came of an item: it took effect, or is to be left out."""

    def choose(state: RunState) -> tuple[Sequence[Fact], str]:
        _refuse_if_over(row, state)
        seen = state.steps[item.batch]
        if seen.is_finished:
            raise UsageError(
                f"batch {item.batch} {stands(seen.status)}: what became of its items is counted. "
                f"To take it up again: {command('retry', (row.id, item.batch), ('--failed',))}"
            )
        _refuse_in_hand(store, row.id, state, seen, clock.now(), item)
        now = _known_now(store, row.id, state, item)
        shown = _decidable(now, "done" if outcome == "done" else "skip")
        fact = ItemDecided(clock.now(), item.batch, shown, by, outcome, reason)
        how = "recorded as done" if outcome == "done" else "skipped"
        return (fact,), f"{item.batch}: item {shown} {how} by {by.name}"

    return decide(store, row.id, choose)


def answer_item(
    store: Store,
    run: str,
    clock: Clock,
    by: Who,
    opened: HoldOpened,
    how: Literal["done", "retry"],
    reason: str = "",
) -> bool:
    """Decide an item in doubt as its hold was answered at a prompt; False when it is about a step.
    Durable on return."""
    if not is_about_item(opened):
        return False
    row = find_run(store, run)
    item = item_named(store, run, Journal(store, run).refresh(), opened.key)
    assert item is not None, "a hold about an item has a batch"
    if how == "done":
        decide_item(store, row, clock, by, item, "done", reason)
    else:
        retry_item(store, row, clock, by, item, reason)
    return True


def _known_now(store: Store, run: str, state: RunState, item: Item) -> Item:
    """Return what is known of an item by now: it may have been done since it was looked for."""
    found = items_named(store, run, state, item_key(item.batch, item.key))
    return next((now for now in found if (now.batch, now.key) == (item.batch, item.key)), item)


def _decidable(item: Item, verb: str) -> str:
    """Return the key of an item that a person may decide about. Raises UsageError."""
    if item.row is not None:
        return item.row.key
    match item.known:
        case "done":
            raise UsageError(
                f"item {item.key} of {item.batch} is done already; a finished item runs again "
                "only with its whole batch, by `rewind`"
            )
        case "unknown" | "ledger":
            raise UsageError(f"batch {item.batch} has met no item {item.key}; {verb} nothing")
        case _:
            raise UsageError(
                f"item {item.key} of {item.batch} was not tried yet, or is in hand: there is "
                f"nothing to decide; `{verb}` is for what failed or is in doubt"
            )


def _with_dead_letters(store: Store, row: RunRow, state: RunState, text: str | None) -> str:
    """Return the batch that is meant, or the only one with dead letters. Raises UsageError."""
    meant = batches_meant(state, text)
    dead = {key: _count(store, row.id, state, key, "", 1) for key in meant}
    found = [key for key in meant if dead[key]]
    if not found:
        which = f"in {text}" if text else f"in run {row.id}"
        raise UsageError(f"no item {which} has failed: there is nothing to try again")
    if len(found) > 1:
        raise UsageError(
            f"several batches have failed items: {', '.join(found)}; name one: "
            f"{command('retry', (row.id, found[0]), ('--failed',))}"
        )
    return found[0]


def _count(store: Store, run: str, state: RunState, key: str, where: str, limit: int | None) -> int:
    """Return how many dead letters are meant."""
    row = store.batches.batch(run, key)
    if row is None:
        return 0
    rows = rows_listed(store, run, {key: decided_since(state, row)}, *DEAD)
    found = (one for _, one in rows if matches(where, one.error_type, one.error))
    return sum(1 for _ in islice(found, limit))


def _refuse_if_over(row: RunRow, state: RunState) -> None:
    if state.is_finished:
        raise UsageError(
            f"run {row.id} {stands(state.status)}: its items stay as they are; see them: "
            f"holdfast failures {row.id}. A new run tries them again"
        )


def _refuse_by_hand(seen: StepState) -> None:
    if seen.is_finished and seen.status != "succeeded":
        raise UsageError(
            f"batch {seen.key} {stands(seen.status)} ({seen.decided_by}): its items are not tried "
            "again; `rewind` takes that back"
        )


def _refuse_in_hand(
    store: Store,
    run: str,
    state: RunState,
    seen: StepState,
    now: datetime,
    item: Item | None = None,
) -> None:
    """Raise RunLocked while a living process does the batch; but an item that it asks about may
    be decided."""
    if seen.status != "running" or seen.epoch < state.epoch:
        return
    row = store.row(run)  # By now: who does the batch may have taken the run up only since.
    if row is None or row.owner is None or not is_at_work(row, now):
        return
    asked = {hold.opened.key for hold in holds_of_batch(state, seen.key)}
    if item is not None and item_key(item.batch, item.key) in asked:
        return
    where = at_work_in(row)
    if seen.key in asked:
        raise RunLocked(
            f"batch {seen.key} waits for an answer about its budget in {where}; give that: "
            f"holdfast approve {row.id}"
        )
    raise RunLocked(
        f"batch {seen.key} is running in {where}; stop it first: holdfast stop {row.id}"
    )
