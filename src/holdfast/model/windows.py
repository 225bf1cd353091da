"""Windows: when something may be done, as people write it, and when it may next be.

    Tue-Thu 09:00-16:00 Europe/Berlin
    Mon-Fri 22:00-04:00, Sat,Sun 00:00-24:00, !2026-12-24..2026-12-31 UTC

A window is judged by the clock on the wall of its zone: a moment is inside when its local date is
not frozen, and its local weekday and time are in one of the ranges. So an hour that the clock
shows twice is inside twice, and one that it leaves out never comes.

The zone's rules are handed in: they lie on a disk, and nothing here reads one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from holdfast.errors import UsageError
from holdfast.model.making import dataclass

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 24 * 60
SPEC_CHARS_MAX: Final = 1_000
WEEKS_SEARCHED_MAX: Final = 5
"""How far beyond the last frozen date an opening is looked for: a range comes every week, and a
clock that is put forward may take it away in one of them."""
EXAMPLE: Final = "Mon-Fri 09:00-16:00 Europe/Berlin"

_HOURS: Final = r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)"
_FREEZE: Final = r"!(\d{4}-\d\d-\d\d)(?:\.\.(\d{4}-\d\d-\d\d))?"
_ZONE: Final = r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*"
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` up to `end`, in minutes of the day, on some weekdays (Monday is 0). One that
    ends before it starts goes on into the next day."""

    days: frozenset[int]
    start: int
    end: int

    def has(self, weekday: int, minutes: float) -> bool:
        """Whether this minute of a weekday is inside."""
        if self.start < self.end:
            return weekday in self.days and self.start <= minutes < self.end
        return (weekday in self.days and minutes >= self.start) or (
            (weekday - 1) % 7 in self.days and minutes < self.end
        )


@dataclass(frozen=True, slots=True)
class Window:
    """When something may be done. `frozen` are first and last dates, and the dates between."""

    text: str
    zone: str
    ranges: tuple[Hours, ...]
    frozen: tuple[tuple[date, date], ...] = ()

    def has(self, local: datetime) -> bool:
        """Whether a moment is inside; `local` has the time of the window's zone."""
        if self.thaws(local.date()) is not None:
            return False
        minutes = local.hour * 60 + local.minute + (local.second + local.microsecond / 1e6) / 60
        return any(hours.has(local.weekday(), minutes) for hours in self.ranges)

    def thaws(self, day: date) -> date | None:
        """Return the last frozen date of the freeze that `day` is in, or None."""
        return next((last for first, last in self.frozen if first <= day <= last), None)


def next_opening(window: Window, at: datetime, zone: tzinfo) -> datetime:
    """Return the first moment from `at` on that is inside: `at` itself when it is, in UTC.

    Raises UsageError for a window that does not open any more.
    """
    at = at.astimezone(UTC)
    try:
        if window.has(at.astimezone(zone)):
            return at
        for day in _days(window, at.astimezone(zone).date() - _DAY):
            # A clock put back just after midnight shows the end of a day after the next began.
            moments = (*_openings(window, day, zone), *_openings(window, day + _DAY, zone))
            found = [m for m in moments if m >= at and window.has(m.astimezone(zone))]
            if found:
                return min(found)
    except OverflowError:
        pass  # A freeze until the end of the calendar.
    raise UsageError(f"window {window.text!r} does not open after {at:%Y-%m-%d %H:%M} UTC")


def _days(window: Window, today: date) -> Iterator[date]:
    """Yield the dates to look at, without those that are frozen."""
    day = today
    last = max((end for _, end in window.frozen), default=today)
    until = max(last, today) + WEEKS_SEARCHED_MAX * 7 * _DAY
    while day <= until:
        thaws = window.thaws(day)
        if thaws is None:
            yield day
            day += _DAY
        else:
            day = thaws + _DAY


def _openings(window: Window, day: date, zone: tzinfo) -> Iterator[datetime]:
    """Yield, in UTC, every moment of a local date at which a window may begin to be open: the
    starts of its ranges, midnight, and when the zone's clock is put forward or back."""
    moments = (*_starts(window, day, zone), *_changes(day, zone))
    yield from (moment for moment in moments if moment.astimezone(zone).date() == day)


