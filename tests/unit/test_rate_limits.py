"""What a rate limit means for items that have not begun.

Those of its chunk, and those of a source that was being read when it landed.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from tests.unit.runs import Runs

from holdfast import RateLimited, each, paged, workflow
from holdfast.model.retry import Retry
from holdfast.runtime.batches.shipping import Place, do_parcel, parcel
from holdfast.runtime.batches.work import Work

LIMIT_S = 60
CROWDS: list[dict[str, Any]] = [{"chunk": 4}, {"chunk": 4, "timeout": "1h"}, {"at_once": 2}]


def refuse(item: object) -> None:
    raise RateLimited(LIMIT_S)


@pytest.mark.parametrize("crowd", CROWDS, ids=["inline", "threads", "beside"])
def test_the_rest_of_a_chunk_waits_too(runs: Runs, crowd: dict[str, Any]):
    """The first item is told to wait: none of those handed out with it begins before."""
    begun: list[tuple[int, datetime]] = []

    def do(item: int) -> None:
        begun.append((item, runs.clock.now()))
        if len(begun) == 1:
            raise RateLimited(LIMIT_S)

    @workflow
    def night() -> int:
        return each(range(8), do, **crowd).done

    outcome = runs.start(night)

    assert 8 == outcome.result
    waited = [at for _, at in begun[1:] if (at - begun[0][1]).total_seconds() < LIMIT_S]
    assert crowd.get("at_once", 1) - 1 >= len(waited)


def test_the_rest_of_a_parcel_comes_back_as_it_was():
    """In another process, too, a chunk ends at a rate limit."""
    chunk = [Work(number, number) for number in range(4)]

    assert 1 == len(do_parcel(parcel(refuse, Retry(), chunk, Place(0, None, 0))))


def test_a_limit_that_lands_while_the_source_is_read_is_kept(runs: Runs):
    """The driver waits for the next item of a slow source; what comes from there begins after."""
    began: dict[int, datetime] = {}
    worker: list[int] = []

    def slow() -> Iterator[int]:
        yield 0
        while not (worker and is_idle(worker[0])):
            threading.Event().wait(0.001)
        yield 1

    def do(item: int) -> None:
        is_first = item not in began
        began[item] = runs.clock.now()
        if item == 0 and is_first:
            worker.append(threading.get_ident())
            raise RateLimited(LIMIT_S)

    @workflow
    def night() -> int:
        return each(slow(), do, at_once=2).done

    start = runs.clock.now()

    assert 2 == runs.start(night).result
    assert LIMIT_S <= (began[1] - start).total_seconds()


def is_idle(thread: int) -> bool:
    """Whether a worker's thread waits for its next chunk."""
    frame = sys._current_frames().get(thread)
    return frame is not None and frame.f_code.co_name == "_work"


# --- a clock that is set back ---


def test_a_clock_that_is_set_back_holds_up_no_rate(runs: Runs) -> None:
    """What was recorded ahead of it is worth an interval, not the hours of the jump."""
    began: list[float] = []

    def do(item: int) -> None:
        began.append(runs.clock.monotonic())
        if item == 2:
            runs.clock.step(-36_000)

    @workflow
    def night() -> int:
        return each(range(5), do, rate="1/s").done

    assert 5 == runs.start(night).result
    assert began[-1] - began[0] < 600


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_clock_that_is_set_back_makes_no_limit_longer(runs: Runs, at_once: int) -> None:
    """It is waited for as long as was asked, also when another one comes then."""
    began: list[float] = []

    def do(item: int) -> None:
        began.append(runs.clock.monotonic())
        if len(began) <= 2:
            runs.clock.step(-36_000)
            raise RateLimited(LIMIT_S)

    @workflow
    def night() -> int:
        return each(range(3), do, at_once=at_once).done

    assert 3 == runs.start(night).result
    assert LIMIT_S <= began[-1] - began[0] < 3_600


# --- a source that is limited ---


class Interface:
    """Pages of two items each. Where one is `limited` it is refused once, and the moment kept at
    which each is asked for."""

    def __init__(self, runs: Runs, *limited: int) -> None:
        self._runs, self._limited = runs, list(limited)
        self.asked: list[tuple[int, datetime]] = []
        self.signal: signal.Signals | None = None

    def page(self, at: Any) -> tuple[list[int], int | None]:
        self.asked.append((at, self._runs.clock.now()))
        if at in self._limited:
            self._limited.remove(at)
            if self.signal is not None:
                signal.raise_signal(self.signal)
            raise RateLimited(LIMIT_S)
        return [2 * at, 2 * at + 1], at + 1 if at < 4 else None


@pytest.mark.parametrize("crowd", [{}, {"chunk": 3}, {"at_once": 3}], ids=str)
def test_a_page_that_is_limited_is_asked_for_again(runs: Runs, crowd: dict[str, Any]) -> None:
    """When its time has come, not before; no item is lost, none comes twice, and nothing failed."""
    interface, done = Interface(runs, 0, 2, 2, 4), list[int]()

    @workflow
    def night() -> tuple[int, int]:
        found = each(paged(interface.page, start=0), done.append, name="item", **crowd)
        return found.done, found.duplicates

    outcome = runs.start(night)
    pages = [at for at, _ in interface.asked]
    waits = [(later - one).total_seconds() for (at, one), (next_at, later)
             in pairwise(interface.asked) if at == next_at]  # fmt: skip

    assert (10, 0) == tuple(outcome.result)
    assert list(range(10)) == sorted(done)
    assert [0, 0, 1, 2, 2, 2, 3, 4, 4] == pages
    assert all(wait >= LIMIT_S for wait in waits)


def test_a_limited_source_can_be_stopped_and_gone_on_with(runs: Runs) -> None:
    """A life that ends while it waits for a page costs nothing; the next one keeps to the limit."""
    interface, done = Interface(runs, 2), list[int]()

    @workflow
    def night() -> int:
        return each(paged(interface.page, start=0), done.append, name="item").done

    interface.signal = signal.SIGTERM
    stopped = runs.start(night)
    interface.signal = None
    resumed = runs.resume(night)
    limited, again = (moment for at, moment in interface.asked[2:4])

    assert (143, 0) == (stopped.exit_code, resumed.exit_code)
    assert list(range(10)) == sorted(done)
    assert [0, 1, 2, 1, 2, 3, 4] == [at for at, _ in interface.asked]
    assert (again - limited).total_seconds() >= LIMIT_S


def test_a_generator_that_is_limited_ends_the_batch(runs: Runs) -> None:
    """It is over, and asked again would seem to have no more: items would be left out."""

    def source() -> Iterator[int]:
        yield 0
        raise RateLimited(LIMIT_S)

    @workflow
    def night() -> None:
        each(source(), abs)

    outcome = runs.start(night)

    assert 1 == outcome.exit_code and "RateLimited" in outcome.reason
