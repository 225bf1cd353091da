"""Open the books of a batch: what earlier lives left, and what people decided since.

Everything found is made durable before the first item begins, and only then are the tails of
earlier lives removed. A crash before that finds them again; `life_epoch` tells which of them are
part of the checkpoint already, and `decided_seq` which decisions are. Where millions of items are
tried again, that is written in portions, each of which may be applied once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from shlex import quote
from typing import Final

from holdfast.boot import boot_id
from holdfast.errors import StoreCorrupt, UsageError
from holdfast.model.batches import BatchRow, ItemRow
from holdfast.model.batching import BatchState
from holdfast.model.facts import ItemDecided, ItemsRearmed
from holdfast.model.items import KEY_BYTES, ItemStatus
from holdfast.model.making import replace
from holdfast.model.signature import matches
from holdfast.model.tail import DoneRecord, records
from holdfast.ports.batches import Left
from holdfast.ports.outputs import BEGIN_ANEW, KEPT_END
from holdfast.runtime.batches.book import SETTLED, Book
from holdfast.runtime.batches.rules import BatchRules
from holdfast.runtime.batches.settling import take_turns
from holdfast.runtime.life import Life

PAGE: Final = 1_000
PORTION: Final = 10_000
"""So many rows are in memory at once while items are to be tried again."""
DEAD: Final[frozenset[ItemStatus]] = frozenset({"failed", "quarantined"})
REARMED: Final[frozenset[ItemStatus]] = SETTLED | {"waiting"}
"""An item in one of these is tried again, and at once, when a person names it."""


def open_book(life: Life, key: str, rules: BatchRules, slots: int) -> Book:
    """Return the books of a batch, with everything known of it, ready for its first item.

    On return what earlier lives did survives power loss. Raises Leaving when the store or the
    output refuses; StoreCorrupt, as Leaving, for what does not decode; UsageError for another
    ledger than the batch began with, or an output where it had none.
    """
    state = life.journal.state.batches[key]
    epoch = life.journal.epoch
    assert epoch is not None
    book, is_anew, is_stored = known_book(life, key, rules, epoch)
    if book.row.ledger != rules.ledger:
        raise _other_ledger(book)
    if rules.out is not None and _began_without_output(book, state):
        raise UsageError(
            f"the batch {book.key} began without out=, and what its items returned is in no file. "
            f"Leave it out again, or begin the batch anew with it: `{begin_anew(book)}`"
        )
    with book.guard():
        _open_output(book, is_first=is_anew)
        try:
            _begin_life(book, state, epoch)
            if not is_anew:
                apply_decisions(book, state, book.checkpoint)
            book.row = replace(book.row, decided_seq=_last_decided(state))
            book.checkpoint(anew=is_anew and is_stored)
            # Only now: what is written before the output is known to be open again would be taken
            # for somebody else's by the life after a kill.
            _load_turns(book)
            book.store.forget_left(life.run, key, epoch)
            book.tail = book.store.tail(life.run, key, epoch, slots=slots)
        finally:
            if book.tail is None and rules.out is not None:
                rules.out.close()  # Its lock would keep out the next life in this process.
    return book


def _other_ledger(book: Book) -> UsageError:
    """Return the error for a ledger that would never know what the batch has done already."""
    began, now = (f"ledger={name!r}" if name else "no ledger" for name in
                  (book.row.ledger, book.rules.ledger))  # fmt: skip
    return UsageError(
        f"the batch {book.key} began with {began}, and the script now has {now}, which would not "
        f"know what is done already. Give it {began} again, or begin it anew with the other: "
        f"`{begin_anew(book)}`"
    )


def _began_without_output(book: Book, state: BatchState) -> bool:
    """Whether items returned something and nothing of it was ever written: whatever the file of
    an output holds is somebody else's then."""
    has_returned = book.counts["done"] > book.counts["already"]
    is_told = any(isinstance(fact, ItemDecided) for _, fact in state.decisions)
    return has_returned and not (book.output_bytes or book.is_ordered or is_told)


