"""Which item of a batch a person means, and what is known of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from typing import Final, Literal, TypeAlias

from holdfast.app.batch_views import rows_of
from holdfast.app.wording import SHOWN_MAX
from holdfast.errors import UsageError
from holdfast.model.batches import BatchRow, ItemRow
from holdfast.model.bits import segments_of
from holdfast.model.items import KEY_BYTES, PRINT_BYTES, ItemKey, key_digest, shown_key
from holdfast.model.keys import last, unescape
from holdfast.model.making import dataclass
from holdfast.model.state import RunState
from holdfast.model.tail import DoneRecord, KeyRecord, records
from holdfast.ports.store import Store

ENTRY_BYTES: Final = KEY_BYTES + PRINT_BYTES
ENTRIES_PER_PAGE: Final = 65_536
EVERY_EPOCH: Final = 2**62
"""Above that of every life: what all of them left is meant."""
NEAR_MAX: Final = 10_000
"""Keys of exceptional items that are compared with one that is not known."""

Known: TypeAlias = Literal["row", "done", "reached", "ledger", "unknown"]


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a batch: its key as people see it, and what is known of it.

    `row`: it is more than simply done or untried. `done`: its bit is set; with a ledger it may
    have been done by another run. `reached`: it has an address, and no end. `ledger`: this batch
    has not met it, and its ledger knows it. `unknown`: none of these.
    """

    batch: str
    key: str
    known: Known
    ordinal: int | None = None
    row: ItemRow | None = None


def items_named(store: Store, run: str, state: RunState, text: str) -> list[Item]:
    """Return the items that `text` may mean, `ITEM` or `BATCH/ITEM`; those that are known first.

    Nothing when the run has no batch.
    """
    found: list[Item] = []
    for batch, item in _places(state, text):
        row = store.batches.batch(run, batch)
        if row is not None:
            found.extend(_in_batch(store, run, row, item))
    known = [item for item in found if item.known != "unknown"]
    by_row = [item for item in known if item.known == "row"]
    return by_row or known or found


def item_named(store: Store, run: str, state: RunState, text: str) -> Item | None:
    """Return the one item that `text` means; None when the run has no batch. Raises UsageError
    when it may be several."""
    found = items_named(store, run, state, text)
    if len(found) > 1 and found[0].known != "unknown":
        names = ", ".join(f"{item.batch}/{item.key}" for item in found[:SHOWN_MAX])
        raise UsageError(f"{text!r} may be {names}; say which, with its batch")
    return found[0] if found else None


def near(store: Store, run: str, item: Item) -> list[str]:
    """Return keys of exceptional items that look like one that is not known."""
    keys = [row.key for row in islice(rows_of(store, run, item.batch), NEAR_MAX)]
    return get_close_matches(item.key, keys, SHOWN_MAX)


def _places(state: RunState, text: str) -> Iterator[tuple[str, str]]:
    """Yield the batches that the text may mean, with what is left of it for the item."""
    batches = [key for key in state.batches if key in state.steps]
    named = False
    for batch in batches:
        for prefix in dict.fromkeys((f"{batch}/", f"{last(batch)}/")):
            if text.startswith(prefix) and len(text) > len(prefix):
                named = True
                rest = text[len(prefix) :]
                yield from ((batch, item) for item in dict.fromkeys((unescape(rest), rest)))
                break
    if not named:
        yield from ((batch, text) for batch in batches)


def keys_typed(text: str) -> Iterator[ItemKey | bytes]:
    """Yield the keys that a person may mean by what they typed, the likeliest first."""
    if re.fullmatch('"-?[0-9]+"', text):
        yield text[1:-1]
    if re.fullmatch("-?[0-9]+", text):
        yield int(text)
    yield text
    if re.fullmatch(f"[0-9a-f]{{{2 * KEY_BYTES}}}", text):
        yield bytes.fromhex(text)


def _in_batch(store: Store, run: str, row: BatchRow, text: str) -> Iterator[Item]:
    batches, batch = store.batches, row.key
    if row.identity == "position":
        if text.isdigit():
            yield _at(store, run, row, int(text), text)
        return
    keys = list(keys_typed(text))
    named = {
        found.ordinal: found for key in keys for found in batches.named(run, batch, shown_key(key))
    }
    if named:
        yield from (Item(batch, one.key, "row", one.ordinal, one) for one in named.values())
        return
    digests = {key_digest(key): shown_key(key) for key in keys}
    met = _addresses(store, run, batch, set(digests), row.enumerated)
    yield from (_at(store, run, row, ordinal, digests[digest]) for digest, ordinal in met.items())
    if not met:
        seen = batches.seen(row.ledger, list(digests)) if row.ledger else {}
        shown = [digests[digest] for digest in seen] or [shown_key(keys[0])]
        yield from (Item(batch, key, "ledger" if seen else "unknown") for key in shown)


def _at(store: Store, run: str, row: BatchRow, ordinal: int, shown: str) -> Item:
    """Return what is known of the item at an address."""
    found = store.batches.item(run, row.key, ordinal)
    if found is not None:
        return Item(row.key, shown, "row", ordinal, found)
    done = segments_of(store.batches.segments(run, row.key))
    if ordinal in done or _is_noted(store, run, row, ordinal):
        return Item(row.key, shown, "done", ordinal)
    is_within = row.total is not None and ordinal < row.total
    is_known = row.identity == "keys" or is_within
    return Item(row.key, shown, "reached" if is_known else "unknown", ordinal)


def _is_noted(store: Store, run: str, row: BatchRow, ordinal: int) -> bool:
    """Whether a tail says that an item is done which no checkpoint has yet."""
    said = (
        record
        for left in store.batches.left(run, row.key, EVERY_EPOCH)
        if left.epoch >= row.life_epoch
        for record in records(left.tail)
        if isinstance(record, DoneRecord)
    )
    return any(one.ordinal <= ordinal < one.ordinal + one.count for one in said)


def _addresses(
    store: Store, run: str, batch: str, digests: set[bytes], enumerated: int
) -> dict[bytes, int]:
    """Return the addresses of those keys that have one."""
    found: dict[bytes, int] = {}
    for first in range(0, enumerated, ENTRIES_PER_PAGE):
        page = store.batches.manifest(run, batch, first, ENTRIES_PER_PAGE)
        for digest in digests - found.keys():
            at = page.find(digest)
            while at >= 0 and at % ENTRY_BYTES:
                at = page.find(digest, at + 1)
            if at >= 0:
                found[digest] = first + at // ENTRY_BYTES
        if len(found) == len(digests):
            return found
    for left in store.batches.left(run, batch, EVERY_EPOCH):
        for record in records(left.tail):
            if isinstance(record, KeyRecord) and record.key in digests:
                found.setdefault(record.key, record.ordinal)
    return found
