"""What a rate limit means for items that have not begun: those of its chunk, and those of a source
that was being read when it landed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from tests.unit.runs import Runs

from holdfast import RateLimited, each, workflow
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