def begin_anew(book: Book) -> str:
    """Return the command after which a batch begins with its first item."""
    return BEGIN_ANEW.replace("RUN", book.life.run).replace("STEP", quote(book.key))


def known_book(life: Life, key: str, rules: BatchRules, epoch: int) -> tuple[Book, bool, bool]:
    """Return the books of a batch with everything that lives before this epoch did; whether that is
    nothing, and whether something is stored of it all the same. Writes nothing."""
    state = life.journal.state.batches[key]
    found = life.store.batches.batch(life.run, key)
    is_anew = found is None or found.begun_seq != state.begun_seq
    fresh = BatchRow(key, rules.identity, begun_seq=state.begun_seq, ledger=rules.ledger)
    book = Book(life, rules, fresh if is_anew or found is None else found)
    with book.guard():
        if not is_anew:
            _read(book)
            # What another process of this very life left, too: a shell's life has many.
            for left in book.store.left(life.run, key, epoch + 1):
                _absorb(book, left)
    return book, is_anew, found is not None


def _begin_life(book: Book, state: BatchState, epoch: int) -> None:
    now = book.life.clock.now()
    granted_anew = state.granted != book.row.granted
    if granted_anew:
        book.recent.clear()
    book.row = replace(
        book.row,
        life_epoch=epoch,
        life_at=now,
        granted=state.granted,
        output_closed=False,
    )


def _last_decided(state: BatchState) -> int:
    return max([state.failed_seq, *(seq for seq, _ in state.decisions)])


def _read(book: Book) -> None:
    """Take in what the store has of the batch."""
    for number, blob in book.store.segments(book.life.run, book.key).items():
        book.done.load(number, blob)
        book.settled.load(number, blob)
    for row in rows_of(book):
        (book.settled if row.status in SETTLED else book.noted).add(row.ordinal)


def rows_of(book: Book, *statuses: ItemStatus) -> Iterator[ItemRow]:
    """Yield the rows of items in the store, a page at a time."""
    after = -1
    while True:
        page = book.store.items(book.life.run, book.key, statuses=statuses, after=after, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].ordinal


def _absorb(book: Book, left: Left) -> None:
    """Take in what a life noted and made no checkpoint of. After another boot of the machine
    nobody knows what of it reached the disk, and it counts for nothing."""
    boot = boot_id()
    if left.epoch < book.row.life_epoch or not boot or left.boot != boot:
        return
    for record in records(left.tail):
        if isinstance(record, DoneRecord):
            book.output_bytes = max(book.output_bytes, record.output_bytes)
            for ordinal in range(record.ordinal, record.ordinal + record.count):
                if ordinal not in book.done:
                    book.settle(ordinal)
                    _learn(book, ordinal)
        elif record.ordinal == book.enumerated:
            book.enumerate(record.key, record.print)
    for slot in left.slots:
        _suspect(book, slot.item)


def _learn(book: Book, ordinal: int) -> None:
    if book.rules.ledger:
        entry = book.entry(ordinal)
        book.learn(entry[:KEY_BYTES], entry[KEY_BYTES:])


def _suspect(book: Book, ordinal: int) -> None:
    """An item was in hand when its process died."""
    if ordinal in book.settled:
        return
    known = book.store.item(book.life.run, book.key, ordinal)
    at = book.life.clock.now()
    if known is None:
        row = ItemRow(ordinal, shown_at(book, ordinal), "suspect", at, deaths=1)
    else:
        book.take(ordinal, known.status)
        row = replace(known, status="suspect", at=at, deaths=known.deaths + 1, next_at=None)
    book.put(replace(row, error="it was in hand when its process died"))
    book.let_go(ordinal)
    book.noted.add(ordinal)


def shown_at(book: Book, ordinal: int) -> str:
    """Return how an item is called whose key nobody has told in this life."""
    if book.rules.identity == "position":
        return str(ordinal)
    return book.entry(ordinal)[:KEY_BYTES].hex() or f"item {ordinal}"


# --- what people decided ---


