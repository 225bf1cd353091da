"""Batches with a killer among the items; $KILLER says which it is, $LAYOUT who does them."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from holdfast import Budget, each, workflow

WORDS = "the killer's last words"


@dataclass(frozen=True)
class Thing:
    """An item that is no plain value."""

    number: int


def do(killer: int, thing: Thing) -> int:
    """Leave a line; the killer leaves its last words, and takes its process along."""
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{thing.number}\n")
    if thing.number == killer:
        print(WORDS, flush=True)
        ctypes.string_at(0)
    return thing.number


def pool(workers: int, start: str = "fork") -> Callable[[], Executor]:
    return partial(ProcessPoolExecutor, workers, get_context(start))


@workflow
def things(layout: str, count: int = 200, killer: int = 77) -> dict[str, int]:
    executor: Callable[[], Executor] | Executor | None = None
    at_once: int | None = None
    chunk = 1
    match layout:
        case "threads":
            at_once = 8
        case "chunks":
            executor, at_once, chunk = pool(2), 2, 4
        case "spawned":
            executor, at_once = pool(2, "spawn"), 2
        case "dask":
            executor = cluster()
        case workers:
            executor, at_once = pool(int(workers)), int(workers)
    items = [Thing(number) for number in range(count)]
    done = each(
        items, partial(do, killer), key=lambda thing: thing.number, name="b",
        executor=executor, at_once=at_once, chunk=chunk, budget=Budget(count=1),
    )  # fmt: skip
    return {"done": done.done, "failed": done.failed, "quarantined": done.quarantined}


def cluster() -> Executor:
    """Return two workers with four threads each, on this machine."""
    from distributed import Client, LocalCluster

    from holdfast.executors import dask

    local = LocalCluster(
        host="127.0.0.1", dashboard_address=None, n_workers=2, threads_per_worker=4
    )
    return dask(Client(local))
