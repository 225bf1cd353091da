"""Will it be done before the window closes? When something may begin that takes so long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

from holdfast.model.windows import Window, next_opening

DAYS_SEARCHED: Final = 8
"""A window that closes at all closes once a week."""
OPENINGS_MAX: Final = 50
KNOWN_MAX: Final = 20
"""Of earlier durations, the newest."""


def closes_at(window: Window, at: datetime, zone: tzinfo) -> datetime | None:
    """Return the first moment after `at`, which is inside, that is not; None when that is not
    within a week."""
    moments = (m for m in _ends(window, at, zone) if m > at and not window.has(m.astimezone(zone)))
    return min(moments, default=None)


def _ends(window: Window, at: datetime, zone: tzinfo) -> Iterator[datetime]:
    """Yield every moment at which the window may close: the ends of its ranges, and midnight."""
    today = at.astimezone(zone).date()
    minutes = {0, *(hours.end % (24 * 60) for hours in window.ranges)}
    for number in range(DAYS_SEARCHED + 1):
        day = today + timedelta(days=number)
        for minute in minutes:
            local = datetime.combine(day, time(minute // 60, minute % 60))
            for fold in (0, 1):
                yield local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def next_fit(window: Window, at: datetime, zone: tzinfo, needs_s: float) -> datetime:
    """Return the first moment from `at` on that is inside and leaves so much time before the
    window closes; the next that is inside when none does. Raises UsageError like `next_opening`.
    """
    first = moment = next_opening(window, at, zone)
    for _ in range(OPENINGS_MAX):
        end = closes_at(window, moment, zone)
        if end is None or moment + timedelta(seconds=needs_s) <= end:
            return moment
        moment = next_opening(window, end, zone)
    return first


def usual_s(known_s: list[float]) -> float:
    """Return how long something usually takes: the median of the newest; 0 when nobody knows.

    Not the longest: one that was interrupted for a night would never fit again.
    """
    newest = sorted(known_s[-KNOWN_MAX:])
    middle = newest[(len(newest) - 1) // 2 : len(newest) // 2 + 1]
    return sum(middle) / len(middle) if middle else 0.0
