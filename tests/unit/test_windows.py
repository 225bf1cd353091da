"""Windows: how they are written, and when they open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.model.windows import SPEC_CHARS_MAX, next_opening, parse

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe",
    "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "America/St_Johns",
)  # fmt: skip
CHANGES = (
    datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2018, 11, 4, 3, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC), datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2006, 10, 29, 2, tzinfo=UTC),
)  # fmt: skip
"""Moments near which some zone's clock is put forward or back; Apia left out a whole day."""


def opening(spec: str, at: str) -> str:
    """Return when a window opens after a moment, in its own zone."""
    window = parse(spec)
    zone = ZoneInfo(window.zone)
    found = next_opening(window, datetime.fromisoformat(at).replace(tzinfo=zone), zone)
    return f"{found.astimezone(zone):%a %Y-%m-%d %H:%M %z}"


@pytest.mark.parametrize(
    ("spec", "at", "opens"),
    [
        ("Tue-Thu 09:00-16:00 Europe/Berlin", "2026-06-01T12:00", "Tue 2026-06-02 09:00 +0200"),
        ("Tue-Thu 09:00-16:00 Europe/Berlin", "2026-06-02T09:00", "Tue 2026-06-02 09:00 +0200"),
        ("Tue-Thu 09:00-16:00 Europe/Berlin", "2026-06-02T15:59", "Tue 2026-06-02 15:59 +0200"),
        ("Tue-Thu 09:00-16:00 Europe/Berlin", "2026-06-02T16:00", "Wed 2026-06-03 09:00 +0200"),
        ("Tue-Thu 09:00-16:00 Europe/Berlin", "2026-06-04T16:00", "Tue 2026-06-09 09:00 +0200"),
        ("daily 9:00-10:00 UTC", "2026-06-01T10:00", "Tue 2026-06-02 09:00 +0000"),
        ("Fri-Mon 09:00-10:00 UTC", "2026-06-02T00:00", "Fri 2026-06-05 09:00 +0000"),
        ("mon,wed 09:00-10:00 UTC", "2026-06-01T11:00", "Wed 2026-06-03 09:00 +0000"),
        ("Mon 09:00-10:00,13:00-14:00 UTC", "2026-06-01T10:30", "Mon 2026-06-01 13:00 +0000"),
        ("Mon 09:00-10:00, Tue 06:00-07:00 UTC", "2026-06-01T10:30", "Tue 2026-06-02 06:00 +0000"),
        ("Fri 22:00-04:00 UTC", "2026-06-06T03:59", "Sat 2026-06-06 03:59 +0000"),
        ("Fri 22:00-04:00 UTC", "2026-06-06T04:00", "Fri 2026-06-12 22:00 +0000"),
        ("Fri 22:00-04:00 UTC", "2026-06-05T03:00", "Fri 2026-06-05 22:00 +0000"),
        ("Sun 22:00-04:00 UTC", "2026-06-01T03:00", "Mon 2026-06-01 03:00 +0000"),
        ("Sat 00:00-24:00 UTC", "2026-06-06T23:59", "Sat 2026-06-06 23:59 +0000"),
        ("daily 09:00-10:00 !2026-06-02..2026-06-03 UTC", "2026-06-01T11:00",
         "Thu 2026-06-04 09:00 +0000"),
        ("daily 22:00-04:00 UTC, !2026-06-02", "2026-06-02T01:00", "Wed 2026-06-03 00:00 +0000"),
        ("Mon 09:00-10:00 UTC, !2026-06-01..2028-05-31", "2026-06-01T00:00",
         "Mon 2028-06-05 09:00 +0000"),
    ],
)  # fmt: skip
def test_when_a_window_opens(spec: str, at: str, opens: str) -> None:
    """At the start of its next range, or at once inside one; frozen dates are left out."""
    assert opens == opening(spec, at)


