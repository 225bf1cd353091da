"""How fast a batch goes, and for how long: rates, rate limits, budgets of time, forecasts."""

from __future__ import annotations

import os
from collections import deque
from datetime import timedelta
from math import inf
from typing import Final

from holdfast.model.durations import show
from holdfast.model.forecast import left_of, pace_text, per_second
from holdfast.model.making import replace
from holdfast.model.rate import Rate
from holdfast.runtime.batches.book import Book

SAMPLES: Final = 100
"""How many of the last items' durations say how long one usually takes."""


ALLOCATION_MARGIN_S: Final = 30.0
"""Before the end of a job, for the last checkpoint: schedulers kill to the second."""


def _allocation_s(now: float) -> float | None:
    """Return how long this process has by its job's end (`SLURM_JOB_END_TIME`, seconds since
    1970), less a margin; None outside a job."""
    text = os.environ.get("SLURM_JOB_END_TIME", "")
    return max(0.0, int(text) - now - ALLOCATION_MARGIN_S) if text.isdigit() else None


class Pace:
    """When the next item may begin, and whether there is time for it."""

    def __init__(self, book: Book) -> None:
        self._book, self._life = book, book.life
        rules = book.rules
        now = self._life.clock.monotonic()
        limits_s = [rules.time_budget_s, _allocation_s(self._life.clock.now().timestamp())]
        self._ends_at = min((now + limit for limit in limits_s if limit is not None), default=None)
        self._began_at = now
        self._started = 0
        self._told: tuple[int, int, int] | None = None
        self._durations: deque[float] = deque(maxlen=SAMPLES)
        # By the monotonic clock, so that nobody waits longer because the other was set back.
        until = book.row.paused_until
        left_s = -inf if until is None else (until - self._life.clock.now()).total_seconds()
        self._pause_ends_at = now + left_s

    # --- rates ---

    def wait_s(self) -> float:
        """Return how long no item may begin, because of a rate or a rate limit; 0 when one may."""
        rate, clock = self._book.rules.rate, self._life.clock
        if rate is None and self._pause_ends_at == -inf:
            return 0.0
        wait_s = max(0.0, self._pause_ends_at - clock.monotonic())
        if wait_s == 0.0:
            self._pause_ends_at = -inf
        if rate is not None:
            now = clock.now().timestamp()
            when, _ = rate.next_allowed(self._tat(rate, now), now)
            wait_s = max(wait_s, when - now)
        return wait_s

    def _tat(self, rate: Rate, now: float) -> float:
        """Return what the rate remembers; from then on that, where the clock was set back."""
        book = self._book
        tat = rate.remembered(book.row.tat, now)
        if tat != book.row.tat:
            with book.lock:
                book.row = replace(book.row, tat=tat)
        return tat

    def limit(self, wait_s: float) -> None:
        """No item begins for so long; durable with the next checkpoint, which is made now."""
        book, clock = self._book, self._life.clock
        ends_at = clock.monotonic() + wait_s
        if ends_at > self._pause_ends_at:
            self._pause_ends_at = ends_at
            until = clock.now() + timedelta(seconds=wait_s)
            book.row = replace(book.row, paused_until=until)
            book.checkpoint()
            self._life.tell(f"{book.key}: rate limited; no item begins for {show(wait_s)}")

    def started(self, items: int) -> None:
        """Count items that begin."""
        self._started += items
        book, rate = self._book, self._book.rules.rate
        if rate is not None:
            with book.lock:  # A checkpoint in another thread puts the row back that it wrote.
                now = self._life.clock.now().timestamp()
                _, tat = rate.next_allowed(self._tat(rate, now), now)
                book.row = replace(book.row, tat=tat)

    # --- time ---

    def ended(self, seconds: float, items: int) -> None:
        """Note how long a chunk of items took."""
        if items:
            self._durations.append(seconds / items)

    def room_for(self, items: int) -> int:
        """Return how many of these may be handed out at once: one where each has to keep to a
        rate, and no more than this life may begin, but always one, of which `has_time_for`
        decides."""
        stop_after = self._book.rules.stop_after
        if self._book.rules.rate is not None:
            return 1
        return items if stop_after is None else max(1, min(items, stop_after - self._started))

    def has_time_for(self, items: int) -> bool:
        """Whether to begin so many more items; the first of a life always may. When not, the life
        is told to leave."""
        rules = self._book.rules
        if self._started == 0:
            return True
        if rules.stop_after is not None and self._started >= rules.stop_after:
            self._life.leave(f"{self._started} items were done, as asked", 75, "time")
            return False
        left_s = self._left_s()
        if left_s is None or left_s > self._usual_s() * items:
            return True
        self._life.leave("the time budget is spent", 75, "time")
        return False

    def _left_s(self) -> float | None:
        now = self._life.clock.monotonic()
        ends = [end for end in (self._ends_at, self._life.ends_at) if end is not None]
        return min(ends) - now if ends else None

    def _usual_s(self) -> float:
        """Return how long an item takes at most, but for the slowest one in a hundred."""
        return max(self._durations, default=0.0)

    # --- telling ---

    def tell(self, total: int | None) -> None:
        """Show how far the batch is, how fast this life goes, and how long the rest takes.

        Only when it moved: whoever listens takes this for a sign of life.
        """
        book = self._book
        row = book.as_row()
        standing = (row.done, book.dead, book.tried)
        if standing == self._told:
            return
        self._told = standing
        spent_s = self._life.clock.monotonic() - self._began_at
        parts = [
            pace_text(per_second(book.life_done, spent_s), left_of(row, total)),
            f"{book.dead} failed" if book.dead else "",
        ]
        note = ", ".join(part for part in parts if part)
        whole = row.total if total is None else total
        if whole is not None:
            whole = max(whole, row.done)  # Of those that are gone from the source some are done.
        for listener in self._life.listeners:
            listener.progress(book.key, row.done, whole, note)
