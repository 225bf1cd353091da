"""Rates: how they are written, and that no interval ever sees more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import RateLimited, UsageError
from holdfast.model.rate import Rate, pause_s

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RATES = st.builds(
    Rate,
    st.integers(1, 100_000),
    st.floats(0.001, 1e6, allow_nan=False),
    st.integers(1, 20),
)
STARTS = st.floats(0, 4e9)
PAUSES = st.lists(st.floats(0, 1e4), max_size=60)


@pytest.mark.parametrize(
    ("text", "count", "per_s"),
    [
        ("20/s", 20, 1),
        ("100/min", 100, 60),
        ("5000/h", 5000, 3600),
        ("1/3s", 1, 3),
        ("2 / 1.5 min", 2, 90),
        ("10/DAY", 10, 86_400),
        ("1/250ms", 1, 0.25),
    ],
)
def test_a_rate_is_read(text: str, count: int, per_s: float) -> None:
    """A count, a slash, and a unit that may have a number."""
    assert Rate(count, per_s) == Rate.of(text)


def test_no_rate_is_no_limit() -> None:
    """None stays None, and a Rate is itself."""
    rate = Rate(3, 7.0, burst=2)

    assert (None, rate) == (Rate.of(None), Rate.of(rate))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20",
        "20/",
        "/s",
        "0/s",
        "1/0s",
        "-1/s",
        "20/fortnight",
        "1.5/s",
        "9" * 30 + "/s",
        "1/1e9d",
    ],
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    """The error shows the text and the forms there are."""
    with pytest.raises(UsageError, match=r'rate is .*give "20/s"'):
        Rate.of(text)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"per_s": 0.0}, {"burst": 0}, {"count": True}])
def test_a_rate_that_cannot_work_is_refused(wrong: dict[str, int]) -> None:
    """Each field is checked when the value is made."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Rate(**{"count": 1, "per_s": 1.0, **wrong})


@given(RATES, STARTS, PAUSES)
def test_no_interval_sees_more_than_the_rate(rate: Rate, now: float, pauses: list[float]) -> None:
    """In any half-open interval of `per_s` begin at most `count`, plus what a burst adds."""
    tat, begun = 0.0, []
    for pause in pauses:
        when, tat = rate.next_allowed(tat, now)
        begun.append(Fraction(when))
        now = when + pause
    # Any k+1 in a row span at least (k + 1 - burst) intervals: that is the same promise, for all.
    step = Fraction(rate.per_s) / rate.count

    assert all(
        later - earlier >= (k + 1 - rate.burst) * step
        for place, earlier in enumerate(begun)
        for k, later in enumerate(begun[place + 1 :])
    )


@given(RATES, STARTS, PAUSES)
def test_a_moment_is_never_in_the_past(rate: Rate, now: float, pauses: list[float]) -> None:
    """When one may begin is `now` or later, and never before the one before."""
    tat, begun = 0.0, []
    for pause in pauses:
        when, tat = rate.next_allowed(tat, now)
        assert when >= now
        begun.append(when)
        now += pause

    assert all(a <= b for a, b in pairwise(begun))


def test_after_a_rest_one_begins_at_once() -> None:
    """What was not used is not saved up: without a burst the next but one waits."""
    rate = Rate(10, 1.0)
    first, tat = rate.next_allowed(0.0, 100.0)
    second, tat = rate.next_allowed(tat, 100.0)
    later, tat = rate.next_allowed(tat, 200.0)
    last, _ = rate.next_allowed(tat, 200.0)

    assert (100.0, 200.0) == (first, later)
    assert [pytest.approx(100.1), pytest.approx(200.1)] == [second, last]


def test_a_burst_may_come_at_once() -> None:
    """Three at the same moment, the fourth an interval later."""
    rate, tat, begun = Rate(1, 1.0, burst=3), 0.0, []
    for _ in range(5):
        when, tat = rate.next_allowed(tat, 50.0)
        begun.append(when)

    assert pytest.approx([50.0, 50.0, 50.0, 51.0, 52.0], rel=1e-12) == begun


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("2m", 120.0),
        ("120", 120.0),
        (3, 3.0),
        (timedelta(minutes=1), 60.0),
        (NOW + timedelta(seconds=90), 90.0),
        (NOW - timedelta(seconds=90), 0.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:30 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_it_came(given: object, expected: float | None) -> None:
    """Seconds, a duration, a moment, or a date of HTTP; the past is no wait."""
    limited = RateLimited(given)  # type: ignore[arg-type]

    assert expected == pause_s(limited.retry_after, NOW)


@pytest.mark.parametrize("given", ["soon", "-3", "Sun, 99 Foo 2026", NOW.replace(tzinfo=None)])
def test_a_retry_after_that_says_nothing_is_refused(given: object) -> None:
    """The error names what was given."""
    with pytest.raises(UsageError):
        pause_s(given, NOW)  # type: ignore[arg-type]
