"""The books of a batch, which the driver and the thread that makes them last share."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from tests.unit.runs import Runs

from holdfast import workflow
from holdfast.model.batches import BatchRow
from holdfast.runtime.batches.book import PAGES_MAX, Book
from holdfast.runtime.batches.rules import BatchRules
from holdfast.runtime.context import FRAME


class Interrupted(deque[tuple[int, Any]]):
    """Cursors of which somebody else wants to know just when they are about to be let go of."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self._other = threading.Thread(target=book.as_row)

    def popleft(self) -> tuple[int, Any]:
        if self._other.ident is None:
            self._other.start()
            self._other.join(0.2)  # It has to wait for the lock; without one it is done by then.
        return super().popleft()


def test_two_threads_may_look_at_a_batch_at_once(runs: Runs) -> None:
    """Cursors whose items are done are let go of once, and the oldest that is not stays."""

    @workflow
    def main() -> Any:
        frame = FRAME.get()
        assert frame is not None
        book = Book(frame.life, BatchRules(), BatchRow("item"))
        book.pages = Interrupted(book)
        for at in range(3):
            book.came_to(at, f"page {at}")
        for at in range(2):
            book.settle(at)
        return book.as_row().cursor

    assert ["page 2", 2] == runs.start(main).result


def test_cursors_are_forgotten_together(runs: Runs) -> None:
    """What is read then has no place of its own: the last one that was known stays."""

    @workflow
    def main() -> Any:
        frame = FRAME.get()
        assert frame is not None
        book = Book(frame.life, BatchRules(), BatchRow("item", cursor=["page 7", 7]))
        book.came_to(9, "page 9")
        book.forget_cursors()
        return book.as_row().cursor

    assert ["page 7", 7] == runs.start(main).result


def test_cursors_behind_an_item_that_waits_are_bounded(runs: Runs) -> None:
    """However many items are done behind one that waits an hour for its next attempt, few cursors
    are kept; and the oldest unfinished item is still found from one shortly before it."""
    kept = []

    @workflow
    def main() -> Any:
        frame = FRAME.get()
        assert frame is not None
        book = Book(frame.life, BatchRules(), BatchRow("item"))
        for at in range(3 * PAGES_MAX):
            book.came_to(at, f"line {at}")
            kept.append(len(book.pages))
        waiting = book.as_row().cursor
        for at in range(2 * PAGES_MAX):
            book.settle(at)
        return [waiting, book.as_row().cursor]

    waiting, (cursor, at) = runs.start(main).result

    assert max(kept) <= PAGES_MAX
    assert ["line 0", 0] == waiting
    assert f"line {at}" == cursor and 2 * PAGES_MAX - 10 < at <= 2 * PAGES_MAX
