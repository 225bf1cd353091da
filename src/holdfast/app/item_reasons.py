"""Why an item of a batch is where it is: `why RUN ITEM`."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.app.batch_views import BatchView
from holdfast.app.items import Item, item_named, near
from holdfast.app.next_ways import Next, about
from holdfast.app.views import VERSION, RunView, time_json
from holdfast.app.wording import count, moment
from holdfast.errors import UsageError, error_text
from holdfast.model.batch_facts import ItemDecided
from holdfast.model.batches import ItemRow
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.ports.store import Store


@dataclass(frozen=True, slots=True)
class ItemWhy:
    """Where an item stands: its state in a word, in a sentence, and what to do."""

    run: str
    item: Item
    state: str
    text: str
    next: tuple[Next, ...]

    def as_json(self, *options: str) -> dict[str, Json]:
        """Return what `why RUN ITEM --json` gives; `options` stand in every command."""
        row = self.item.row
        return {
            "version": VERSION,
            "run": self.run,
            "batch": self.item.batch,
            "item": self.item.key,
            "state": self.state,
            "ordinal": self.item.ordinal,
            "attempts": 0 if row is None else row.attempts,
            "deaths": 0 if row is None else row.deaths,
            "error": None if row is None else error_text(row.error_type, row.error),
            "location": None if row is None else row.location or None,
            "next_at": None if row is None else time_json(row.next_at),
            "output": "" if row is None else row.output,
            "why": self.text,
            "next": [{"command": way.line(*options), "does": way.does} for way in self.next],
        }


def why_item(store: Store, view: RunView, text: str) -> ItemWhy:
    """Return why an item stands where it stands. Raises UsageError for a run without batches."""
    item = item_named(store, view.id, view.state, text)
    if item is None:
        raise UsageError(
            f"run {view.id} has no batch, so there is no item {text!r}; what a step did is told by "
            f"`holdfast log {view.id} STEP`"
        )
    batch = view.batches.get(item.batch)
    if item.known == "unknown":
        return _unknown(store, view, batch, item)
    state, told = _told(view, batch, item)
    decided = batch.decided.get(item.key) if batch is not None else None
    if decided is not None:
        told += f". Since then a person decided: {decided}; that is applied when the batch goes on"
    return ItemWhy(view.id, item, state, told, tuple(_ways(view, item, state)))


def _told(view: RunView, batch: BatchView | None, item: Item) -> tuple[str, str]:
    """Return the state of a known item, and the sentence that says it."""
    if item.row is not None:
        if item.row.status == "uncertain" and batch is not None and batch.is_moving:
            return "in_hand", "it is being done now"
        return item.row.status, _row_text(item.row)
    if item.known == "ledger":
        ledger = "" if batch is None else f" {batch.row.ledger!r}"
        return "known", f"its batch has not met it yet; the ledger{ledger} knows that it was done"
    if item.known == "done":
        where = f"it is done; its place in the batch is {item.ordinal}"
        said = _said_done(view, item)
        if said:
            where += f", as {said}"
        elif batch is not None and batch.row.already:
            where += (
                f". By this run, or by one before it: the ledger {batch.row.ledger!r} knew some"
            )
        return "done", where
    going = batch is not None and batch.is_moving
    text = (
        "it is in hand, or comes next" if going else "it was reached and has no end: it comes again"
    )
    return "untried", f"{text}; its place in the batch is {item.ordinal}"


def _said_done(view: RunView, item: Item) -> str:
    """Return who said that an item is done, and why; empty when nobody did."""
    for _, fact in reversed(view.state.batches[item.batch].decisions):
        if isinstance(fact, ItemDecided) and fact.item == item.key and fact.outcome == "done":
            return f"{fact.by.name} said: {fact.reason}"
    return ""


def _row_text(row: ItemRow) -> str:
    tries = count(row.attempts, "attempt")
    error = error_text(row.error_type, row.error)
    match row.status:
        case "failed":
            return f"it failed for good after {tries}: {error}"
        case "waiting" if row.next_at is not None:
            return f"it failed ({tries}: {error}), and waits until {moment(row.next_at)}"
        case "waiting":
            return f"it is tried again when the batch goes on; before, {error}"
        case "suspect":
            deaths = "its process died once" if row.deaths == 1 else f"it died {row.deaths} times"
            return (
                f"it was in hand when its process died ({deaths}). At two deaths it is "
                "done alone, in a process of its own"
            )
        case "quarantined":
            return f"it is in quarantine: done alone, it {error}"
        case "uncertain":
            return f"it is in doubt: {error}. It runs at most once"
        case _:
            return error or "it was skipped"


def _unknown(store: Store, view: RunView, batch: BatchView | None, item: Item) -> ItemWhy:
    """Return what to say of a key that no batch has met."""
    alike = near(store, view.id, item)
    guess = f"; did you mean {' or '.join(alike)}?" if alike else ""
    if batch is not None and (batch.row.total is None or batch.left):
        text = f"batch {item.batch} has not reached it yet, or its source has no such item{guess}"
        return ItemWhy(
            view.id, item, "unreached", text, (Next(("show", view.id), "how far it is"),)
        )
    text = f"batch {item.batch} has read its whole source, and met no such item{guess}"
    return ItemWhy(view.id, item, "unknown", text, (Next(("show", view.id), "what it has"),))


def _ways(view: RunView, item: Item, state: str) -> Iterator[Next]:
    run, key = view.id, f"{item.batch}/{item.key}" if len(view.batches) > 1 else item.key
    if item.row is not None:
        yield about("what it wrote", "log", run, key)
    if view.state.is_finished or item.row is None or state == "in_hand":
        return
    if state in ("failed", "quarantined", "uncertain", "skipped", "waiting"):
        yield about("try it again, and go on", "retry", run, key)
    if state in ("failed", "quarantined", "uncertain"):
        yield about("it took effect, or was done by hand", "done", run, key, "-m", "REASON")
        yield about("go on without it", "skip", run, key, "-m", "REASON")
