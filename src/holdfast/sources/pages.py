"""Items that come in pages, from an interface with cursors.

A page is asked for when the items before it have been taken, never earlier: whoever reads decides
how far ahead. All items of a page share its cursor, so a reading that goes on takes up the whole
page again; which of its items are finished is known by their keys.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar

from holdfast.errors import UsageError
from holdfast.model.codec import Unrecordable, encode
from holdfast.model.json import Json
from holdfast.model.jsontext import dumps
from holdfast.model.rate import Rate

T = TypeVar("T")

CURSOR_BYTES_MAX: Final = 65_536
"""It is part of the checkpoint."""

_FORM: Final = "return (items, next), where next is the cursor of the next page, or None at the end"


class Pages(Generic[T]):
    """The items of all pages."""

    def __init__(
        self,
        fn: Callable[[Json], tuple[Iterable[T], Json]],
        start: Json,
        rate: Rate | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fn, self._start, self._rate = fn, start, rate
        self._monotonic, self._pause = monotonic, pause
        self._tat = 0.0
        _checked(start)

    def __iter__(self) -> Iterator[T]:
        for _, item in self.resume(None):
            yield item

    def resume(self, cursor: Json) -> Iterator[tuple[Json, T]]:
        """Return a reading from this page on. When `fn` raises, `next` raises that, and asks for
        the same page again the next time."""
        found = self._start if cursor is None else _from(cursor)
        return _Reading(self, _checked(found))

    def page(self, cursor: Json) -> tuple[list[T], Json]:
        """Ask for a page, not faster than the rate; return its items and the next cursor."""
        if self._rate is not None:
            now = self._monotonic()
            when, tat = self._rate.next_allowed(self._tat, now)
            if when > now:
                self._pause(when - now)
            self._tat = tat
        answer = self._fn(cursor)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise UsageError(
                f"paged: the function returned a {type(answer).__name__} for the cursor "
                f"{cursor!r}; {_FORM}"
            )
        items, following = answer
        if isinstance(items, str | bytes) or not isinstance(items, Iterable):
            raise UsageError(
                f"paged: the items of the page at {cursor!r} are a {type(items).__name__}; {_FORM}"
            )
        return list(items), _checked(following)


class _Reading(Iterator[tuple[Json, T]]):
    """One reading of the pages: the items of the page in hand, and where the next one is."""

    asks_again: Final = True

    def __init__(self, pages: Pages[T], cursor: Json) -> None:
        self._pages, self._cursor, self._following = pages, cursor, cursor
        self._items: deque[T] = deque()
        self._is_over = False
        self._round = _Round()

    def __next__(self) -> tuple[Json, T]:
        while not self._items:
            if self._is_over:
                raise StopIteration
            cursor = self._following
            items, following = self._pages.page(cursor)
            if following is not None and following == cursor:
                raise UsageError(
                    f"paged: the page at {cursor!r} names itself as the next one; it would never "
                    f"end: {_FORM}"
                )
            if self._round.is_closed_by(cursor):
                raise UsageError(
                    f"paged: the page at {cursor!r} has come before: the pages go round, and would "
                    f"never end: {_FORM}"
                )
            self._items.extend(items)
            self._cursor, self._following, self._is_over = cursor, following, following is None
        return _to(self._cursor), self._items.popleft()


class _Round:
    """Whether cursors go round. One of them is kept, a later one each time twice as many have come:
    sooner or later it is in the round, and meets itself."""

    def __init__(self) -> None:
        self._kept: list[Json] = []
        self._left = self._turn = 1

    def is_closed_by(self, cursor: Json) -> bool:
        """Say which cursor comes next."""
        if [cursor] == self._kept:
            return True
        self._left -= 1
        if not self._left:
            self._turn *= 2
            self._kept, self._left = [cursor], self._turn
        return False


def paged(
    fn: Callable[[Json], tuple[Iterable[T], Json]],
    *,
    start: Json = None,
    rate: str | Rate | None = None,
) -> Pages[T]:
    """Return the items of an interface with cursors: `fn(cursor)` returns `(items, next)`.

    The first call gets `start`, each later one the `next` of the one before; a `next` of None is
    the end. Cursors are plain JSON. A page is asked for when its first item is wanted, and not
    oftener than `rate` ("20/s", "5000/h"). A batch that goes on begins with the page of the oldest
    unfinished item. What `fn` raises comes out of the reading, and the next `next` asks for the
    same page again: a batch does that after `RateLimited`, when its time has come. Raises
    UsageError for an answer of another form, for a page that names itself as the next one, and for
    pages that go round.
    """
    if not callable(fn):
        raise UsageError(f"paged: {fn!r} cannot be called; give a function of a cursor")
    return Pages(fn, start, Rate.of(rate))


# The first page's cursor may be None, and a cursor of ours is not: both are in a list.


def _to(cursor: Json) -> Json:
    return [cursor]


def _from(cursor: Json) -> Json:
    if not isinstance(cursor, list) or len(cursor) != 1:
        raise UsageError(f"{cursor!r} is no place in pages; a cursor is [what fn is given]")
    return cursor[0]


def _checked(cursor: Json) -> Json:
    """Return a cursor that can be part of a checkpoint. Raises UsageError."""
    try:
        tree = encode(cursor)
        size = len(dumps(tree))
    except (Unrecordable, ValueError) as error:
        raise UsageError(f"paged: the cursor {cursor!r} is not plain JSON: {error}") from error
    if tree != cursor:
        raise UsageError(f"paged: the cursor {cursor!r} is not plain JSON; give text or a number")
    if size > CURSOR_BYTES_MAX:
        raise UsageError(
            f"paged: a cursor of {size} bytes is too long to keep with every checkpoint; "
            f"give at most {CURSOR_BYTES_MAX}"
        )
    return cursor
