"""How far a batch is, and how long the rest takes: from what this life did, and nothing else.

What earlier lives did, what was skipped and what a ledger knew took this life no time. A rate
that counts them promises the rest in seconds, and is wrong by hours.
"""

from __future__ import annotations

from holdfast.model.batches import BatchRow
from holdfast.model.durations import show


def left_of(row: BatchRow, total: int | None = None) -> int | None:
    """Return how many items nobody has settled yet; None while it is not known how many there
    are. `total` is what the source says, when the row does not know it yet."""
    whole = row.total if total is None else total
    if whole is None:
        return None
    settled = row.done + row.failed + row.quarantined + row.skipped + row.uncertain
    return max(0, whole - settled)


def per_second(life_done: int, seconds: float) -> float:
    """Return how many items a second a life does; 0 while nothing can be said."""
    return life_done / seconds if life_done and seconds > 0 else 0.0


def lives_left(left: int | None, life_done: int) -> int | None:
    """Return how many more lives like this one the rest takes; None while nothing can be said."""
    return -(-left // life_done) if left and life_done else None


def rate_text(rate: float) -> str:
    """Return a rate as people read it: `42/s`, `3.5/min`."""
    for unit, per in (("s", 1), ("min", 60), ("h", 3600)):
        if rate * per >= 1:
            return f"{rate * per:,.0f}/{unit}" if rate * per >= 10 else f"{rate * per:.2g}/{unit}"
    return ""


def pace_text(rate: float, left: int | None) -> str:
    """Return how fast it goes and how long the rest takes; empty while nothing can be said."""
    shown = rate_text(rate)
    if not shown or not left:
        return shown
    return f"{shown}, {show(round(left / rate) or 1)} left"
