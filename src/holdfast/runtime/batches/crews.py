"""Who does the items: the calling thread, or threads.

Tasks and pools have their own files.

A crew has a slot for each worker. It is handed a chunk of items for a free slot, and says on the
queue when that has landed; it never takes an item by itself, so that nothing waits in a place
from which it could be lost, and a worker's next item begins only when its last one is recorded.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from queue import SimpleQueue
from time import monotonic
from typing import Protocol, TypeAlias

from holdfast.locks import Lock
from holdfast.model.making import dataclass
from holdfast.model.retry import Retry
from holdfast.ports.batches import Tail
from holdfast.runtime.batches.transactions import AlreadyCommitted
from holdfast.runtime.batches.work import (
    CURRENT,
    Body,
    Failure,
    Landed,
    Landing,
    Work,
    do_item,
    failure_of,
)

GRACE_S = 5.0
"""How long an item may take to end after its timeout, when its programs were killed."""


At: TypeAlias = tuple[Work, float]
"""An item that is being done, and since when: another one each time one begins."""


class Landings(Protocol):
    """Where workers say what landed, and the driver waits for it: a queue."""

    def put(self, landed: Landed) -> None: ...

    def get(self, *, timeout: float) -> Landed:
        """Return what has landed first. Raises queue.Empty when nothing has for so long."""

    def get_nowait(self) -> Landed: ...

    def empty(self) -> bool: ...


@dataclass(slots=True)
class Site:
    """What every crew works with: the user's function, what holds for each item, where to note
    what is in hand, and where to say what landed. `guarded` runs user code of the calling thread
    so that a second signal may interrupt it; `end_programs` ends what an item started."""

    body: Body
    retry: Retry
    timeout_s: float | None
    tail: Tail
    landed: Landings
    redact: Callable[[str], str]
    guarded: Callable[[Callable[[], Landed]], Landed]
    end_programs: Callable[[Work], None]
    monotonic: Callable[[], float]

    def do_chunk(self, slot: int, chunk: Sequence[Work]) -> Landed:
        """Do a chunk here, one item after another, each noted before it begins."""
        body, note = self.body, self.tail.noter(slot, os.getpid())
        done, failed = list[tuple[Work, object]](), list[Landing]()
        began, stop = self.monotonic(), None
        enter, leave = CURRENT.set, CURRENT.reset
        try:
            for work in chunk:
                note(work.ordinal)
                token = enter(work)
                try:
                    done.append((work, body(work.item)))
                except AlreadyCommitted:
                    done.append((work, None))
                except (Exception, SystemExit) as error:
                    failed.append(Landing(work, None, failure_of(error, self.retry, self.redact)))
                    if failed[-1].is_limited:
                        break
                finally:
                    leave(token)
            self.tail.vacate(slot)
        except BaseException as error:
            stop = error
        rest = chunk[len(done) + len(failed) :]
        return Landed(slot, done, failed, rest, (), stop, self.monotonic() - began)


class Crew(Protocol):
    """Workers, by slot."""

    size: int
    is_inline: bool

    def start(self, slot: int, chunk: Sequence[Work]) -> None:
        """Begin a chunk in a free slot; what comes of it is put on the queue."""

    def look(self) -> None:
        """Look after the workers: called while the driver waits, about ten times a second."""

    def close(self) -> bool:
        """Let the workers go. Those that are at an item are waited for by nobody; whether there
        are some that may outlive the life is returned."""


class Inline:
    """The calling thread, one item after another."""

    size, is_inline = 1, True

    def __init__(self, site: Site) -> None:
        self._site = site

    def start(self, slot: int, chunk: Sequence[Work]) -> None:
        site = self._site
        site.landed.put(site.guarded(lambda: site.do_chunk(slot, chunk)))

    def look(self) -> None:
        return None

    def close(self) -> bool:
        return False


class Threads:
    """A thread for each slot, made when it is first needed.

    One that outlives its item's timeout is given up on: the item has failed, the thread is not
    waited for, and another takes its slot.
    """

    is_inline = False

    def __init__(self, site: Site, size: int) -> None:
        self.size = size
        self._site = site
        self._threads: dict[int, _Thread] = {}
        self._context = copy_context()

    def start(self, slot: int, chunk: Sequence[Work]) -> None:
        thread = self._threads.get(slot)
        if thread is None:
            thread = self._threads[slot] = _Thread(self._site, slot, self._context.copy())
        thread.give(chunk)

    def look(self) -> None:
        limit = self._site.timeout_s
        if limit is None:
            return
        for slot, thread in list(self._threads.items()):
            overdue = thread.overdue(limit)
            if overdue is None:
                continue
            at, late_s = overdue
            if not thread.is_told:
                thread.is_told = True
                self._site.end_programs(at[0])
            elif late_s > GRACE_S and thread.give_up(at):
                del self._threads[slot]

    def close(self) -> bool:
        for thread in self._threads.values():
            thread.give(None)
        return False  # They are daemons: what ends the life ends the process, and them.


class _Thread:
    """One worker's thread."""

    def __init__(self, site: Site, slot: int, context: Context) -> None:
        self._site, self._slot = site, slot
        self._chunks: SimpleQueue[Sequence[Work] | None] = SimpleQueue()
        self._lock = Lock()
        self._is_given_up = False
        self._at: At | None = None
        self._landings: list[Landing] = []
        self._chunk: Sequence[Work] = ()
        self.is_told = False
        # A daemon: an item that was given up on must not keep the process from ending.
        threading.Thread(
            target=context.run, args=(self._work,), name=f"holdfast item {slot}", daemon=True
        ).start()

    def give(self, chunk: Sequence[Work] | None) -> None:
        """Hand it a chunk; None sends it home."""
        self._chunks.put(chunk)

    def overdue(self, limit_s: float) -> tuple[At, float] | None:
        """Return what it is at for longer than `limit_s`, and by how much."""
        at = self._at
        late_s = 0.0 if at is None else monotonic() - at[1] - limit_s
        return (at, late_s) if at is not None and late_s > 0 else None

    def give_up(self, at: At) -> bool:
        """Say that the item has failed which it was seen at, and the rest of its chunk is still to
        be done; whatever the thread still brings is not taken. When that item has ended meanwhile
        nothing is said of it, nor of the next one, and False is returned."""
        with self._lock:
            if self._at is not at:
                return False
            self._is_given_up = True
            work = at[0]
            stuck = Failure("TimeoutError", "timed out; it may still be running", is_stuck=True)
            ended = (*self._landings, Landing(work, None, stuck, None, monotonic() - at[1]))
            rest = self._chunk[len(ended) :]
            self._site.tail.vacate(self._slot)
            self._site.landed.put(Landed.of(self._slot, ended, rest))
            return True

    def _work(self) -> None:
        while (chunk := self._chunks.get()) is not None:
            try:
                if not self._do(chunk):
                    return
            except BaseException as error:
                self._site.landed.put(Landed(self._slot, lost=chunk, error=error))
                return

    def _do(self, chunk: Sequence[Work]) -> bool:
        """Do a chunk; return False when nobody waits for this thread any more."""
        site, pid = self._site, os.getpid()
        if site.timeout_s is None:
            site.landed.put(site.do_chunk(self._slot, chunk))
            return True
        self._chunk, self._landings = chunk, []
        for work in chunk:
            site.tail.occupy(self._slot, work.ordinal, pid)
            self.is_told, self._at = False, (work, monotonic())
            landing = do_item(site.body, work, site.retry, site.redact)
            with self._lock:
                if self._is_given_up:
                    return False
                self._at = None
                self._landings.append(_in_time(landing, site))
            if landing.is_limited:
                break
        site.tail.vacate(self._slot)
        rest = chunk[len(self._landings) :]
        site.landed.put(Landed.of(self._slot, self._landings, rest))
        return True


def _in_time(landing: Landing, site: Site) -> Landing:
    """Return a landing as it counts: one that took longer than its timeout has failed."""
    limit_s = site.timeout_s
    if limit_s is None or landing.seconds <= limit_s:
        return landing
    return Landing(landing.work, None, timed_out(limit_s, site.retry), None, landing.seconds)


def timed_out(limit_s: float, retry: Retry) -> Failure:
    """Return how an item failed that took too long, and has ended."""
    may_retry = retry.retries(TimeoutError())
    return Failure("TimeoutError", f"timed out after {limit_s:g} s", may_retry=may_retry)
