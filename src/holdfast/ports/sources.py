"""Where the items of a batch come from: any iterable, and better one that can start in between.

A batch reads its source again at every resume. It matches items by their keys, so a source may have
changed; one that is `Resumable` need not be read from its beginning. The caller remembers the
cursor of the oldest item that is not finished, and, where it counts items, how many came before the
first one of that cursor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, Protocol, TypeVar, runtime_checkable

from holdfast.model.json import Json
from holdfast.model.making import dataclass

T_co = TypeVar("T_co", covariant=True)


class NotYet:
    """What a source yields in the place of an item that is not there yet, instead of waiting for
    it: it is asked again soon, and what is in hand is attended to meanwhile."""


NOT_YET: Final = NotYet()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a reading with cursors yields in the place of an item that is there and cannot be read:
    a row with a cell too few, a line that is no JSON. It is an item that has failed, and the
    reading goes on behind it.

    `key` is where it is, as people type it, and `content` which one it is: the same, wherever it
    moves, and another once it was mended. `why` names the file and the line.
    """

    key: str
    content: str
    why: str


@runtime_checkable
class Resumable(Protocol[T_co]):
    """An iterable of items that can be read from a place within it.

    Several readings may be under way at once. An error of the outside (a page that does not come)
    raised by `next` leaves a reading where it was when the source says so; else it is over.
    """

    def __iter__(self) -> Iterator[T_co]:
        """Yield every item, from the beginning. What cannot be read ends it with UsageError."""

    def resume(self, cursor: Json) -> Iterator[tuple[Json, T_co]]:
        """Yield `(cursor, item)` from the first item of this cursor on; None is the beginning.

        Several items in a row may share a cursor (those of one page): then all of them come again,
        also the finished ones. A cursor is plain JSON, never None, and means the same in another
        process. Raises UsageError for a cursor that this source did not give.
        """


@runtime_checkable
class Patient(Iterator[T_co], Protocol[T_co]):
    """A reading that an error leaves where it was: after RateLimited it is asked again. Of any
    other nobody knows that (a generator is over), and its error ends whoever reads."""

    asks_again: Literal[True]


@runtime_checkable
class Changeable(Resumable[T_co], Protocol[T_co]):
    """A source in which items may move, so that a cursor may come to point at something else.

    A reading that nothing interrupts sees nothing of what changes behind it either; that alone
    needs no `holds`, as long as a cursor stays between the same two items.
    """

    def holds(self, cursor: Json) -> bool:
        """Whether everything is where it was when this cursor was given. When it is not, a reading
        has to begin at the beginning. Never raises; a strange cursor does not hold."""


@runtime_checkable
class Placed(Resumable[T_co], Protocol[T_co]):
    """A source of which people can be told where an item is."""

    def place_of(self, cursor: Json) -> str:
        """Return where the item of a cursor is, as people type it: `papers.csv:1041`."""