def apply_decisions(book: Book, state: BatchState, write: Callable[[], object]) -> None:
    """Apply the decisions about items that no life has applied yet; `write` is called whenever
    many items are to be tried again, so that not all of them are in memory.

    A batch that failed, and is taken up again, tries all its dead letters; unless somebody has
    said since which.
    """
    since = book.row.decided_seq
    named = [seq for seq, fact in state.decisions if isinstance(fact, ItemsRearmed)]
    if state.failed_seq > since and not any(seq > state.failed_seq for seq in named):
        _rearm_all(book, rows_of(book, "failed"), write)
    for seq, fact in state.decisions:
        if seq <= since:
            continue
        if not isinstance(fact, ItemsRearmed):
            _decide(book, fact)
        elif fact.limit is None:
            _rearm_all(book, _meant(book, fact), write)
        else:
            # In one piece: half of it, applied once more, would be more than was said.
            for row in list(_meant(book, fact)):
                _rearm(book, row)
        book.row = replace(book.row, decided_seq=max(seq, book.row.decided_seq))


def _rearm_all(book: Book, rows: Iterator[ItemRow], write: Callable[[], object]) -> None:
    """Let items be tried again, however many. A part of it may be applied once more."""
    for row in rows:
        _rearm(book, row)
        if len(book.pending.rows) >= PORTION:
            write()


def _meant(book: Book, fact: ItemsRearmed) -> Iterator[ItemRow]:
    """Yield the rows of items that are to be tried again."""
    if fact.items:
        rows = (row for item in fact.items for row in _named(book, item))
        yield from (row for row in rows if row.status in REARMED)
        return
    found = 0
    for stored in rows_of(book, "failed", "quarantined"):
        if stored.ordinal in book.done:
            continue  # A decision before this one says so.
        row = _as_decided(book, stored)
        if fact.limit is not None and found >= fact.limit:
            return
        if row.status in DEAD and matches(fact.where, row.error_type, row.error):
            found += 1
            yield row


def _named(book: Book, item: str) -> list[ItemRow]:
    rows = book.store.named(book.life.run, book.key, item)
    return [_as_decided(book, row) for row in rows if row.ordinal not in book.done]


def _as_decided(book: Book, row: ItemRow) -> ItemRow:
    """Return a row of the store as the decisions before this one left it."""
    return book.pending.rows.get(row.ordinal) or row


def _rearm(book: Book, row: ItemRow) -> None:
    """Let an item be tried again, with all its attempts; what it died of is forgiven."""
    book.take(row.ordinal, row.status)
    book.settled.discard(row.ordinal)
    book.put(replace(row, status="waiting", attempts=0, deaths=0, next_at=None))
    book.let_go(row.ordinal)
    book.noted.add(row.ordinal)


def _decide(book: Book, fact: ItemDecided) -> None:
    for row in _named(book, fact.item):
        book.take(row.ordinal, row.status)
        if fact.outcome == "done":
            book.clear(row.ordinal)
            book.settle(row.ordinal)
            _learn(book, row.ordinal)
        else:
            why = f"skipped by {fact.by.name}: {fact.reason}"
            book.put(replace(row, status="skipped", at=fact.at, error=why))
            book.let_go(row.ordinal)


# --- the output ---


def _load_turns(book: Book) -> None:
    """Take in the values whose turn in the output has not come, and write those whose has."""
    if book.is_ordered:
        after = book.turn - 1
        while page := book.store.values(book.life.run, book.key, after=after, limit=PAGE):
            book.buffered.update((kept.ordinal, kept.value) for kept in page)
            after = page[-1].ordinal
        take_turns(book)


def _open_output(book: Book, *, is_first: bool) -> None:
    out = book.rules.out
    if out is None:
        return
    length = None if is_first else book.output_bytes
    try:
        book.output_bytes = out.open(length, is_closed=book.row.output_closed)
    except (UsageError, StoreCorrupt) as error:
        text = str(error).replace(BEGIN_ANEW, begin_anew(book))
        raise type(error)(text) from error
    if out.cut_bytes:
        book.life.tell(
            f"{book.key}: {out.cut_bytes:,} bytes at the end of {out.path} were no part of what is "
            f"recorded, and are in {out.path}{KEPT_END} now"
        )
