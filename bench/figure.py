"""One line of the table of figures, and how a thing and its baseline are measured in turn."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """A measure, the bar it has to reach, what was measured, and what it was measured beside."""

    measure: str
    bar: str
    figure: str
    beside: str
    is_met: bool


def in_turn(
    thing: Callable[[], float], baseline: Callable[[], float], rounds: int
) -> tuple[float, float, float]:
    """Return the medians of both, and of their ratio pair by pair: thing over baseline."""
    pairs = [(thing(), baseline()) for _ in range(rounds)]
    ratio = statistics.median(a / b for a, b in pairs)
    first, second = (statistics.median(side) for side in zip(*pairs, strict=True))
    return first, second, ratio


@contextmanager
def folder(place: str | None = None) -> Iterator[Path]:
    """A folder of its own, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="holdfast-bench-", dir=place))
    try:
        yield path
    finally:
        shutil.rmtree(path)
