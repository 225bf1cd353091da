"""The commands that go on with a batch, and those that tell what a run left behind that failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from holdfast.app.batch_views import BatchView
from holdfast.app.next_ways import Next, about
from holdfast.app.rollout_views import rollouts_of
from holdfast.app.wording import count
from holdfast.model.facts import HoldOpened
from holdfast.model.holds import HoldState
from holdfast.model.state import RunState
from holdfast.model.typed import behind

ITEMS_SHOWN_MAX: Final = 3
"""So many items in doubt are drawn with their commands; the others are counted."""


def is_about_item(opened: HoldOpened) -> bool:
    """Whether a hold asks about an item of a batch, and not about a step."""
    return opened.kind == "in_doubt" and "item" in opened.evidence


def shown_holds(holds: Sequence[HoldState]) -> list[HoldState]:
    """Return the holds to draw: of those about items only the first ones."""
    about_items = [hold for hold in holds if is_about_item(hold.opened)]
    hidden = {hold.opened.id for hold in about_items[ITEMS_SHOWN_MAX:]}
    return [hold for hold in holds if hold.opened.id not in hidden]


def item_doubts(state: RunState) -> Iterator[tuple[str, str, datetime]]:
    """Yield what to say of each item in doubt, its key, and since when it is asked about."""
    for hold in state.open_holds:
        opened = hold.opened
        if is_about_item(opened):
            why = opened.evidence.get("why") or "no result was recorded"
            text = f"item {opened.key!r} is in doubt: {why}. It runs at most once"
            yield text, opened.key, opened.at


def item_ways(run: str, opened: HoldOpened) -> Iterator[Next]:
    """Yield the commands that decide an item in doubt."""
    if is_about_item(opened):
        yield about("it took effect: never repeat it", "done", run, opened.key, "-m", "REASON")
        yield about("it did not: run it again, and go on", "retry", run, opened.key)


def more_ways(run: str, holds: Sequence[HoldState]) -> Iterator[Next]:
    """Yield where to read of the items in doubt that are not drawn."""
    more = sum(is_about_item(hold.opened) for hold in holds) - ITEMS_SHOWN_MAX
    if more > 0:
        items = "1 more item" if more == 1 else f"{more} more items"
        yield Next(("failures", run), f"{items} in doubt, and what failed")


def budget_ways(run: str, which: Iterable[str]) -> Iterator[Next]:
    """Yield the commands that answer a batch whose budget of failures is spent."""
    yield Next(("approve", run, *which), "go on, with the budget granted anew")
    yield Next(("reject", run, *which, "-m", "REASON"), "no more: the batch fails")
    yield Next(("failures", run), "what failed, by error")


def dead_letter_ways(run: str, key: str, batches: Mapping[str, BatchView]) -> Iterator[Next]:
    """Yield what to do about the dead letters of a batch that failed, if it has any."""
    batch = batches.get(key)
    if batch is None or not batch.row.failed + batch.row.quarantined:
        return
    named = (run, key) if len(batches) > 1 else (run,)
    yield Next(("failures", run), "what failed, by error")
    yield Next(behind("retry", named, ("--failed",)), "try those items again, and go on")


def left_behind(run: str, state: RunState, batches: Iterable[BatchView]) -> Iterator[Next]:
    """Yield where to read of what has failed in a run that is over; what each does begins with how
    much that is."""
    if words := _dead_letters(state, batches):
        yield Next(("failures", run), f"{words}: which, and why")
    if words := _failed_units(state):
        yield Next(("fleet", "status", run), f"{words}: which, and why")


def _dead_letters(state: RunState, batches: Iterable[BatchView]) -> str:
    left = [batch.row for batch in batches if batch.row.failed + batch.row.quarantined]
    if not left:
        return ""
    dead = sum(row.failed + row.quarantined for row in left)
    words = f"{count(dead, 'item')} failed"
    # A script may go on after a batch that failed: that was no budget's doing.
    let = all(state.steps[row.key].status == "succeeded" for row in left)
    return f"{words} within the budget" if let else words


def _failed_units(state: RunState) -> str:
    units = [unit for rollout in rollouts_of(state) for unit in rollout.units]
    failed = sum(unit.status == "failed" for unit in units)
    return f"{count(failed, 'unit')} failed" if failed else ""
