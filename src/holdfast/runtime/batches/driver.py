"""Drive a batch: hand items to workers, and record what came of each before the next begins.

Only the driver writes. It reads the source, gives a free worker a chunk, and waits; whatever has
landed meanwhile is recorded together, and only then are those workers free again. So a `kill -9`
repeats at most what was handed out and had not landed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from queue import Empty
from random import random
from typing import Final, Literal

from holdfast.errors import Leaving, UsageError
from holdfast.model.budget import is_breached
from holdfast.ports.sources import Unreadable
from holdfast.runtime.batches import settling
from holdfast.runtime.batches.alone import do_alone
from holdfast.runtime.batches.book import HARDENED_S, Book, begin_once
from holdfast.runtime.batches.crews import Crew, Site
from holdfast.runtime.batches.pace import Pace
from holdfast.runtime.batches.reading import Reading
from holdfast.runtime.batches.work import Landed, Landing, Work, limited_s
from holdfast.runtime.calling import SLICE_S
from holdfast.runtime.life import Life

PARKED_MAX: Final = 10_000
"""So many items wait for another attempt at most; beyond, no new one begins."""
AHEAD_MAX: Final = 1_000
"""With output in the order of the input: how far an item may be ahead of the one that is next."""
DEATHS_ALONE: Final = 2
"""An item in hand at so many deaths of its process is done alone."""
SOURCE_S: Final = 0.02
"""How often a source is asked again that had no item yet."""
LOOK_S: Final = 0.25
"""How often the driver looks whether somebody asked the run to stop."""

Halt = Literal["", "budget", "leaving"]


class Driver:
    """Does the items of one batch in one life."""

    def __init__(self, book: Book, reading: Reading, crew: Crew, site: Site) -> None:
        self.life: Life = book.life
        self.book, self.reading, self.crew, self.site = book, reading, crew, site
        self.rules = book.rules
        self.pace = Pace(book)
        self.halt: Halt = ""
        self.why = ""
        self._free = list(range(crew.size))
        self._parked: list[tuple[datetime, int, Work]] = []
        self._again: deque[Work] = deque()
        self._numbers = count()
        self._looked_at = self.life.clock.monotonic()
        self._error: BaseException | None = None

    # --- the loop ---

    def run(self) -> None:
        """Do items until all are settled, or none may begin any more. On return, and when it
        raises, everything that landed survives power loss. Raises Leaving."""
        try:
            with self._hardening():
                self._loop()
        finally:
            self._end()

    def _loop(self) -> None:
        self._judge()  # Nothing begins on a budget that an earlier life spent.
        while True:
            self._look()
            self._feed()
            if self.book.in_flight:
                self._record(self._landed())
            elif self.halt or self._error is not None or not self._wait_for_work():
                break
        self._judge()  # Once more: a share of all items is judged when all have been tried.
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            with self.book.guard():
                raise self._error
        if self.halt == "leaving":
            self.life.raise_if_leaving()

    def _end(self) -> None:
        if self.crew.close():
            self.life.leave_items()
        with suppress(Leaving):  # What it would say is on its way already.
            self.book.harden()
        # How far it came stays on the line of a step that has ended.
        self.pace.tell(self.reading.total)

    def _look(self) -> None:
        """See whether the run is to leave, at each pass; whether others say so, now and then."""
        now = self.life.clock.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            with suppress(Leaving):
                self.life.look_for_requests()
            self.pace.tell(self.reading.total)
        if not self.halt and self.life.is_due():
            self.halt = "leaving"
        if self.halt:
            self.life.raise_if_leaving_now()

    # --- handing out ---

    def _feed(self) -> None:
        while self._free and not self.halt and self._error is None:
            if self.pace.wait_s() > 0:
                return
            try:
                chunk = self._chunk()
            except BaseException as error:
                # The source's, or a key's, and any that ends the script: what is in hand still
                # lands. Not where nothing can be noted any more, or nobody waits.
                if isinstance(error, Leaving) and (
                    self.life.is_cut_off or error.kind in ("lost", "storage")
                ):
                    raise
                self._error = error
                return
            if not chunk and self.reading.is_skipping:
                # Many were passed over: what they say is noted, and whoever waits has a turn.
                self.reading.is_skipping = False
                self.book.flush()
                self._look()
                if self.site.landed.empty():
                    continue
            readable = self._readable(chunk)
            if chunk and not readable and self.reading.limited is None:
                self._look()
            elif self._is_put_off(readable):
                return
            else:
                self._start(readable)

    def _readable(self, chunk: list[Work]) -> list[Work]:
        """Return what can be handed out of a chunk; the rest of it has failed, which is noted."""
        if not any(type(work.item) is Unreadable for work in chunk):
            return chunk
        with self.book.lock:
            readable = settling.settle_unreadable(self.book, chunk)
            self.book.flush()
        self._judge()
        return readable

    def _is_put_off(self, chunk: list[Work]) -> bool:
        """Whether nothing is to begin now; these are kept for later."""
        limited, self.reading.limited = self.reading.limited, None
        if limited is not None:
            self.pace.limit(limited_s(limited))
        elif not chunk:
            return True
        elif self.site.landed.empty():  # Else it may be a rate limit that has landed meanwhile.
            if not (self.halt or self.life.is_due()):
                return False
            self.halt = self.halt or "leaving"
        self._again.extendleft(reversed(chunk))
        return True

    def _start(self, chunk: list[Work]) -> None:
        slot, book = self._free.pop(), self.book
        book.in_flight += len(chunk)
        if self.rules.once:
            begin_once(book, chunk, self.life.clock.now())
        book.flush()
        self.pace.started(len(chunk))
        if chunk[0].deaths >= DEATHS_ALONE:
            do_alone(self.site, slot, chunk[0], lambda line: settling.say(book, chunk[0], line))
        else:
            self.crew.start(slot, chunk)

    def _chunk(self) -> list[Work]:
        """Return the next items to hand out; one that is to be done alone comes alone."""
        size = self.pace.room_for(self.rules.chunk)
        chunk = self._new(size)
        while len(chunk) < size and not (self.reading.is_skipping or self.reading.limited):
            work = self._next()
            if work is None:
                break
            if work.deaths >= DEATHS_ALONE and chunk:
                self._again.appendleft(work)
                break
            chunk.append(work)
            if work.deaths >= DEATHS_ALONE:
                break
        if chunk and not self.pace.has_time_for(len(chunk)):
            self._again.extendleft(reversed(chunk))
            self.halt = "leaving"
            return []
        return chunk

    def _new(self, size: int) -> list[Work]:
        """Return new items, as many as are wanted, where nothing but their order decides."""
        if self._again or self._parked or self.book.noted or self._is_far_ahead():
            return []
        return self.reading.take(size)

    def _next(self) -> Work | None:
        """Return the next item: one that comes again, one that has waited, or a new one."""
        if self._again:
            return self._again.popleft()
        if self._parked and self._parked[0][0] <= self.life.clock.now():
            return heappop(self._parked)[2]
        while len(self._parked) < PARKED_MAX and not self._is_far_ahead():
            found = self.reading.take(1)
            if not found:
                return None
            work = found[0]
            if work.next_at is None or work.next_at <= self.life.clock.now():
                return work
            self._park(work, work.next_at)
        return None

    def _is_far_ahead(self) -> bool:
        book = self.book
        if not book.is_ordered or len(book.buffered) < AHEAD_MAX:
            return False
        # With nothing in hand, the next one has moved in the source, or is gone: read on.
        return bool(book.in_flight or self._parked or self._again)

    def _park(self, work: Work, until: datetime) -> None:
        heappush(self._parked, (until, next(self._numbers), work))

    # --- what landed ---

    def _landed(self) -> list[Landed]:
        """Wait for a worker, and return everything that has landed by then."""
        queue = self.site.landed
        landed: list[Landed] = []
        try:
            landed.append(queue.get(timeout=self._wait_s()))
            while not queue.empty():
                landed.append(queue.get_nowait())
        except Empty:
            self.crew.look()
            self.book.harden_if_due()
        return landed

    def _wait_s(self) -> float:
        wait_s = SLICE_S
        if self.book.pending.since is not None:
            wait_s = min(wait_s, HARDENED_S)
        if self._free and not self.halt:
            wait_s = min(wait_s, self.pace.wait_s() or SLICE_S, self._parked_s())
            wait_s = min(wait_s, SOURCE_S if self.reading.is_waiting else SLICE_S)
        return max(wait_s, 0.001)

    def _parked_s(self) -> float:
        if not self._parked:
            return SLICE_S
        return (self._parked[0][0] - self.life.clock.now()).total_seconds()

    def _record(self, landed: list[Landed]) -> None:
        if not landed:
            return
        book = self.book
        with book.lock:
            for one in landed:
                book.in_flight -= one.size
                for landing in (*settling.settle_done(book, one.done), *one.failed):
                    self._settle_failed(landing)
                if one.lost:
                    self._take_back(one)
                self.pace.ended(one.seconds, len(one.done) + len(one.failed))
                if one.error is not None and self._error is None:
                    self._error = one.error
            book.flush()
        self._free.extend(one.slot for one in landed)
        self._judge()

    def _settle_failed(self, landing: Landing) -> None:
        """Record that an item did not end well, or let it come again."""
        then = settling.settle_failed(self.book, landing, random())
        if then.limited_s is not None:
            self.pace.limit(then.limited_s)
            self._again.appendleft(landing.work)
        elif then.again is not None:
            until = then.again.next_at
            if until is None:
                self._again.append(then.again)
            else:
                self._park(then.again, until)

    def _take_back(self, landed: Landed) -> None:
        """Items that their worker lost: those it was at are done alone, the others again. Of a
        `once` item nobody knows whether it took effect."""
        at = self.life.clock.now()
        suspects = {work.ordinal for work in landed.suspects}
        nothing_began = isinstance(landed.error, UsageError)
        for work in landed.lost:
            if self.rules.once and not nothing_began:
                settling.leave_in_doubt(self.book, work)
            elif work.ordinal in suspects:
                settling.suspect(self.book, work, at)
                self._again.appendleft(work._replace(deaths=DEATHS_ALONE))
            else:
                settling.give_back(self.book, work)
                self._again.append(work)

    def _judge(self) -> None:
        """Halt when the budget of failures is breached."""
        budget, book = self.rules.budget, self.book
        if budget is None or self.halt or self._error is not None:
            return
        tried = book.counts["done"] + book.dead - book.counts["already"]
        is_over = self.reading.is_over and not (self._parked or self._again or book.in_flight)
        why = is_breached(
            budget, book.dead, book.row.granted, "".join(book.recent), tried,
            total=tried if is_over else None,
        )  # fmt: skip
        if why:
            self.halt, self.why = "budget", why

    # --- waiting ---

    def _wait_for_work(self) -> bool:
        """Wait for the moment at which an item may begin; False when there is none to come."""
        moments = [self._parked[0][0]] if self._parked else []
        pause_s = self.pace.wait_s()
        if pause_s > 0 and (self._again or self._parked or not self.reading.is_over):
            moments = [self.life.clock.now() + timedelta(seconds=pause_s)]
        if self.reading.is_waiting:
            moments.append(self.life.clock.now() + timedelta(seconds=SOURCE_S))
        if not moments:
            return bool(self._again)
        self.book.harden()
        try:
            # Whoever sets the clock back meanwhile makes nobody wait longer for that.
            most_s = (min(moments) - self.life.clock.now()).total_seconds()
            self.life.wait_until(min(moments), most_s)
        except Leaving:
            self.halt = "leaving"
        return True

    @contextmanager
    def _hardening(self) -> Iterator[None]:
        """While items are done in this very thread, another makes their notes last in time."""
        if not self.crew.is_inline:
            yield
            return
        over = threading.Event()

        def harden() -> None:
            with suppress(Leaving):  # The driver meets the flag at its next pass.
                while not over.wait(HARDENED_S):
                    self.book.harden_if_due()

        thread = threading.Thread(target=harden, name="holdfast checkpoints", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
