"""Run the items of a batch in this life, whoever does them: what a batch's step has for a body."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import SimpleQueue
from threading import current_thread, main_thread
from typing import TYPE_CHECKING

from holdfast.engine.batch import Ended
from holdfast.engine.effects import Record
from holdfast.errors import Leaving
from holdfast.model.batching import item_key
from holdfast.model.facts import StepLeft
from holdfast.model.making import replace
from holdfast.runtime.batches.book import Book
from holdfast.runtime.batches.crews import Crew, Inline, Site, Threads
from holdfast.runtime.batches.driver import Driver
from holdfast.runtime.batches.opening import open_book, rows_of
from holdfast.runtime.batches.reading import Reading
from holdfast.runtime.batches.rules import BatchRules
from holdfast.runtime.batches.settling import UNREADABLE, take_rest
from holdfast.runtime.batches.summing import ended
from holdfast.runtime.batches.transactions import BELONGING, Belonging
from holdfast.runtime.batches.work import Body, Landed
from holdfast.runtime.life import Life

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


def run_items(
    life: Life,
    key: str,
    rules: BatchRules,
    items: Iterable[object],
    body: Body,
    loop: AbstractEventLoop | bool = False,
) -> Ended:
    """Do the items of a batch and return what became of them, all of it durable.

    `loop` is where the tasks of an async `body` run, or True for a loop of their own. Raises
    Leaving, after a checkpoint, when the run is to leave before all are settled; whatever the
    source or the `key=` of an item raises; UsageError for what cannot be sent to an executor.
    """
    # With the fact it began with: rows of a batch that was rewound say nothing of the next one.
    begun_seq = life.journal.state.batches[key].begun_seq
    BELONGING.set(Belonging(life.run, f"{key}@{begun_seq}", rules.keep or rules.out is not None))
    life.in_body = False  # What runs here is ours; only an item may be interrupted.
    size = _size(rules)
    # The results of a finished batch are read back without what its items import.
    rules = replace(rules, types=rules.types.without_later(len(sys.modules)))
    book = open_book(life, key, rules, size)
    assert book.tail is not None
    site = Site(
        body,
        rules.retry,
        rules.timeout_s,
        book.tail,
        SimpleQueue(),
        life.redactor,
        lambda call: _guarded(life, call),
        lambda work: life.kill_programs_of(item_key(key, work.shown)),
        life.clock.monotonic,
    )
    try:
        return _drive(life, book, site, items, _crew(site, rules, size, loop, book))
    except Leaving:
        _note_left(life, key)
        raise
    finally:
        _close(book)


def _drive(life: Life, book: Book, site: Site, items: Iterable[object], crew: Crew) -> Ended:
    reading = Reading(book, items)
    book.row = replace(book.row, total=reading.total or book.row.total)
    driver = Driver(book, reading, crew, site)
    driver.run()
    if driver.halt == "budget":
        return ended(book, budget_why=driver.why)
    book.row = replace(
        book.row,
        total=reading.distinct,
        duplicates=reading.duplicates,
        changed=reading.changed,
        gone=reading.gone,
    )
    take_rest(book)
    book.close()
    if reading.gone:
        _tell_of_gone(life, book, reading)
    return ended(book)


def _tell_of_gone(life: Life, book: Book, reading: Reading) -> None:
    """Say that items came no more: whoever gave another list by mistake finds out now."""
    row, gone = book.as_row(), reading.gone
    settled = row.done + row.failed + row.quarantined + row.skipped + row.uncertain
    undone = gone - (settled - reading.distinct)
    what = "1 item of an earlier life is" if gone == 1 else f"{gone:,} items of earlier lives are"
    rest = "" if undone <= 0 else f", {undone:,} of them not done" if gone > 1 else ", not done"
    unread = sum(row.error_type == UNREADABLE for row in rows_of(book, "waiting"))
    if unread and gone == 1:
        rest += " because it could not be read"
    elif unread:
        rest += f", {unread:,} of those because they could not be read"
    life.tell(f"{book.key}: {what} gone from the source{rest}")


def _close(book: Book) -> None:
    """Let go of the files of a batch, whose output ends here also when it was left."""
    out = book.rules.out
    if out is not None and not book.row.output_closed:
        with suppress(Leaving):  # Where nothing can be noted, the next life cuts it back.
            book.close()
    assert book.tail is not None
    book.tail.close()
    if out is not None:
        out.close()


def _size(rules: BatchRules) -> int:
    if rules.executor is not None:
        from holdfast.runtime.batches.pools import size_of

        return size_of(rules.executor, rules.at_once)
    return rules.at_once or 1


def _crew(
    site: Site, rules: BatchRules, size: int, loop: AbstractEventLoop | bool, book: Book
) -> Crew:
    if rules.commands is not None:
        from holdfast.runtime.batches.programs import Programs

        return Programs(site, size, rules.commands, lambda item: item not in book.settled)
    if loop:
        from holdfast.runtime.batches.tasks import Tasks

        return Tasks(site, size, None if loop is True else loop)
    if rules.executor is not None:
        from holdfast.runtime.batches.pools import Pool

        return Pool(site, size, rules.executor)
    if size == 1 and rules.timeout_s is None:
        return Inline(site)
    return Threads(site, size)


def _guarded(life: Life, call: Callable[[], Landed]) -> Landed:
    """Run the user's code where a second signal may interrupt it."""
    # Signals are handled in the main thread: only there is it this code that they interrupt.
    life.in_body = current_thread() is main_thread()
    try:
        life.raise_if_leaving_now()
        return call()
    finally:
        life.in_body = False


def _note_left(life: Life, key: str) -> None:
    """Record that the batch was left in order: it cost no attempt and is in no doubt."""
    leaving = life.leaving
    if leaving is not None and leaving.kind not in ("lost", "storage"):
        with suppress(Leaving):
            life.record(Record((StepLeft(life.clock.now(), key),)))
