"""Batches whose items and functions another process must load first."""

from __future__ import annotations

import os
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from holdfast import each, workflow

COUNT = 20


@dataclass(frozen=True)
class Thing:
    number: int


class Stubborn(Thing):
    """An item that exists in the process that made it only."""

    def __reduce__(self) -> object:
        return stay, (os.getpid(), self.number)


def stay(home: int, number: int) -> Stubborn:
    if os.getpid() != home:
        raise OSError("not here")
    return Stubborn(number)


def do(times: int, thing: Thing) -> int:
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{os.getpid()}\n")
    return times * thing.number


def pool() -> Executor:
    return ProcessPoolExecutor(2, get_context("spawn"))


def done(kind: type[Thing]) -> int:
    items = [kind(number) for number in range(COUNT)]
    done = each(
        items, partial(do, 2), key=lambda thing: thing.number, fingerprint=lambda _: 0,
        executor=pool, at_once=2,
    )  # fmt: skip
    return done.done


@workflow
def things() -> int:
    return done(Thing)


@workflow
def stubborn() -> int:
    return done(Stubborn)
