"""Who does the items: an executor of the script's, in other processes or on other machines.

At most as many chunks as there are slots are handed to it, so that none waits in a queue of its
own, where the death of one worker would fail it beside the guilty. What an executor raises by
itself says that a process is gone: the items noted in its slots were being done (suspects), the
others go back as they came. A pool that is broken by it is made anew.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import copy_context
from functools import partial
from multiprocessing.connection import wait
from time import monotonic
from typing import Any, Final, NamedTuple, TypeAlias

from holdfast.errors import UsageError
from holdfast.model.making import replace
from holdfast.runtime.batches.crews import Site, timed_out
from holdfast.runtime.batches.shipping import Place, begin_worker, do_parcel, parcel
from holdfast.runtime.batches.work import Landed, Landing, Work
from holdfast.runtime.signals import sigterm_held

Remade: TypeAlias = Callable[[], Executor]

ENDING_S: Final = 1.0
"""How long process pools are waited for at the end of a batch, which takes them milliseconds when
no item is in hand. Python 3.11 wakes them at its own exit without their lock, and prints a
traceback about one that is just closing."""

KILLED_S: Final = 5.0
"""How long killed workers of a pool are waited for: what holds one up is the kernel."""

BARREN_MAX: Final = 3
"""How many pools in a row may break before any of their workers has begun an item."""


class Pool:
    """The workers behind an executor. Those of a process pool that outlive a timeout are
    killed: their item has failed, what died beside it is done again and is charged nothing."""

    is_inline = False

    def __init__(self, site: Site, size: int, given: Executor | Callable[[], Executor]) -> None:
        self.size = size
        self._site = site
        self._remake = remaker(given)
        self._executor = bound(given if isinstance(given, Executor) else given())
        self._is_ours = not isinstance(given, Executor)
        self._is_local = isinstance(self._executor, ProcessPoolExecutor)
        self._has_threads = isinstance(self._executor, ThreadPoolExecutor)
        if site.timeout_s is not None:
            self._refuse_timeout()
        self._handed: dict[int, _Handed] = {}
        self._overdue: dict[int, Work] = {}
        self._ending: list[threading.Thread] = []
        self._broken: Executor | None = None
        self._has_begun, self._barren = False, 0
        self._is_closed = False

    def _refuse_timeout(self) -> None:
        """Raise UsageError for a timeout that nobody could keep: only a process of a pool on this
        machine, of which is known what it is at, is ended and replaced."""
        kind, size = type(self._executor).__name__, self.size
        if self._has_threads:
            raise UsageError(
                "each: timeout= cannot end what a thread of an executor is at, nor replace that "
                f"thread; leave executor= out and give at_once={size}, for threads of our own"
            )
        if not self._is_local:
            raise UsageError(
                f"each: timeout= cannot end what a worker of {kind.lstrip('_')} is at; limit the "
                f"time within the function, or give executor=ProcessPoolExecutor({size})"
            )
        if self._site.tail.slots_path is None:
            raise UsageError(
                "each: timeout= cannot end what a process is at here: the store has no file in "
                "which processes note it"
            )

    def start(self, slot: int, chunk: Sequence[Work]) -> None:
        site = self._site
        task = self._task(slot, chunk)
        site.tail.vacate(slot)
        self._overdue.pop(slot, None)  # It may have ended just before it was killed.
        try:
            future = self._submit(task)
        except UsageError as error:
            site.landed.put(Landed(slot, lost=tuple(chunk), error=error))
            return
        handed = self._handed[slot] = _Handed(future, tuple(chunk), self._executor, monotonic())
        future.add_done_callback(lambda done: self._land(slot, handed))

    def _task(self, slot: int, chunk: Sequence[Work]) -> Callable[[], object]:
        """Return what a worker is to call. A thread needs nothing packed: it is of this process.
        Raises UsageError for what cannot be sent to another."""
        site = self._site
        if self._has_threads:
            return partial(copy_context().run, site.do_chunk, slot, chunk)
        driver = os.getpid() if self._is_local else 0
        place = Place(slot, site.tail.slots_path, driver)
        return partial(do_parcel, parcel(site.body, site.retry, chunk, place))

    def _submit(self, task: Callable[[], object]) -> Future[Any]:
        """Hand a chunk to the executor, in place of a broken one to another. Raises UsageError
        when they break for nothing that an item did."""
        if self._executor is self._broken:
            self._make_anew()
        with self._forking():
            try:
                return self._executor.submit(task)
            except (BrokenExecutor, RuntimeError):
                # Broken by a death that a future of another slot is about to tell.
                self._make_anew()
                return self._executor.submit(task)

    def _forking(self) -> AbstractContextManager[None]:
        """Return what stands around a submit that may fork workers. A fork server keeps for ever
        what is held back when it starts, also for others."""
        place: Any = self._executor
        is_forked = self._is_local and place._mp_context.get_start_method() == "fork"
        return sigterm_held() if is_forked else nullcontext()

    def _land(self, slot: int, handed: _Handed) -> None:
        """Say what came of a chunk. Called by a thread of the executor, which may hold its lock
        meanwhile, as a process pool does since Python 3.12 when it breaks: nothing of it may be
        called here, and nothing waited for that the driver holds."""
        if self._is_closed:
            return  # The tail is closed with the batch, and nobody waits for this any more.
        try:
            landed = self._landed(slot, handed)
        except Exception as error:
            landed = Landed(slot, lost=handed.chunk, error=error)
        self._site.landed.put(landed)

    def _landed(self, slot: int, handed: _Handed) -> Landed:
        chunk = handed.chunk
        try:
            landings = handed.future.result()
        except UsageError as error:
            return Landed(slot, lost=chunk, error=error)  # Nothing was begun.
        except BaseException as error:
            if isinstance(error, BrokenExecutor):
                self._broken = handed.executor
            return self._lost(slot, chunk)
        self._has_begun = True
        if isinstance(landings, Landed):
            return landings  # A thread's: of these very items.
        # The item that came back is a copy; ours knows its own object.
        ours = zip(chunk, landings, strict=False)
        rest = chunk[len(landings) :]
        return Landed.of(slot, [replace(landing, work=work) for work, landing in ours], rest)

    def _lost(self, slot: int, chunk: tuple[Work, ...]) -> Landed:
        overdue = self._overdue.pop(slot, None)
        limit_s = self._site.timeout_s
        if overdue is not None and limit_s is not None:
            self._has_begun = True
            failure = timed_out(limit_s, self._site.retry)
            late = Landing(overdue, None, failure, None, limit_s)
            return Landed.of(slot, (late,), [work for work in chunk if work is not overdue])
        at = self._at(slot)
        suspects = tuple(work for work in chunk if at is None or work.ordinal == at)
        if suspects:
            self._has_begun = True
        return Landed(slot, lost=chunk, suspects=suspects)

    def _at(self, slot: int) -> int | None:
        """Return which item a slot says was being done: -1 for none, None when nobody knows."""
        if self._site.tail.slots_path is None or not self._is_local:
            return None
        noted = self._site.tail.slots()[slot]
        return -1 if noted is None else noted.item

    def _make_anew(self) -> None:
        """Replace a broken pool. Raises UsageError after several in which nothing was begun."""
        broken = self._executor
        # The future of another slot may not have told yet that its worker was at an item.
        handed = [slot for slot, handed in self._handed.items() if handed.executor is broken]
        has_begun = self._has_begun or any(self._at(slot) != -1 for slot in handed)
        self._barren = 0 if has_begun else self._barren + 1
        if self._barren >= BARREN_MAX:
            raise UsageError(
                f"each(executor=…): {BARREN_MAX} pools in a row broke before a worker had begun an "
                "item: look at the pool's initializer and at what its workers import, in what they "
                "wrote above"
            )
        self._executor = bound(self._remake())
        if broken is not self._executor:
            self._end(broken)
        self._broken, self._is_ours, self._has_begun = None, True, False

    def look(self) -> None:
        limit_s = self._site.timeout_s
        if limit_s is None:
            return
        now = monotonic()
        for slot, handed in list(self._handed.items()):
            is_late = now - handed.began > limit_s * len(handed.chunk)
            if is_late and not handed.future.done() and slot not in self._overdue:
                self._kill(slot, handed.chunk)

    def _kill(self, slot: int, chunk: Sequence[Work]) -> None:
        noted = self._site.tail.slots()[slot]
        if noted is None or not isinstance(self._executor, ProcessPoolExecutor):
            return
        # Only a process that is the pool's own, and still its child.
        if noted.pid not in (self._executor._processes or {}):
            return
        for work in chunk:
            if work.ordinal == noted.item:
                self._overdue[slot] = work
        with suppress(ProcessLookupError):
            os.kill(noted.pid, signal.SIGKILL)

    def close(self) -> bool:
        self._is_closed = True
        has_left = self._end_items()
        if self._is_ours:
            self._end(self._executor)
        until = monotonic() + ENDING_S
        for thread in self._ending:
            thread.join(max(0.0, until - monotonic()))
        return has_left

    def _end_items(self) -> bool:
        """End what is in hand, where it is to be waited for no longer: what has not begun is taken
        back, and the workers of process pools are killed. Return whether some go on."""
        left = [
            handed.executor
            for handed in self._handed.values()
            if not (handed.future.done() or handed.future.cancel())
        ]
        pools = {id(pool): pool for pool in left if isinstance(pool, ProcessPoolExecutor)}
        workers = [
            worker for pool in pools.values() for worker in list((pool._processes or {}).values())
        ]
        for worker in workers:
            worker.kill()
        are_gone = _are_gone([worker.sentinel for worker in workers])
        return not are_gone or any(id(pool) not in pools for pool in left)

    def _end(self, executor: Executor) -> None:
        """Let an executor end by itself, without what has not begun."""
        manager = getattr(executor, "_executor_manager_thread", None)
        if not getattr(executor, "_broken", False):
            # One that broke ends without being told, and keeps its lock until its workers are gone.
            executor.shutdown(wait=False, cancel_futures=True)
        if manager is not None:
            self._ending.append(manager)


def _are_gone(sentinels: list[int]) -> bool:
    """Wait until processes are gone that were killed, for a while; return whether they are."""
    until, left = monotonic() + KILLED_S, set(sentinels)
    while left and monotonic() < until:
        left.difference_update(wait(list(left), until - monotonic()))
    return not left


class _Handed(NamedTuple):
    """A chunk that an executor has."""

    future: Future[Any]
    chunk: tuple[Work, ...]
    executor: Executor
    began: float


def bound(executor: Executor) -> Executor:
    """Let the workers that a process pool starts from now on die with this process, also those
    that never get an item."""
    if isinstance(executor, ProcessPoolExecutor):
        place: Any = executor
        if getattr(place._initializer, "__module__", "") != begin_worker.__module__:
            place._initargs = (os.getpid(), place._initializer, place._initargs)
            place._initializer = begin_worker
    return executor


def remaker(given: Executor | Callable[[], Executor]) -> Remade:
    """Return what makes an executor like the given one when that is broken."""
    if not isinstance(given, Executor):
        return given
    if isinstance(given, ProcessPoolExecutor):
        # A pool says nowhere else what it was made of.
        made_of: dict[str, Any] = {
            name: getattr(given, f"_{name}", None)
            for name in (
                "max_workers", "mp_context", "initializer", "initargs", "max_tasks_per_child",
            )
        }  # fmt: skip
        kind = type(given)
        return lambda: kind(**made_of)
    return lambda: given


def size_of(given: Executor | Callable[[], Executor], at_once: int | None) -> int:
    """Return how many chunks an executor is handed at once. Raises UsageError when nobody says."""
    if at_once is not None:
        return at_once
    workers = getattr(given, "_max_workers", None)
    if isinstance(workers, int):
        return workers
    raise UsageError("each(executor=…): say with at_once= how many items it may do at once")
