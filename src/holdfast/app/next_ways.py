"""The commands that go on: from where a batch stands, and for what it asks a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from holdfast.app.batch_views import BatchView
from holdfast.app.fleet_targets import TargetRun
from holdfast.model.facts import HoldOpened
from holdfast.model.holds import HoldState
from holdfast.model.making import dataclass
from holdfast.model.state import RunState
from holdfast.model.typed import behind, typed

_ACTING: Final = ("resume", "retry", "rollback", "settle")
"""The verbs that go on with a run, for which it needs its target."""
ITEMS_SHOWN_MAX: Final = 3
"""So many items in doubt are drawn with their commands; the others are counted."""
TARGETS_SHOWN_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Next:
    """A command that goes on, as its arguments, and what it does; `typed` is a line that is typed
    instead."""

    argv: tuple[str, ...]
    does: str
    typed: str = ""

    def line(self, *options: str) -> str:
        """Return what to type; `options` stand after the program's name, where it is ours."""
        if self.typed:
            program, _, rest = self.typed.partition(" ")
            is_ours = program == "holdfast" and options
            return f"{typed((program, *options))} {rest}" if is_ours else self.typed
        return typed(("holdfast", *options, *self.argv))


def about(does: str, verb: str, run: str, name: str, *options: str) -> Next:
    """Return a command about a step or an item, by its name."""
    return Next(behind(verb, (run, name), options), does)


def displaced_ways(run: str, by: str, ways: Iterable[Next]) -> Iterator[Next]:
    """Yield what can be done while the run `by` has the target: nothing that acts on it."""
    yield Next(("why", by), f"{by} has its target: once that has ended, `resume` goes on here")
    back = ("resume", run, "--steal", "-m", "REASON")
    yield Next(back, f"take the target back, where nobody works on {by}, and go on")
    yield from without_target(ways)


def without_target(ways: Iterable[Next]) -> Iterator[Next]:
    """Yield the commands that are not refused while another run has the target."""
    return (way for way in ways if way.argv[0] not in _ACTING)


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


def target_ways(run: str, targets: Iterable[TargetRun]) -> Iterator[Next]:
    """Yield what to do about the targets of a fleet that wait for a person."""
    waiting = [each for each in targets if each.waits]
    for each in waiting[:TARGETS_SHOWN_MAX]:
        if each.is_stopped:
            yield Next(("resume", each.run), f"go on with {each.target}, which was stopped")
        else:
            yield Next(("why", each.run), f"what {each.target} waits for")
    if len(waiting) > 1:
        yield Next(("fleet", "status", run), f"all {len(waiting)} that wait, and the others")


def dead_letters(state: RunState, batches: Iterable[BatchView]) -> str:
    """Return how many items of a run that is over have failed, in words; nothing when none did."""
    left = [batch.row for batch in batches if batch.row.failed + batch.row.quarantined]
    if not left:
        return ""
    dead = sum(row.failed + row.quarantined for row in left)
    words = "1 item failed" if dead == 1 else f"{dead:,} items failed"
    # A script may go on after a batch that failed: that was no budget's doing.
    let = all(state.steps[row.key].status == "succeeded" for row in left)
    return f"{words} within the budget" if let else words


def left_behind(run: str, state: RunState, batches: Iterable[BatchView]) -> Iterator[Next]:
    """Yield where to read of the dead letters of a run that is over."""
    if words := dead_letters(state, batches):
        yield Next(("failures", run), f"{words}: which, and why")
