"""One item on its way: what a worker is given, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import UTC, datetime
from time import monotonic
from typing import Final, NamedTuple, TypeAlias

from holdfast.engine.step import MESSAGE_CHARS_MAX, location_of
from holdfast.errors import NotDone, RateLimited, UsageError, message_of
from holdfast.model.called import has_run
from holdfast.model.items import NO_PRINT, ItemKey, shown_key
from holdfast.model.making import dataclass
from holdfast.model.rate import pause_s
from holdfast.model.retry import Retry
from holdfast.runtime.batches.transactions import AlreadyCommitted, Connection, item_transaction

Body: TypeAlias = Callable[[object], object]


class Work(NamedTuple):
    """An item to do. `key` is None where its place says which it is. `attempts` and `deaths` are
    those of earlier; `next_at` is when it may be tried again."""

    ordinal: int
    item: object
    key: ItemKey | bytes | None = None
    digest: bytes = b""
    print: bytes = NO_PRINT
    attempts: int = 0
    deaths: int = 0
    next_at: datetime | None = None

    @property
    def shown(self) -> str:
        """The item's key as people see it."""
        return str(self.ordinal) if self.key is None else shown_key(self.key)


@dataclass(frozen=True, slots=True)
class Failure:
    """What an attempt raised, in words that can cross from one process to another.

    `may_retry` is what the batch's `retry=` says of the error; `had_no_effect` is its own word.
    `limited_s` is how long a rate limit asked everybody to wait, None when it was none. With
    `is_stuck` the item's code may still be running.
    """

    type: str
    message: str
    location: str = ""
    may_retry: bool = False
    had_no_effect: bool = False
    limited_s: float | None = None
    is_stuck: bool = False


@dataclass(frozen=True, slots=True)
class Death:
    """How the process ended that an item ran in. An outside kill proves nothing of the item."""

    how: str
    is_outside: bool = False
    output: str = ""


@dataclass(frozen=True, slots=True)
class Landing:
    """What came of one item: a value, or a failure, or the death of its process."""

    work: Work
    value: object = None
    failure: Failure | None = None
    death: Death | None = None
    seconds: float = 0.0

    @property
    def is_limited(self) -> bool:
        """Whether nothing is to begin for a while: not even the rest of its chunk."""
        return self.failure is not None and self.failure.limited_s is not None


@dataclass(frozen=True, slots=True)
class Landed:
    """A worker is free again. Of its chunk `done` are the items that ended well, with their
    values, and `failed` those that did not; `lost` came to no end, because their process is gone
    or a rate limit came before they began, and `suspects` are those of them that were being done
    when their process went. `error` is what ends
    the whole batch, `seconds` what the chunk took."""

    slot: int
    done: Sequence[tuple[Work, object]] = ()
    failed: Sequence[Landing] = ()
    lost: Sequence[Work] = ()
    suspects: Sequence[Work] = ()
    error: BaseException | None = None
    seconds: float = 0.0

    @classmethod
    def of(cls, slot: int, landings: Sequence[Landing], lost: Sequence[Work] = ()) -> Landed:
        """Return what landed of a chunk whose items were told one by one."""
        good = [one for one in landings if one.failure is None and one.death is None]
        return cls(
            slot,
            [(one.work, one.value) for one in good],
            [one for one in landings if one.failure is not None or one.death is not None],
            lost,
            seconds=sum(one.seconds for one in landings),
        )

    @property
    def size(self) -> int:
        """How many items it is about."""
        return len(self.done) + len(self.failed) + len(self.lost)


RATE_LIMIT_S: Final = 1.0
"""How long to wait for a rate limit that does not say how long."""


def failure_of(error: BaseException, retry: Retry, redact: Callable[[str], str] = str) -> Failure:
    """Return what is told of an error that an item raised."""
    if isinstance(error, SystemExit):
        error = RuntimeError(f"sys.exit({error.code!r}) was called; raise an exception instead")
    return Failure(
        type(error).__name__,
        redact(message_of(error))[:MESSAGE_CHARS_MAX],
        location_of(error),
        isinstance(error, Exception) and retry.retries(error),
        isinstance(error, NotDone | RateLimited),
        limited_s(error) if isinstance(error, RateLimited) else None,
    )


def limited_s(error: RateLimited) -> float:
    """Return how long nothing is to begin."""
    try:
        wait_s = pause_s(error.retry_after, datetime.now(UTC))
    except UsageError:
        wait_s = None
    return RATE_LIMIT_S if wait_s is None else wait_s


@dataclass(frozen=True, slots=True)
class CurrentItem:
    """The item that the calling code is doing: its key as people see it, its address in the
    batch, and which attempt this is, from 1 over all lives."""

    key: str
    ordinal: int
    attempt: int
    _digest: str

    def __repr__(self) -> str:
        return f"CurrentItem(key={self.key!r}, ordinal={self.ordinal}, attempt={self.attempt})"

    def tx(self, connection: Connection) -> AbstractContextManager[None]:
        """Return a block that is one transaction of `connection` (sqlite3 or psycopg), with the
        item's checkpoint in it: rows written in it are there exactly once per item, whatever
        dies when. Everything in the block is rolled back when it raises."""
        return item_transaction(connection, self._digest)


CURRENT: ContextVar[Work | None] = ContextVar("holdfast_item", default=None)


def current_item() -> CurrentItem:
    """Return the item that the calling code is doing. Raises UsageError outside a batch."""
    work = CURRENT.get()
    if work is None:
        raise UsageError("current_item belongs inside the function of `each`; no item is running")
    digest = (work.digest or str(work.ordinal).encode()).hex()
    return CurrentItem(work.shown, work.ordinal, work.attempts + 1, digest)


def do_item(body: Body, work: Work, retry: Retry, redact: Callable[[str], str] = str) -> Landing:
    """Do one item here, and return what came of it. What is no error of the item's passes."""
    token = CURRENT.set(work)
    began = monotonic()
    try:
        value = has_run(body(work.item), "the item's function")
    except AlreadyCommitted:
        value = None
    except (Exception, SystemExit) as error:
        return Landing(work, None, failure_of(error, retry, redact), None, monotonic() - began)
    finally:
        CURRENT.reset(token)
    return Landing(work, value, None, None, monotonic() - began)
