"""What a probe's answer is worth: only what was read, lately and after the change, decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.model.gate_facts import GateOpened, SampleTaken
from holdfast.model.reading import (
    SERIES_KEPT_MAX,
    Circumstances,
    Limits,
    Reading,
    Sample,
    check_limit,
    number,
    sample_of,
)
from holdfast.model.sampling import GateState, stats_of

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = (Limits(below=10.0), Limits(above=0.0), Limits(ok=lambda value: value > 1), Limits())


def circumstances(**changed: Any) -> Circumstances:
    return Circumstances(**{"asked_at": AT, "landed_at": AT + timedelta(seconds=1), **changed})


def judged(returned: object, limits: Limits = LIMITS[0], **changed: Any) -> Sample:
    return sample_of(returned, limits, circumstances(**changed))


def before(seconds: float) -> datetime:
    return AT - timedelta(seconds=seconds)


numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
no_data = st.one_of(
    st.none(),
    st.just(float("nan")),
    st.just({}),
    st.dictionaries(st.text(max_size=5), st.sampled_from([None, float("nan")]), max_size=3),
    st.builds(Reading, st.sampled_from([None, float("nan")]), st.just(AT)),
)


@given(no_data, st.sampled_from(LIMITS))
def test_what_is_no_data_never_passes_and_never_fails(returned: Any, limits: Limits) -> None:
    """None, NaN, no series, or series of these."""
    assert "inconclusive" == judged(returned, limits).verdict


@given(numbers, st.floats(60.001, 1e6), st.sampled_from(LIMITS[:3]))
def test_a_stale_reading_never_passes_and_never_fails(
    value: float, age: float, limits: Limits
) -> None:
    """However good or bad it is."""
    assert "inconclusive" == judged(Reading(value, before(age)), limits).verdict


@given(numbers, st.floats(0, 50), st.floats(0.001, 50), st.sampled_from(LIMITS[:3]))
def test_a_window_not_wholly_after_the_change_decides_nothing(
    value: float, since: float, more: float, limits: Limits
) -> None:
    """A rate over 15 s that is read 10 s after the change is mostly of what was before."""
    sample = judged(Reading(value, AT), limits, changed_at=before(since), window_s=since + more)

    assert "inconclusive" == sample.verdict


@given(numbers, st.floats(0, 50), st.floats(0, 1))
def test_a_window_wholly_after_the_change_decides(value: float, since: float, part: float) -> None:
    """By the limit alone."""
    sample = judged(Reading(value, AT), changed_at=before(since), window_s=since * part * 0.999)

    assert ("pass" if value < 10.0 else "fail") == sample.verdict


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.one_of(numbers, st.none()), max_size=6))
def test_series_are_judged_one_by_one(series: dict[str, float | None]) -> None:
    """One that fails fails the sample; one without data keeps it from passing."""
    verdicts = {
        "inconclusive" if value is None else "pass" if value < 10.0 else "fail"
        for value in series.values()
    }
    expected = next((v for v in ("fail", "inconclusive", "pass") if v in verdicts), "inconclusive")

    assert expected == judged(series).verdict


def test_a_series_that_is_gone_is_inconclusive() -> None:
    """A member that died takes its bad numbers with it."""
    sample = judged({"a": 1.0}, known=("a", "b"))

    assert ("inconclusive", "b: gone: it was there before") == (sample.verdict, sample.why)


def test_the_same_reading_is_no_second_sample() -> None:
    """Between two scrapes there is nothing new to be seen."""
    assert "inconclusive" == judged(Reading(1.0, before(5)), read_at=before(5)).verdict
    assert "pass" == judged(Reading(1.0, before(4)), read_at=before(5)).verdict


def test_a_clock_that_is_ahead_decides_nothing() -> None:
    """What seems to be after the change may have been before."""
    assert "inconclusive" == judged(Reading(1.0, AT + timedelta(seconds=30))).verdict


@pytest.mark.parametrize(
    ("value", "verdict"), [(float("inf"), "fail"), (-float("inf"), "inconclusive")]
)
def test_an_endless_value_may_fail_and_never_passes(value: float, verdict: str) -> None:
    """A quantile beyond the last bucket is bad; below the first it means nothing."""
    assert verdict == judged(value).verdict


@pytest.mark.parametrize(
    "returned", ["4", object(), {"a": "x"}, [1.0], Reading(1.0, datetime(2026, 1, 1))]
)
def test_what_is_no_reading_is_an_error(returned: object) -> None:
    """It is said what came back instead."""
    sample = judged(returned)

    assert "error" == sample.verdict
    assert sample.why


def test_an_ok_that_raises_is_an_error_and_none_is_inconclusive() -> None:
    """Neither passes."""
    assert "error" == judged(1.0, Limits(ok=lambda value: 1 // 0)).verdict
    assert "inconclusive" == judged(1.0, Limits(ok=lambda value: None)).verdict


def test_a_bare_truth_needs_no_limit_and_a_number_does() -> None:
    """Any number that is not zero would pass."""
    assert ["pass", "fail", "error"] == [judged(v, Limits()).verdict for v in (True, False, 3.5)]


def test_numbers_of_other_kinds_are_numbers() -> None:
    """Whatever can say what it is as a float."""
    assert "pass" == judged(Decimal("2.5"), Limits(above=2.0, below=3.0)).verdict


def test_of_many_series_those_that_decide_are_kept() -> None:
    """In a few words, whatever there are of them."""
    series = {f"n{n}": float(n) for n in range(200)}
    sample = judged(series, Limits(below=199.0))

    assert ("fail", 200, SERIES_KEPT_MAX) == (sample.verdict, sample.series, len(sample.values))
    assert "n199" == next(iter(sample.values))


def test_a_limit_must_be_comparable() -> None:
    """A baseline of NaN is found out before it can pass anything."""
    for wrong in (float("nan"), "6", None.__class__):
        with pytest.raises(UsageError):
            check_limit("below", wrong)


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), (5.0, "5"), (0.00123, "0.00123"), (6.54321, "6.5432")]
)
def test_a_number_is_shown_short(value: float, text: str) -> None:
    """As a person would write it."""
    assert text == number(value)


# --- many samples -----------------------------------------------------------------------------

verdicts = st.lists(st.sampled_from(["pass", "fail", "inconclusive", "error"]), max_size=30)


def state_of(taken: list[Any], **rules: Any) -> GateState:
    gate = GateState(GateOpened(AT, "g", **rules), 1)
    for n, verdict in enumerate(taken):
        gate.add(SampleTaken(AT + timedelta(seconds=n), "g", verdict, {"": n}))
    return gate


@given(verdicts, verdicts, st.integers(1, 10), st.integers(0, 3))
def test_failures_latch(taken: list[Any], later: list[Any], wants: int, limit: int) -> None:
    """Once a gate has failed no further sample makes it pass."""
    rules = {"wants": wants + limit, "failure_limit": limit}
    if state_of(taken, **rules).standing(AT) == "fail":
        assert "fail" == state_of(taken + later, **rules).standing(AT)


@given(verdicts, st.integers(1, 10), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_a_gate_never_passes_without_its_samples(
    taken: list[Any], wants: int, failures: int, unclear: int, is_over: bool
) -> None:
    """It needs so many that said something, one of them a pass, and few enough that failed."""
    wants += max(failures, unclear)
    gate = state_of(
        taken, wants=wants, failure_limit=failures, inconclusive_limit=unclear,
        until=AT if is_over else None,
    )  # fmt: skip
    if gate.standing(AT) == "pass":
        assert taken.count("pass") > 0
        assert taken.count("fail") <= failures
        missing = wants - taken.count("pass") - taken.count("fail")
        assert missing <= (unclear if is_over else 0)


@given(verdicts)
def test_what_says_nothing_alone_ends_in_a_question(taken: list[Any]) -> None:
    """Neither a pass nor a failure, and not before the time is over."""
    silent = [v for v in taken if v in ("inconclusive", "error")]

    assert "" == state_of(silent, wants=2, until=AT + timedelta(hours=1)).standing(AT)
    assert "inconclusive" == state_of(silent, wants=2, until=AT).standing(AT)


@given(st.lists(numbers, min_size=1, max_size=50))
def test_stats_are_within_what_was_seen(values: list[float]) -> None:
    """And in order."""
    gate = GateState(GateOpened(AT, "g"), 1)
    for n, value in enumerate(values):
        gate.add(SampleTaken(AT + timedelta(seconds=n), "g", "pass", {"": value}))
    stats = stats_of(gate)

    assert stats.min <= stats.p50 <= stats.p95 <= stats.p99 <= stats.max
    assert stats.min <= stats.mean <= stats.max
    assert (len(values), timedelta(seconds=len(values) - 1)) == (stats.count, stats.span)
