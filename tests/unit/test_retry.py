"""How often a step is tried and how long it waits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.model.retry import ATTEMPTS_MAX, Retry


@pytest.mark.parametrize(("given", "attempts"), [(None, 1), (1, 1), (5, 5), (Retry(), 3)])
def test_a_number_is_all_attempts(given, attempts):
    """Nothing means one attempt; a number counts the first one too."""
    assert attempts == Retry.of(given).attempts


def test_waits_grow_up_to_the_most():
    """Each wait is the factor times the one before, and none follows the last attempt."""
    retry = Retry(attempts=6, first="1s", factor=3, most="10s", jitter=0)

    waits = [retry.wait_before(attempt, 0.5) for attempt in range(1, 8)]

    assert [0, 1, 3, 9, 10, 10, None] == waits


def test_jitter_shortens_a_wait():
    """The caller's fraction takes off at most the share that jitter allows."""
    retry = Retry(first=10, jitter=0.5)

    assert [10, 7.5] == [retry.wait_before(2, fraction) for fraction in (0.0, 0.5)]


@given(
    st.integers(1, ATTEMPTS_MAX),
    st.floats(0, 1, exclude_max=True),
    st.floats(1, 1e308),
    st.floats(0, 60),
    st.floats(0, 1),
)
def test_no_wait_overflows(attempt, fraction, factor, first, jitter):
    """However late the attempt, the wait is between nothing and `most`."""
    retry = Retry(ATTEMPTS_MAX, first, factor, "1m", jitter)

    assert 0 <= retry.wait_before(attempt, fraction) <= 60


def test_only_the_named_errors_are_retried():
    """Subclasses count; other errors, usage errors and Ctrl-C do not."""
    retry = Retry(on=(OSError,))

    assert retry.retries(TimeoutError())
    assert not retry.retries(ValueError())
    assert not Retry().retries(UsageError("wrong"))
    assert not Retry().retries(KeyboardInterrupt())


def test_one_class_may_stand_alone():
    """As in an `except` clause, `on` may be one class."""
    assert Retry(on=TimeoutError).retries(TimeoutError())


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"attempts": True},
        {"attempts": 2.0},
        {"attempts": ATTEMPTS_MAX + 1},
        {"first": "2m"},
        {"first": "soon"},
        {"first": -1},
        {"most": timedelta(0)},
        {"factor": 0.5},
        {"factor": float("nan")},
        {"factor": float("inf")},
        {"factor": "2"},
        {"jitter": -0.1},
        {"jitter": 1.1},
        {"jitter": float("nan")},
        {"on": ()},
        {"on": (BaseException,)},
        {"on": "OSError"},
        {"on": (OSError, 3)},
    ],
)
def test_what_cannot_work_is_refused(options):
    """A wrong policy is an error when the script is loaded."""
    with pytest.raises(UsageError):
        Retry(**options)


@pytest.mark.parametrize("given", [0, -1, True, "3", 1.5])
def test_other_values_of_retry_are_refused(given):
    """`retry=` is nothing, a positive number or a Retry."""
    with pytest.raises(UsageError):
        Retry.of(given)
