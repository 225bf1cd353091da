"""Say what a batch would do, without doing it: what is new, changed, gone and done already.

The source is read as a life would read it, by the same code, against the same manifest and
ledger; the books are opened in memory and never written. How much is read has a bound, in items
and in time: a plan of a source that nobody can read to its end says how far it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Final

from holdfast.model.making import dataclass
from holdfast.ports.sources import Unreadable
from holdfast.runtime.batches.book import Book, Pending
from holdfast.runtime.batches.opening import apply_decisions, known_book
from holdfast.runtime.batches.reading import Reading, from_beginning
from holdfast.runtime.batches.rules import BatchRules
from holdfast.runtime.batches.work import Work
from holdfast.runtime.life import Life

ITEMS_MAX: Final = 1_000_000
SECONDS_MAX: Final = 10.0
PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Survey:
    """What a batch would find. `total` counts the source's items, None while nobody knows; `read`
    are those that were looked at. Of these `unreadable` and `new` were never met, and the former
    will fail; `changed` are done again because they are not what the ledger knows, `done` need
    nothing, `dead` failed for good, and `unfinished` were met and have no end. `kept` are finished
    items of this run that changed since they were done. `gone` are known and come no more, None
    while the source was not read to its end."""

    total: int | None
    read: int = 0
    is_whole: bool = False
    unreadable: int = 0
    new: int = 0
    changed: int = 0
    done: int = 0
    dead: int = 0
    unfinished: int = 0
    duplicates: int = 0
    gone: int | None = None
    kept: int = 0


def survey(life: Life, key: str, rules: BatchRules, items: Iterable[object]) -> Survey:
    """Return what the batch would find in its source now. Nothing is written.

    A source that is compared with nothing, because the batch has not begun and has no ledger, is
    not read: its length is told if it has one. Raises what the source and `key=` raise.
    """
    total = len(items) if isinstance(items, Sized) else None
    book, is_anew, _ = known_book(life, key, rules, life.journal.state.epoch + 1)
    if not is_anew:
        with book.guard():
            apply_decisions(book, life.journal.state.batches[key], lambda: _forget(book))
    if rules.identity == "position" or (is_anew and not rules.ledger):
        total = book.row.total if total is None else total
        done, dead = book.counts["done"], book.dead
        left = None if total is None else total - done - dead - book.counts["skipped"]
        unfinished = 0 if is_anew or left is None else left
        return Survey(total, done=done, dead=dead, unfinished=unfinished, is_whole=is_anew)
    return _compared(book, _Bounded(life, items), total, is_anew=is_anew)


def _compared(book: Book, items: _Bounded, total: int | None, *, is_anew: bool) -> Survey:
    met_before, reading = book.enumerated, Reading(book, items)
    unreadable = new = changed = unfinished = 0
    while not reading.is_over:
        works = reading.take(PAGE)
        fresh = [work for work in works if work.ordinal >= met_before]
        altered = _known_to_ledger(book, fresh)
        broken = sum(isinstance(work.item, Unreadable) for work in fresh)
        unreadable, changed = unreadable + broken, changed + altered
        new += len(fresh) - altered - broken
        unfinished += len(works) - len(fresh)
        _forget(book)
    is_whole = not items.is_cut
    gone = reading.gone if is_whole else None
    if is_anew and is_whole:
        known = dict(book.store.ledgers()).get(book.rules.ledger, 0)
        gone = known - book.counts["already"] - changed
    return Survey(
        reading.distinct if is_whole else total,
        reading.distinct,
        is_whole,
        unreadable,
        new,
        changed,
        book.counts["done"],
        book.dead,
        unfinished,
        reading.duplicates,
        gone,
        reading.changed,
    )


def _forget(book: Book) -> None:
    """Let go of what would be written: nobody is to make it last."""
    book.pending = Pending()


def _known_to_ledger(book: Book, works: list[Work]) -> int:
    """Return how many of these the ledger knows, as something else than they are now."""
    if not book.rules.ledger or not works:
        return 0
    return len(book.store.seen(book.rules.ledger, [work.digest for work in works]))


class _Bounded:
    """A source that ends early when it is too long, or takes too long. `is_cut` tells that."""

    def __init__(self, life: Life, items: Iterable[object]) -> None:
        self._life, self._items = life, items
        self.is_cut = False

    def __iter__(self) -> Iterator[object]:
        return self._first(from_beginning(self._items))

    def _first(self, items: Iterator[object]) -> Iterator[object]:
        ends_at = self._life.clock.monotonic() + SECONDS_MAX
        for count, item in enumerate(items):
            late = count % PAGE == 0 and self._life.clock.monotonic() > ends_at
            if late or count >= ITEMS_MAX:
                self.is_cut = True
                return
            yield item


def survey_text(found: Survey) -> str:
    """Return what a batch would find, in a line."""
    total = "items: nobody knows how many" if found.total is None else f"{found.total:,} items"
    counts = {
        "that cannot be read": found.unreadable,
        "new": found.new, "changed": found.changed, "unfinished": found.unfinished,
        "failed before": found.dead, "done already": found.done,
        "changed since they were done, and kept": found.kept, "gone": found.gone or 0,
        "duplicates": found.duplicates,
    }  # fmt: skip
    parts = [f"{number:,} {word}" for word, number in counts.items() if number]
    text = f"{total}: {', '.join(parts)}" if parts else total
    if found.read and not found.is_whole:
        text += f" among the first {found.read:,}; the rest was not looked at"
    return text
