"""Read the source of a batch: which item has which address, and which are still to be done.

By *position* the address is the place in the source, and nothing is stored: what is done is
skipped as fast as the source can be skipped. By *key* the source is compared with the manifest,
entry by entry in order, as long as both say the same; from the first difference on every key is
looked up in an index on the disk, built then. Either way what was inserted, removed or moved
since cannot shift anything: an address never changes once it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from itertools import islice, repeat
from threading import current_thread, main_thread
from typing import Any, Final, TypeVar

from holdfast.errors import RateLimited
from holdfast.model.items import KEY_BYTES
from holdfast.model.json import Json
from holdfast.ports.sources import NOT_YET, Changeable, Patient, Resumable, Unreadable
from holdfast.runtime.batches.book import ENTRY_BYTES, Book
from holdfast.runtime.batches.identity import Identities
from holdfast.runtime.batches.index import Index
from holdfast.runtime.batches.work import Work
from holdfast.runtime.life import Life

PAGE_ENTRIES: Final = 4_096
SKIPPED_MAX: Final = 1_000
"""So many items are passed over, as nothing is to be done of them, before others have a turn."""
SKIPPING_S: Final = 0.25
"""And so long, where a source takes its time: whoever asked the run to stop waits."""
T = TypeVar("T")
_NOTHING: Final[Any] = None
"""Stands among the items where there is none to be had now; nobody sees it but `take`."""


class Reading:
    """One reading of a source in one life: `take` gives what is to be done, in order.

    `duplicates` are items whose key came before, `changed` are finished ones that are not what
    they were, `gone` those that are known and came no more; the last is known once the reading
    `is_over`. It `is_waiting` while the source has no item yet, and `is_skipping` when it
    has passed over many: then it is asked again at once, but whoever asks looks around before. It
    is `limited` when the source has said that it may be asked for more, but later; whoever asks
    takes note of that.

    A second signal interrupts the source, which is the user's code and may take its time; nothing
    else of a reading.
    """

    def __init__(self, book: Book, items: Iterable[object]) -> None:
        self.duplicates = self.changed = self.gone = 0
        self.distinct = 0
        self.is_over = self.is_waiting = self.is_skipping = False
        self.limited: RateLimited | None = None
        self.total = len(items) if isinstance(items, Sized) else None
        self._take = self._taker(book, items)

    def _taker(self, book: Book, items: Iterable[object]) -> Callable[[int], list[Work]]:
        if book.rules.identity == "keys":
            works = _by_key(self, book, items)
        elif isinstance(items, Sequence):
            self.ends_at(len(items), book)
            return _InSequence(book, items).take
        else:
            works = _in_stream(self, book, items)
            return lambda count: list(islice(works, count))
        return lambda count: list(islice(iter(works.__next__, _NOTHING), count))

    def ends_at(self, count: int, book: Book) -> None:
        """A source that is told by position has so many items, and no more. It had more where some
        of later places are known: it was not to change, and did."""
        known = max(book.settled.highest(), book.noted.highest()) + 1
        self.distinct, self.gone = count, max(0, known - count)

    def take(self, count: int) -> list[Work]:
        """Return the next items that nobody settled yet; fewer when the source has no more."""
        self.is_waiting = self.is_skipping = False
        works = self._take(count)
        if not (self.is_waiting or self.is_skipping):
            self.is_over = self.is_over or len(works) < count
        return works


def _asked(
    life: Life, begin: Callable[[], Iterator[T]], limited: Callable[[RateLimited], T] | None = None
) -> Iterator[T]:
    """Yield what a source has. A second signal may interrupt the source, and only it.

    A rate limit of a reading that may be asked again is what `limited` makes of it."""
    stream: Iterator[T] | None = None
    is_main = current_thread() is main_thread()
    while True:
        # Signals are handled in the main thread: only there is it this code that they interrupt.
        life.in_body = is_main
        try:
            if life.is_cut_off:  # By a signal just before now, which found nothing to interrupt.
                life.raise_if_leaving_now()
            if stream is None:
                stream = begin()
            item = next(stream)
        except StopIteration:
            return
        except RateLimited as error:
            if limited is None or not isinstance(stream, Patient):
                raise
            item = limited(error)
        finally:
            life.in_body = False
        yield item


# --- by position ---


class _InSequence:
    """Items that can be had by their place: what is done is never looked at."""

    def __init__(self, book: Book, items: Sequence[object]) -> None:
        self._book, self._items = book, items
        self._is_main = current_thread() is main_thread()
        self._at = book.settled.missing_from(0)
        # Beyond, nothing is known of any item, and many can be taken at once.
        self._known_to = max(book.settled.highest(), book.noted.highest())

    def take(self, count: int) -> list[Work]:
        """Return the next items that are to be done."""
        book, items, works = self._book, self._items, list[Work]()
        while self._at <= self._known_to and self._at < len(items) and len(works) < count:
            works.append(_work(book, self._at, items[self._at]))
            self._at = book.settled.missing_from(self._at + 1)
        if self._at > self._known_to:
            first = self._at
            self._at = min(first + count - len(works), len(items))
            places = range(first, self._at)
            life = book.life
            life.in_body = self._is_main  # As in `_asked`.
            try:
                works += map(Work, places, map(items.__getitem__, places))
            finally:
                life.in_body = False
        return works


def _in_stream(reading: Reading, book: Book, items: Iterable[object]) -> Iterator[Work]:
    life, settled, at = book.life, book.settled, 0
    stream, is_main = None, current_thread() is main_thread()
    while True:
        life.in_body = is_main  # As in `_asked`, which would make skipping slower.
        try:
            if life.is_cut_off:
                life.raise_if_leaving_now()
            if stream is None:
                stream = from_beginning(items)
            if at in settled:
                following = settled.missing_from(at)
                skipped = sum(1 for _ in islice(stream, following - at))
                at += skipped
                if at < following:
                    break
            item = next(stream)
        except StopIteration:
            break
        finally:
            life.in_body = False
        yield _work(book, at, item)
        at += 1
    reading.ends_at(at, book)


def from_beginning(items: Iterable[object]) -> Iterator[object]:
    """Return the items of a source from its beginning; those that cannot be read among them, which
    only a reading with cursors has."""
    if isinstance(items, Resumable):
        return (item for _, item in items.resume(None))
    return iter(items)


def _work(book: Book, ordinal: int, item: object) -> Work:
    # Where it is in the file says more than its place, which counts from 0.
    work = Work(ordinal, item, item.key if isinstance(item, Unreadable) else None)
    return _noted(book, work) if ordinal in book.noted else work


def _noted(book: Book, work: Work) -> Work:
    """Return an item with what its row says, which is taken in hand with it."""
    with book.guard():
        row = book.store.item(book.life.run, book.key, work.ordinal)
    if row is None:
        return work
    book.take(work.ordinal, row.status)
    return Work(
        work.ordinal,
        work.item,
        work.key,
        work.digest,
        work.print,
        row.attempts,
        row.deaths,
        row.next_at,
    )


# --- by key ---


def _by_key(reading: Reading, book: Book, items: Iterable[object]) -> Iterator[Work]:
    start, at = _start_of(book, items)
    reading.distinct = at
    with closing(_Known(book, at)) as known:
        identities = Identities(book.rules, items)
        stream = _stream(book.life, items, start)
        yield from _compared(reading, book, identities, stream, known)
        reading.gone = known.enumerated_before - known.met


def _compared(
    reading: Reading,
    book: Book,
    identities: Identities,
    stream: Iterable[tuple[Json, object]],
    known: _Known,
) -> Iterator[Work]:
    pages, skipped = _Pages(book), _Skipped(book.life)
    for cursor, item in stream:
        if item is NOT_YET:
            reading.is_waiting = True
            yield _NOTHING
            continue
        if isinstance(item, RateLimited):
            reading.is_waiting, reading.limited = True, item
            yield _NOTHING
            continue
        item, key, digest, fingerprint = identities.of(item, cursor)
        ordinal, former = known.find(digest)
        if ordinal < 0:
            reading.duplicates += 1
        else:
            reading.distinct += 1
            if former is None:
                ordinal = book.enumerate(digest, fingerprint)
                known.add(digest, ordinal)
            pages.meet(cursor, ordinal)
            if former is None:
                _learn_of(book, ordinal, digest, fingerprint)
            elif former != fingerprint and ordinal in book.done:
                reading.changed += 1
        if 0 <= ordinal not in book.settled:
            work = Work(ordinal, item, key, digest, fingerprint)
            yield _noted(book, work) if ordinal in book.noted else work
        elif skipped.are_many():
            reading.is_skipping = True
            yield _NOTHING


class _Skipped:
    """How much of a source was passed over since others had a turn."""

    def __init__(self, life: Life) -> None:
        self._monotonic = life.clock.monotonic
        self._begin()

    def _begin(self) -> None:
        self._count, self._until = 0, self._monotonic() + SKIPPING_S

    def are_many(self) -> bool:
        """Count one more; say whether it is time for others, because of so many or so long."""
        self._count += 1
        is_time = self._count >= SKIPPED_MAX or self._monotonic() >= self._until
        if is_time:
            self._begin()
        return is_time


def _start_of(book: Book, items: Iterable[object]) -> tuple[Json, int]:
    """Return where to begin to read: a cursor, and how many items come before it, all of them
    settled. The beginning, where the source has no cursors or has changed, or where an item before
    is to be done."""
    place = book.row.cursor
    if isinstance(place, list) and isinstance(items, Resumable):
        cursor, at = place
        has_moved = isinstance(items, Changeable) and not items.holds(cursor)
        if isinstance(at, int) and book.settled.missing_from(0) >= at and not has_moved:
            return cursor, at
    return None, 0


def _stream(life: Life, items: Iterable[object], cursor: Json) -> Iterator[tuple[Json, object]]:
    if isinstance(items, Resumable):
        resumable = items
        return _asked(life, lambda: resumable.resume(cursor), lambda error: (None, error))
    return zip(repeat(None), _asked(life, lambda: iter(items)))


class _Pages:
    """Where the oldest unfinished item is in a source with cursors: the book's to remember.

    Only as long as what is read has rising addresses. Otherwise the last place that was known
    stays, before which everything is settled.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._last: Json = None
        self._highest = -1

    def meet(self, cursor: Json, ordinal: int) -> None:
        """An item of this cursor has this address."""
        if ordinal < self._highest:
            self._book.forget_cursors()
        elif cursor is not None and cursor != self._last:
            self._book.came_to(ordinal, cursor)
            self._last = cursor
        self._highest = max(self._highest, ordinal)


