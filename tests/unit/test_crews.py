"""The threads that do items, where one is given up on at the very moment at which it ends."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

from holdfast.model.retry import Retry
from holdfast.runtime.batches.crews import Site, Threads
from holdfast.runtime.batches.work import Landed, Work
from holdfast.stores.memory_batches import MemoryTail, TailKept


def test_only_the_item_that_was_seen_is_given_up_on() -> None:
    """It may have ended since it was found to be late: nothing is said of it then, and nothing of
    the next one, which had no time yet."""
    begun, ends = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]
    landed: SimpleQueue[Landed] = SimpleQueue()

    def does(item: Any) -> int:
        begun[item].set()
        ends[item].wait(10)
        return int(item)

    tail = MemoryTail({1: TailKept("boot", bytearray(), [None])}, 1)
    site = Site(
        does, Retry(1), 60.0, tail, landed, str,
        lambda call: call(), lambda work: None, lambda: 0.0,
    )  # fmt: skip
    crew = Threads(site, 1)
    crew.start(0, [Work(0, 0), Work(1, 1)])
    begun[0].wait(10)
    thread = crew._threads[0]
    late = thread.overdue(-1.0)
    ends[0].set()
    begun[1].wait(10)
    assert late is not None
    is_given_up = thread.give_up(late[0])
    ends[1].set()
    found = landed.get(timeout=10)
    crew.close()

    assert not is_given_up and landed.empty()
    assert [(0, 0), (1, 1)] == [(work.ordinal, value) for work, value in found.done]
