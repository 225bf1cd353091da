"""Who does the items: tasks on an event loop. Loaded only by those who need asyncio."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Sequence
from contextvars import copy_context
from time import monotonic

from holdfast.model.making import replace
from holdfast.runtime.batches.crews import Site, timed_out
from holdfast.runtime.batches.transactions import AlreadyCommitted
from holdfast.runtime.batches.work import CURRENT, Landed, Landing, Work, failure_of


class Tasks:
    """Tasks on an event loop: the loop of the script, or one in a thread of its own."""

    is_inline = False

    def __init__(self, site: Site, size: int, loop: asyncio.AbstractEventLoop | None) -> None:
        self.size = size
        self._site = site
        self._context = copy_context()
        self._own = loop is None
        self._loop = asyncio.new_event_loop() if loop is None else loop
        if self._own:
            threading.Thread(target=self._run, name="holdfast items", daemon=True).start()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def start(self, slot: int, chunk: Sequence[Work]) -> None:
        def begin() -> None:
            self._loop.create_task(self._do(slot, chunk), context=self._context.copy())

        self._loop.call_soon_threadsafe(begin)

    async def _do(self, slot: int, chunk: Sequence[Work]) -> None:
        site, pid, landings = self._site, os.getpid(), list[Landing]()
        try:
            for work in chunk:
                site.tail.occupy(slot, work.ordinal, pid)
                landings.append(await self._do_item(work))
                if landings[-1].is_limited:
                    break
            site.tail.vacate(slot)
            site.landed.put(Landed.of(slot, landings, chunk[len(landings) :]))
        except BaseException as error:
            landed = Landed.of(slot, landings, chunk[len(landings) :])
            site.landed.put(replace(landed, error=error))

    async def _do_item(self, work: Work) -> Landing:
        site, began = self._site, monotonic()
        token = CURRENT.set(work)
        try:
            made = site.body(work.item)
            assert isinstance(made, Awaitable)
            async with asyncio.timeout(site.timeout_s) as limit:
                value = await made
        except AlreadyCommitted:
            value = None
        except TimeoutError as error:
            failure = failure_of(error, site.retry, site.redact)
            if limit.expired() and site.timeout_s is not None:
                failure = timed_out(site.timeout_s, site.retry)
            return Landing(work, None, failure, None, monotonic() - began)
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # Somebody ends this task, not a task of the item's own.
            failure = failure_of(error, site.retry, site.redact)
            return Landing(work, None, failure, None, monotonic() - began)
        finally:
            CURRENT.reset(token)
        return Landing(work, value, None, None, monotonic() - began)

    def look(self) -> None:
        return None

    def close(self) -> bool:
        if self._own:
            self._loop.call_soon_threadsafe(self._loop.stop)
        return False
