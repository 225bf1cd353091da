"""Rate: how often something may begin, and when it may begin next.

The generic cell rate algorithm. All that is remembered is one number, the theoretical arrival
time: the moment at which the next beginning would be neither early nor late. It is a plain number
of seconds on the caller's clock, so it can be recorded and taken up in another process.
"""

from __future__ import annotations

import re
from datetime import datetime
from math import inf, isfinite, nextafter
from typing import Final

from holdfast.errors import UsageError
from holdfast.model.durations import DURATION_S_MAX, Duration, seconds
from holdfast.model.making import dataclass

COUNT_MAX: Final = 1_000_000
BURST_MAX: Final = 10_000
SLACK_S: Final = 0.001
"""By so much a `tat` may be ahead of what its beginnings make, for it is their sum, rounded up."""

_ALLOWED: Final = 'give "20/s", "100/min", "5000/h" or "1/3s"'
_FORM: Final = re.compile(r"([0-9]+)\s*/\s*([0-9]+(?:\.[0-9]+)?)?\s*([a-z]+)")
_UNITS_S: Final = {
    **dict.fromkeys(("ms",), 0.001),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` beginnings in `per_s` seconds, evenly spaced.

    `burst` of them may come at once after a rest; then an interval of `per_s` may see
    `count + burst - 1`.
    """

    count: int
    per_s: float
    burst: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot work, while the script is loaded and nothing has run."""
        for name, value, most in (
            ("count", self.count, COUNT_MAX),
            ("burst", self.burst, BURST_MAX),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise UsageError(f"Rate: {name} is {value!r}; give a whole number, 1 to {most:,}")
        is_number = isinstance(self.per_s, int | float) and not isinstance(self.per_s, bool)
        if not is_number or not isfinite(self.per_s) or not 0 < self.per_s <= DURATION_S_MAX:
            raise UsageError(f"Rate: per_s is {self.per_s!r}; give a number of seconds above 0")

    @classmethod
    def of(cls, given: str | Rate | None) -> Rate | None:
        """Return what `rate=` means; None is no limit. Raises UsageError, with the forms."""
        if given is None or isinstance(given, Rate):
            return given
        match = _FORM.fullmatch(given.strip().lower()) if isinstance(given, str) else None
        unit_s = _UNITS_S.get(match[3]) if match else None
        if match is None or unit_s is None:
            raise UsageError(f"rate is {given!r}; {_ALLOWED}")
        count, per_s = int(match[1][:20]), float(match[2] or 1) * unit_s
        if not 1 <= count <= COUNT_MAX or not 0 < per_s <= DURATION_S_MAX:
            raise UsageError(f"rate is {given!r}, which is out of bounds; {_ALLOWED}")
        return cls(count, per_s)

    @property
    def interval_s(self) -> float:
        """The seconds from one beginning to the next; never rounded down."""
        return nextafter(self.per_s / self.count, inf)

    def remembered(self, tat: float, now: float) -> float:
        """Return what a recorded `tat` says at `now`. One that is further ahead than all beginnings
        of a burst is of a clock that was set back since: it counts as those, and no more."""
        ahead_s = self.burst * self.interval_s
        return tat if tat <= now + ahead_s + SLACK_S else now + ahead_s

    def next_allowed(self, tat: float, now: float) -> tuple[float, float]:
        """Return when the next one may begin, at `now` or later, and the `tat` to remember.

        The caller begins at that moment and gives the returned `tat` the next time; 0 or any
        moment in the past is no memory. Both are seconds of one clock. Several may be asked for
        ahead of their time, each with the `tat` of the one before.
        """
        early_s = (self.burst - 1) * self.interval_s
        when = max(now, tat - early_s)
        # Up, not to the nearest: a sum that is rounded down would be one beginning too early.
        return when, nextafter(max(when, tat) + self.interval_s, inf)


def pause_s(retry_after: Duration | datetime | None, now: datetime) -> float | None:
    """Return the seconds to wait for what `RateLimited` was given, or None when it says nothing.

    Text may be a duration or what the header Retry-After may hold: seconds, or a date of HTTP.
    What has passed is 0. Raises UsageError for anything else.
    """
    if retry_after is None:
        return None
    moment = _moment(retry_after)
    if moment is None:
        assert not isinstance(retry_after, datetime)
        return seconds(retry_after)
    if moment.utcoffset() is None:
        raise UsageError(f"retry_after is {retry_after}, a moment without a time zone; give one")
    return max(0.0, (moment - now).total_seconds())


def _moment(given: Duration | datetime) -> datetime | None:
    """Return a moment, also one of HTTP, or None for what must be a duration."""
    if isinstance(given, datetime):
        return given
    if not isinstance(given, str) or "," not in given:
        return None
    # Few are ever told one, and this loads sockets and calendars.
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(given)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
