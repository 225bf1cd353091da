"""Budgets: how they are written, and when one more failure is one too many."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.model.budget import Budget, is_breached


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        (5, Budget(count=5)),
        (0, Budget(count=0)),
        ("5", Budget(count=5)),
        ("1%", Budget(percent=1)),
        (" 0.5 % ", Budget(percent=0.5)),
        (Budget(1, 2, 3), Budget(1, 2, 3)),
    ],
)
def test_a_budget_is_read(text: Any, expected: Budget | None) -> None:
    """A count, a percentage, or a Budget; none is none, and not nothing."""
    assert expected == Budget.of(text)


@pytest.mark.parametrize("text", ["", "five", "-1", -1, "101%", "1 in 5", True, 2.5, "1%%"])
def test_what_is_no_budget_is_refused(text: Any) -> None:
    """The error shows what was given."""
    with pytest.raises(UsageError, match=r"[Bb]udget"):
        Budget.of(text)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"window": 5},
        {"count": 1, "window": 5},
        {"percent": 1, "window": 0},
        {"percent": 1, "window": 10_001},
        {"percent": float("nan")},
        {"count": 1.5},
    ],
)
def test_a_budget_that_cannot_work_is_refused(fields: dict[str, Any]) -> None:
    """It is refused when it is made, while nothing has run."""
    with pytest.raises(UsageError, match="Budget: "):
        Budget(**fields)


def test_one_more_than_the_count_breaches_it() -> None:
    """The count itself is within the budget; the sentence names both numbers."""
    budget = Budget(count=5)

    assert "" == is_breached(budget, 5, 0, "", 1_000)
    assert "6 items failed; the budget is 5" == is_breached(budget, 6, 0, "", 1_000)


def test_a_grant_counts_anew() -> None:
    """What had failed when a person granted it does not count again."""
    budget = Budget(count=5)

    assert "" == is_breached(budget, 11, 6, "", 1_000)
    assert "6 items failed since it was granted anew; the budget is 5" == is_breached(
        budget, 12, 6, "", 1_000
    )


def test_a_window_is_judged_when_it_is_full() -> None:
    """Before, one unlucky start would be a large share; at the end of all it is judged too."""
    budget = Budget(percent=10, window=20)
    early = "xxx" + "." * 16

    assert "" == is_breached(budget, 3, 0, early, 19)
    assert "" == is_breached(budget, 3, 0, early, 19, total=20)
    assert "3 of the last 20 attempts failed (15%); the budget is 10% of 20" == is_breached(
        budget, 3, 0, early + ".", 20
    )
    assert is_breached(budget, 3, 0, early, 19, total=19)


def test_a_window_forgets() -> None:
    """Only the last attempts count, however long the memory is."""
    budget = Budget(percent=10, window=20)

    assert "" == is_breached(budget, 9, 0, "x" * 9 + "." * 20, 29)


def test_a_percentage_is_of_all_that_was_tried() -> None:
    """Without a window: from a hundred items on, or at the end."""
    budget = Budget.of("1%")
    assert budget is not None

    assert "" == is_breached(budget, 1, 0, "x", 1)
    assert "" == is_breached(budget, 1, 0, "x", 100)
    assert "2 of 100 items tried failed (2%); the budget is 1%" == is_breached(
        budget, 2, 0, "xx", 100
    )
    assert "1 of 1 item tried failed (100%); the budget is 1%" == is_breached(
        budget, 1, 0, "x", 1, total=1
    )


@given(
    st.builds(Budget, st.integers(0, 9), st.none() | st.floats(0, 100)),
    st.integers(0, 50),
    st.integers(0, 50),
    st.text("x.", max_size=50),
)
def test_nothing_beyond_the_grant_breaches_no_count(
    budget: Budget, failed: int, spare: int, recent: str
) -> None:
    """A grant as large as the failures leaves the count and the share of all untouched."""
    assert "" == is_breached(budget, failed, failed + spare, recent, 500)