def _starts(window: Window, day: date, zone: tzinfo) -> Iterator[datetime]:
    for minutes in {0, *(hours.start for hours in window.ranges)}:
        local = datetime.combine(day, time(minutes // 60, minutes % 60))
        for fold in (0, 1):
            yield local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _changes(day: date, zone: tzinfo) -> Iterator[datetime]:
    """Yield when the zone's clock is changed on a day, or next to it."""
    moment = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) - _DAY
    for _ in range(3 * 24):
        if _offset(moment, zone) != _offset(moment + _HOUR, zone):
            yield _change(moment, moment + _HOUR, zone)
        moment += _HOUR


def _change(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """Return the first second at which the zone's offset is no longer what it was `before`."""
    old = _offset(before, zone)
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        before, after = (middle, after) if _offset(middle, zone) == old else (before, middle)
    return after


def _offset(moment: datetime, zone: tzinfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


# --- as people write it -----------------------------------------------------------------------


def parse(text: str) -> Window:
    """Return the window that a text describes. Raises UsageError, with what is wrong in it.

    Days without hours share the next hours: `Mon,Wed 09:00-12:00` is that on both days. Hours
    without days are on the same days as those before.
    """
    if not isinstance(text, str) or len(text) > SPEC_CHARS_MAX:
        raise UsageError(f"a window is a text such as {EXAMPLE!r}")
    reader = _Reader(text)
    for word in re.split(r"[\s,]+", text.strip(" ,\t\n")):
        reader.take(word)
    return reader.window()


class _Reader:
    """Takes the words of a window one by one."""

    def __init__(self, text: str) -> None:
        self._text, self._zone = text, ""
        self._waiting: set[int] = set()
        self._days: frozenset[int] = frozenset()
        self._ranges: list[Hours] = []
        self._frozen: list[tuple[date, date]] = []

    def take(self, word: str) -> None:
        """Take one word: days, hours, dates that are frozen, or the zone."""
        days = _days_of(word)
        if days:
            self._waiting |= days
        elif hours := re.fullmatch(_HOURS, word):
            self._add_hours(word, *map(int, hours.groups()))
        elif word.startswith("!"):
            self._frozen.append(self._freeze(word))
        elif not re.fullmatch(_ZONE, word):
            raise self._wrong(f"{word!r} is neither days, hours, frozen dates nor a time zone")
        elif self._zone not in ("", word):
            raise self._wrong(f"{self._zone!r} and {word!r}: one of them is no time zone")
        else:
            self._zone = word

    def window(self) -> Window:
        """Return what all the words say."""
        if self._waiting:
            raise self._wrong("the last days have no hours: 00:00-24:00 is a whole day")
        if not self._ranges:
            raise self._wrong("it has no hours")
        if not self._zone:
            raise self._wrong("it names no time zone: end it with one, such as UTC")
        return Window(self._text.strip(), self._zone, tuple(self._ranges), tuple(self._frozen))

    def _add_hours(self, word: str, hour: int, minute: int, to_hour: int, to_minute: int) -> None:
        start, end = hour * 60 + minute, to_hour * 60 + to_minute
        if max(minute, to_minute) > 59 or start >= DAY_MINUTES or end > DAY_MINUTES:
            raise self._wrong(f"{word!r} is no time of the day, from 00:00 to 24:00")
        if start == end:
            raise self._wrong(f"{word!r} ends where it starts: 00:00-24:00 is a whole day")
        if self._waiting:
            self._days, self._waiting = frozenset(self._waiting), set()
        if not self._days:
            raise self._wrong(f"say on which days {word} is: Mon-Fri, or daily")
        self._ranges.append(Hours(self._days, start, end))

    def _freeze(self, word: str) -> tuple[date, date]:
        try:
            match = re.fullmatch(_FREEZE, word)
            assert match is not None
            first = date.fromisoformat(match[1])
            last = date.fromisoformat(match[2] or match[1])
        except (AssertionError, ValueError):
            raise self._wrong(f"{word!r} is no frozen date: !2026-12-24..2026-12-31") from None
        if last < first:
            raise self._wrong(f"{word!r} ends before it begins")
        return first, last

    def _wrong(self, why: str) -> UsageError:
        return UsageError(f"window {self._text!r}: {why}; an example is {EXAMPLE!r}")


def _days_of(word: str) -> set[int]:
    """Return the weekdays that a word names; none when it is not about days."""
    if word.lower() == "daily":
        return set(range(7))
    first, _, last = word.lower().partition("-")
    if not {first, last or first} <= set(DAYS) or word.endswith("-"):
        return set()
    start, end = DAYS.index(first), DAYS.index(last or first)
    return {(start + n) % 7 for n in range((end - start) % 7 + 1)}
