"""Decide what becomes of an item that has landed, and write it into the books."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from holdfast.engine.step import MESSAGE_CHARS_MAX
from holdfast.errors import error_text
from holdfast.model.batches import ItemRow
from holdfast.model.batching import item_key
from holdfast.model.codec import Unrecordable, decode, encode
from holdfast.model.items import KEY_BYTES, ItemStatus
from holdfast.model.making import dataclass, replace
from holdfast.ports.sources import Unreadable
from holdfast.runtime.batches.book import Book, work_row
from holdfast.runtime.batches.work import Death, Failure, Landing, Work

DIED = "Died"
"""The error's type of an item that killed its process."""
UNREADABLE = "Unreadable"
"""The error's type of an item that its source could not read."""
OUTSIDE_MAX = 3
"""An item is done alone so often when somebody else killed its process."""


@dataclass(frozen=True, slots=True)
class Then:
    """What follows: nothing, or the item comes again, or everybody waits."""

    again: Work | None = None
    limited_s: float | None = None


NOTHING = Then()


def settle_failed(book: Book, landing: Landing, fraction: float) -> Then:
    """Record how one item did not end well. `fraction` is the caller's random number."""
    work, failure = landing.work, landing.failure
    if landing.death is not None:
        return _died(book, work, landing.death)
    assert failure is not None
    if failure.limited_s is not None:
        give_back(book, work)
        return Then(limited_s=failure.limited_s)
    if book.rules.once and not failure.had_no_effect:
        return _doubted(book, work, failure)
    return _failed(book, work, failure, fraction)


def settle_unreadable(book: Book, chunk: Sequence[Work]) -> list[Work]:
    """Record that those items of a chunk have failed which their source could not read; return the
    others. No worker is needed for that."""
    readable = []
    for work in chunk:
        if isinstance(work.item, Unreadable):
            why = book.life.redactor(work.item.why)[:MESSAGE_CHARS_MAX]
            _failed(book, work, Failure(UNREADABLE, why), 0.0)
        else:
            readable.append(work)
    return readable


# --- it went well ---


def settle_done(book: Book, done: Sequence[tuple[Work, object]]) -> Iterator[Landing]:
    """Record items that ended well; yield those whose value cannot be kept, as failures."""
    if book.is_bits_only and not book.rows and _is_run(done):
        if len(done) == 1:
            book.settle(done[0][0].ordinal)
            book.ended(".")
        else:
            book.settle_run(done[0][0].ordinal, len(done))
        return
    for work, value in done:
        failure = _take_value(book, work, value)
        if failure is not None:
            yield Landing(work, None, failure)


def _is_run(done: Sequence[tuple[Work, object]]) -> bool:
    """Whether items are neighbours, in their order."""
    if not done:
        return False
    first = done[0][0].ordinal
    return all(work.ordinal == at for at, (work, _) in enumerate(done, first))


def _take_value(book: Book, work: Work, result: object) -> Failure | None:
    """Write the value where it belongs and set the item's bit. Return why it cannot be kept, when
    it cannot: nothing is written then."""
    rules = book.rules
    is_early = book.is_early(work.ordinal)
    try:
        if rules.keep or is_early:
            value = encode(result, rules.types)
            if (name := book.life.redactor.held_by(value)) is not None:
                why = f"what it returned holds the secret {name}, and secrets are never recorded"
                return Failure("UsageError", why)
        if rules.out is not None and not is_early:
            with book.guard():
                book.output_bytes = rules.out.write(result)
    except Unrecordable as error:
        return Failure(type(error).__name__, str(error))
    if rules.keep or is_early:
        book.pending.values.append((work.ordinal, work.shown, value))
    if is_early:
        book.buffered[work.ordinal] = value
    book.clear(work.ordinal)
    book.settle(work.ordinal)
    if not is_early:
        book.learn(work.digest, work.print)
    book.ended(".")
    take_turns(book)
    return None