def _learn_of(book: Book, ordinal: int, digest: bytes, fingerprint: bytes) -> None:
    """Count a new item as done that the ledger knows exactly as it is now."""
    if not book.rules.ledger:
        return
    with book.guard():
        known = book.store.seen(book.rules.ledger, [digest]).get(digest)
    if known == fingerprint:
        with book.lock:
            book.settle(ordinal)
            book.counts["already"] += 1


class _Known:
    """What the manifest says of keys. `met` counts its entries that this reading has met."""

    def __init__(self, book: Book, met: int) -> None:
        self._book = book
        self.enumerated_before = book.enumerated
        self.met = met
        self._page, self._page_at = b"", 0
        self._index: Index | None = None

    def find(self, digest: bytes) -> tuple[int, bytes | None]:
        """Return a key's address and the fingerprint it had: None for a new one, and a negative
        address for one that this reading has met before."""
        if self._index is None:
            entry = self._entry(self.met)
            if entry[:KEY_BYTES] == digest:
                self.met += 1
                return self.met - 1, entry[KEY_BYTES:]
            self._index = Index(self._all(), self.met)
        ordinal, is_met = self._index.find(digest)
        if ordinal is None:
            return 0, None
        if is_met:
            return -1, None
        self.met += 1
        return ordinal, self._book.entry(ordinal)[KEY_BYTES:]

    def add(self, digest: bytes, ordinal: int) -> None:
        """Note a new key's address."""
        assert self._index is not None
        self._index.add(digest, ordinal)

    def close(self) -> None:
        """Let go of the index."""
        if self._index is not None:
            self._index.close()

    def _entry(self, ordinal: int) -> bytes:
        if ordinal >= self.enumerated_before:
            return b""
        at = (ordinal - self._page_at) * ENTRY_BYTES
        if not 0 <= at < len(self._page):
            self._page, self._page_at, at = self._read(ordinal), ordinal, 0
        return self._page[at : at + ENTRY_BYTES]

    def _read(self, first: int) -> bytes:
        book = self._book
        count = min(PAGE_ENTRIES, self.enumerated_before - first)
        with book.guard():
            return book.store.manifest(book.life.run, book.key, first, count)

    def _all(self) -> Iterator[tuple[bytes, int]]:
        for first in range(0, self.enumerated_before, PAGE_ENTRIES):
            page = self._read(first)
            for at in range(0, len(page), ENTRY_BYTES):
                yield page[at : at + KEY_BYTES], first + at // ENTRY_BYTES