@pytest.mark.parametrize(
    ("spec", "at", "opens"),
    [
        # 02:00 to 03:00 does not exist on that day: it opens when the clock jumps.
        ("Sun 02:30-05:00 Europe/Berlin", "2026-03-29T00:00", "Sun 2026-03-29 03:00 +0200"),
        ("Sun 02:15-02:45 Europe/Berlin", "2026-03-29T00:00", "Sun 2026-04-05 02:15 +0200"),
        ("daily 02:15-02:45 Europe/Berlin", "2026-03-29T00:00", "Mon 2026-03-30 02:15 +0200"),
        # 02:00 to 03:00 comes twice.
        ("Sun 02:15-02:45 Europe/Berlin", "2026-10-25T00:00", "Sun 2026-10-25 02:15 +0200"),
        ("Sun 02:15-02:45 Europe/Berlin", "2026-10-25T02:50", "Sun 2026-10-25 02:15 +0100"),
        ("Sun 00:00-02:00 America/St_Johns", "2026-10-25T02:00", "Sun 2026-11-01 00:00 -0230"),
        ("Sun 01:00-02:10 Europe/Berlin", "2026-10-25T02:20", "Sun 2026-10-25 02:00 +0100"),
        # Midnight does not exist: the first hour of the day is 01:00.
        ("daily 00:00-05:00 America/Sao_Paulo", "2018-11-03T12:00", "Sun 2018-11-04 01:00 -0200"),
    ],
)  # fmt: skip
def test_a_clock_that_is_changed(spec: str, at: str, opens: str) -> None:
    """What counts is what the clock on the wall shows."""
    assert opens == opening(spec, at)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "neither"), ("Mon-Fri Europe/Berlin", "no hours"), ("09:00-16:00 UTC", "which days"),
        ("Mon 09:00-16:00", "names no time zone"), ("Mon 09:00-09:00 UTC", "ends where"),
        ("Mon 09:00-24:01 UTC", "no time of the day"), ("Mon 24:00-02:00 UTC", "no time of the"),
        ("Mon 09:61-10:00 UTC", "no time of the day"), ("Mon 9-16 UTC", "neither"),
        ("Mon,Mun 09:00-16:00 UTC", "'Mun' and 'UTC'"), ("Mon- 09:00-16:00", "which days"),
        ("Mon 09:00-16:00 UTC Tue", "have no hours"),
        ("Mon 09:00-16:00 UTC !2026-13-01", "frozen date"),
        ("Mon 09:00-16:00 UTC !soon", "frozen date"),
        ("Mon 09:00-16:00 UTC !2026-12-31..2026-12-24", "ends before"),
        ("Mon 09:00-16:00 ../etc/passwd", "neither"), ("Mon 09:00-16:00 a//b", "neither"),
        ("x" * (SPEC_CHARS_MAX + 1), "is a text"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_window_is_refused(spec: str, says: str) -> None:
    """Also where it could be guessed: days without hours, hours without days, no zone."""
    with pytest.raises(UsageError, match=says):
        parse(spec)


def test_a_window_that_never_opens_again_is_refused() -> None:
    """Frozen until the end of the calendar, or gone with it."""
    for spec, at in (
        ("daily 09:00-10:00 UTC !2026-01-01..9999-12-31", "2026-06-01T00:00"),
        ("daily 09:00-10:00 UTC !9999-12-01..9999-12-31", "9999-12-24T00:00"),
    ):
        with pytest.raises(UsageError, match="does not open"):
            opening(spec, at)


# --- whatever the window ----------------------------------------------------------------------


@st.composite
def specs(draw: st.DrawFn) -> str:
    """Draw a window near one of the changes of a clock."""
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        days = draw(st.sampled_from(("daily", "Sun", "Sat-Mon", "Tue,Fri", "Mon-Fri")))
        start, end = (draw(st.integers(0, 287)) * 5 for _ in range(2))
        if start != end:
            parts.append(f"{days} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}")
    parts = parts or ["daily 00:00-24:00"]
    if draw(st.booleans()):
        day = draw(st.sampled_from(CHANGES)).date()
        parts.append(f"!{day}..{day + timedelta(days=draw(st.integers(0, 3)))}")
    return ", ".join([*parts, draw(st.sampled_from(ZONES))])


@given(specs(), st.sampled_from(CHANGES), st.integers(-3000, 1500), st.integers(0, 59_999_999))
def test_the_next_opening_is_inside_and_nothing_before_it(
    spec: str, near: datetime, minutes: int, odd: int
) -> None:
    """Whatever the window, the zone and the moment: also when clocks are put forward or back."""
    window = parse(spec)
    zone = ZoneInfo(window.zone)
    at = near + timedelta(minutes=minutes, microseconds=odd)
    opens = next_opening(window, at, zone)

    assert opens >= at
    assert window.has(opens.astimezone(zone))
    assert opens == next_opening(window, opens, zone)
    before = at
    while before < min(opens, at + timedelta(days=4)):
        assert not window.has(before.astimezone(zone)), before
        before += timedelta(minutes=5)
    last = opens - timedelta(microseconds=1)
    assert last < at or not window.has(last.astimezone(zone))


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """It is a window, or a UsageError says why not."""
    try:
        window = parse(text)
    except UsageError:
        return
    assert window.ranges and window.zone
