"""What a PromQL query says without being asked: its window, and the series it needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.integrations.promql import duration_s, selectors, window_s

DURATIONS = [("30s", 30), ("5m", 300), ("1h30m", 5400), ("500ms", 0.5), ("1d", 86_400),
             ("2w", 1_209_600), ("1y", 31_536_000), ("1h15m30s500ms", 4530.5),
             ("90", 90)]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), DURATIONS)
def test_durations_are_those_of_promql(text: str, wanted: float) -> None:
    """Units from years to milliseconds, longest first; a bare number is seconds."""
    assert wanted == duration_s(text)


@pytest.mark.parametrize("text", ["", "m5", "5m1h", "5 m", "m", "soon"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Also units in the wrong order."""
    with pytest.raises(UsageError, match="no duration of PromQL"):
        duration_s(text)


WINDOWS = [
    ("up", 0),
    ("rate(x[15s])", 15),
    ("rate(x[15s]) / rate(y[1h30m])", 5400),
    ("max_over_time(rate(x[15s])[5m:10s])", 315),
    ("max_over_time(up[5m:])", 300),
    ("max_over_time((rate(a[1m]) + rate(b[2m]))[10m:1m])", 720),
    ("max_over_time(avg_over_time(rate(x[1m])[5m:])[1h:])", 3960),
    ('x{l="a[5m]b"}', 0),
    ("x # [5m]\n + rate(y[10s])", 10),
    ("rate(x[30s] offset 1h)", 30),
    ("sum by (le)(rate(x_bucket{a='b'}[ 2m ]))", 120),
]


@pytest.mark.parametrize(("query", "wanted"), WINDOWS)
def test_a_window_is_the_longest_range_with_subqueries_around_it(query: str, wanted: float) -> None:
    """What stands in strings and comments is no range; an offset is meant."""
    assert wanted == window_s(query)


SELECTORS = [
    ("up", ["up"]),
    ("1 + time()", []),
    ("vector(0)", []),
    ("sum by (le, job) (rate(x_bucket{a=\"b\"}[30s]))", ['x_bucket{a="b"}']),
    ("sum(rate(x[1m])) without (pod)", ["x"]),
    ("sum without(pod)(x) / on(job) group_left(team) y", ["x", "y"]),
    ("x and on() y unless z or vector(1)", ["x", "y", "z"]),
    ("x > bool 3", ["x"]),
    ('{__name__="a:b"}', ['{__name__="a:b"}']),
    ("histogram_quantile(0.99, x)", ["x"]),
    ("topk(3, a:b:rate5m)", ["a:b:rate5m"]),
    ('label_replace(x, "y", "$1", "z", "(.*)")', ["x"]),
    ("x + x", ["x"]),
    ('x{a="b"} + x{a="}"}', ['x{a="b"}', 'x{a="}"}']),
    ("x == inf or x == NaN", ["x"]),
]  # fmt: skip


@pytest.mark.parametrize(("query", "wanted"), SELECTORS)
def test_selectors_are_told_from_functions_and_labels(query: str, wanted: list[str]) -> None:
    """Each once, without its range."""
    assert wanted == [each.text for each in selectors(query)]


def test_what_is_moved_into_the_past_is_known() -> None:
    """By offset or @, with a range or without."""
    found = selectors("a offset 1h + rate(b[5m] offset 1d) + c @ 1609746000 + d")

    assert [True, True, True, False] == [each.is_past for each in found]


@given(st.text(alphabet="abx_:{}[]()\"'`#,=~ 15msoffset\n", max_size=60))
def test_no_text_is_too_wild(text: str) -> None:
    """Whatever is no PromQL is left to the server; only a range that is none is refused."""
    try:
        assert window_s(text) >= 0
    except UsageError as error:
        assert "no duration of PromQL" in str(error)
    selectors(text)
