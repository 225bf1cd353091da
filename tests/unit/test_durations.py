"""How spans of time are written and shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.model import durations


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2d", 172_800),
        ("500ms", 0.5),
        ("1w", 604_800),
        ("1.5h", 5400),
        (" 7 ", 7),
        ("0.25", 0.25),
        ("0s", 0),
        (3, 3),
        (0.5, 0.5),
        (timedelta(minutes=2), 120),
        ("1m500ms", 60.5),
        ("5 m", 300),
    ],
)
def test_durations_are_written_in_many_ways(written, expected):
    """Text with units, bare seconds and timedeltas are all understood."""
    assert expected == durations.seconds(written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "5 minutes",
        "m",
        "5M",
        "5m5m",
        "30m1h",
        "1e3",
        "nan",
        "inf",
        "٣s",
        "1,5h",
        True,
        None,
        [],
        float("nan"),
        float("inf"),
        10**400,
        "9" * 400,
    ],
)
def test_other_forms_are_refused(written):
    """The error names the forms that there are."""
    with pytest.raises(UsageError, match=r'"1h30m"'):
        durations.seconds(written)


@pytest.mark.parametrize("written", [-1, -0.5, "-5", timedelta(seconds=-1)])
def test_negative_durations_are_refused(written):
    """Nobody waits backwards."""
    with pytest.raises(UsageError, match="negative"):
        durations.seconds(written)


def test_endless_durations_are_refused():
    """More than a century would overflow a date later on."""
    with pytest.raises(UsageError, match="century"):
        durations.seconds("6000w")


@pytest.mark.parametrize(
    ("span_s", "shown"),
    [
        (0, "0s"),
        (0.0001, "0s"),
        (0.04, "40ms"),
        (0.0999, "0.1s"),
        (0.3, "0.3s"),
        (1, "1s"),
        (9.96, "10s"),
        (59.7, "1m"),
        (61, "1m 1s"),
        (5400, "1h 30m"),
        (3599.6, "1h"),
        (86_399, "1d"),
        (90_000, "1d 1h"),
        (864_000, "10d"),
        (-5, "-5s"),
        (float("inf"), "unknown"),
    ],
)
def test_durations_are_shown_in_two_units(span_s, shown):
    """A person reads at most two units, rounded without a carry left over."""
    assert shown == durations.show(span_s)


@given(st.floats(0, durations.DURATION_S_MAX))
def test_what_is_shown_can_be_written(span_s):
    """The shown form is a duration again, off by less than a twentieth or half a millisecond."""
    assert abs(durations.seconds(durations.show(span_s)) - span_s) <= max(0.0005, span_s / 20)
