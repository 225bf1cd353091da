"""What the parts of the store's suite share: opening a store, and a run to try it with."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from holdfast.model.facts import (
    Fact,
    Spilled,
    StepStarted,
    StepSucceeded,
    StopRequested,
)
from holdfast.ports.store import Store
from holdfast.testing.samples import (
    AT,
    WHO,
    life_started,
    run_created,
)

E = TypeVar("E", bound=BaseException)

STOP = StopRequested(AT, WHO)
LARGE: Final[dict[str, Any]] = {"lines": ["x" * 1000] * 100}


def raised(error: type[E], call: Callable[[], object]) -> E:
    """Return the error that `call` raises; fail when it raises none."""
    try:
        call()
    except error as problem:
        return problem
    raise AssertionError(f"{error.__name__} was not raised")


def started(n: int) -> StepStarted:
    """Return the fact that step n began."""
    return StepStarted(AT, f"step {n}", 1)


def succeeded(n: int) -> StepSucceeded:
    """Return the fact that step n ended well."""
    return StepSucceeded(AT, f"step {n}", n)


def facts(store: Store, run: str = "r", after: int = 0) -> list[Fact]:
    """Return the facts of a journal, without where they lie."""
    return [stored.fact for stored in store.read(run, after)]


def owned(store: Store, run: str = "r") -> Store:
    """Make a run of two facts that epoch 1 owns."""
    assert store.create(run, run_created())
    assert 2 == store.claim(run, life_started(1), after=1, expected_epoch=0)
    return store


class Opens(ABC):
    """What a suite needs to know of the store under test."""

    @abstractmethod
    def open(self, place: Path) -> Store:
        """Open the store at `place`, making it when there is none."""

    def lose_spilled(self, place: Path, spilled: Spilled) -> bool:
        """Damage what is kept of a spilled value; return False where that cannot be done."""
        return False


def in_threads(*calls: Callable[[], object]) -> None:
    """Run calls at once and wait for them; raise the first error of any."""
    problems: list[BaseException] = []

    def guarded(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