def take_turns(book: Book) -> None:
    """Write the outputs whose turn has come, where they are in the order of the input."""
    out = book.rules.out
    if not book.is_ordered or out is None:
        return
    # What is in hand has no outcome yet, though a `once` item has a row that settles it.
    while book.turn in book.settled and book.turn not in book.rows:
        if book.turn in book.buffered:
            value = decode(book.buffered.pop(book.turn), book.rules.types)
            try:
                with book.guard():
                    book.output_bytes = out.write(value)
            except Unrecordable as error:
                _refused(book, error)
            else:
                # Only now: a ledger that knew it before would skip it if the output refused it.
                entry = book.entry(book.turn)
                book.learn(entry[:KEY_BYTES], entry[KEY_BYTES:])
            if not book.rules.keep or book.turn not in book.done:
                book.pending.taken.append(book.turn)
        book.turn += 1


def _refused(book: Book, error: Unrecordable) -> None:
    """The output has no line for a value whose turn has come: its item is a dead letter."""
    book.unsettle(book.turn)
    shown, at = book.shown_of(book.turn), book.life.clock.now()
    row = ItemRow(book.turn, shown, "failed", at, attempts=1)
    book.put(replace(row, error_type=type(error).__name__, error=str(error)))
    book.let_go(book.turn)


def take_rest(book: Book) -> None:
    """Write the outputs that waited behind items which come no more: the source is over."""
    for ordinal in sorted(book.buffered):
        if ordinal in book.buffered:
            book.turn = ordinal
            take_turns(book)


# --- it did not ---


def _failed(book: Book, work: Work, failure: Failure, fraction: float) -> Then:
    """Note a failed attempt, and when the next one may begin; a dead letter when none may."""
    at = book.life.clock.now()
    attempts = work.attempts + 1
    wait_s = None
    if failure.may_retry and not failure.is_stuck:
        wait_s = book.rules.retry.wait_before(attempts + 1, fraction)
    next_at = None if wait_s is None else at + timedelta(seconds=wait_s)
    status: ItemStatus = "failed" if next_at is None else "waiting"
    row = replace(
        work_row(work, status, at),
        attempts=attempts,
        error_type=failure.type,
        error=failure.message,
        location=failure.location,
        next_at=next_at,
    )
    book.put(row)
    book.ended("x")
    if next_at is None:
        book.let_go(work.ordinal)
        take_turns(book)
        return NOTHING
    return Then(work._replace(attempts=attempts, next_at=next_at))


def _doubted(book: Book, work: Work, failure: Failure) -> Then:
    """A `once` item ended without a result: a person has to say what came of it."""
    text = f"its attempt ended without a result: {error_text(failure.type, failure.message)}"
    row = replace(
        work_row(work, "uncertain", book.life.clock.now()),
        attempts=work.attempts + 1,
        error_type=failure.type,
        error=text,
        location=failure.location,
    )
    book.put(row)
    book.let_go(work.ordinal)
    book.ended("x")
    take_turns(book)
    return NOTHING


def _died(book: Book, work: Work, death: Death) -> Then:
    """An item that was done alone killed its process, or somebody else did."""
    at = book.life.clock.now()
    if death.is_outside and work.deaths < OUTSIDE_MAX + 1:
        suspect(book, work, at)
        return Then(work._replace(deaths=work.deaths + 1))
    book.put(
        replace(
            work_row(work, "quarantined", at),
            attempts=work.attempts + 1,
            deaths=work.deaths + 1,
            error_type=DIED,
            error=death.how,
            output=death.output,
        )
    )
    book.let_go(work.ordinal)
    book.ended("x")
    take_turns(book)
    return NOTHING


def suspect(book: Book, work: Work, at: datetime) -> None:
    """Note that an item was in hand when its process died."""
    row = replace(work_row(work, "suspect", at), deaths=max(1, work.deaths))
    book.put(replace(row, error="it was in hand when its process died"))


def leave_in_doubt(book: Book, work: Work) -> None:
    """A `once` item was handed out and came to no end: the row with which it began stays."""
    book.let_go(work.ordinal)
    book.ended("x")
    take_turns(book)


def give_back(book: Book, work: Work) -> None:
    """An item comes again as it came: this attempt does not count, and did nothing."""
    if book.rules.once:
        book.clear(work.ordinal)


def say(book: Book, work: Work, line: str) -> None:
    """Keep a line that an item wrote in a process of its own."""
    book.life.write_output(item_key(book.key, work.shown), work.attempts + 1, "out", line)
