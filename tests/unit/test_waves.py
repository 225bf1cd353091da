"""Which units are in which wave, and which may begin: every unit once, never too many at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.model.rollout import may_begin, waves_of
from holdfast.model.window_fit import closes_at, next_fit, usual_s
from holdfast.model.windows import parse

UNITS = tuple(f"n{n}" for n in range(10))


@pytest.mark.parametrize(
    ("shares", "sizes"),
    [
        (None, [10]), ([1, "25%", "rest"], [1, 3, 6]), (["10%", "rest"], [1, 9]),
        ([5, 5], [5, 5]), ([20], [10]), (["100%"], [10]), ([1, "rest", 5], [1, 9]),
        ([["n3", "n4"], 2, "rest"], [2, 2, 6]), (["rest", ["n9"]], [9, 1]),
        (["0.5%", "rest"], [1, 9]),
    ],
)  # fmt: skip
def test_waves_are_counts_percents_lists_and_the_rest(
    shares: Sequence[int | str | list[str]] | None, sizes: list[int]
) -> None:
    """Percents are of all units, rounded up; a wave without a unit is none."""
    waves = waves_of(UNITS, shares)

    assert sizes == list(map(len, waves))
    assert sorted(UNITS) == sorted(unit for wave in waves for unit in wave)


@pytest.mark.parametrize(
    "shares", [[1, 1], ["25%"], [["n1"]], [0, "rest"], ["0%"], ["101%"], ["some"], [True, "rest"],
               [-1], [["x"], "rest"], [["n1"], ["n1"], "rest"], []],
)  # fmt: skip
def test_waves_that_leave_units_out_are_refused(shares: Sequence[int | str | list[str]]) -> None:
    """Before anything is done; and so is what is no wave."""
    with pytest.raises(UsageError):
        waves_of(UNITS, shares)


def test_a_unit_has_one_name() -> None:
    """Two of one name could not be told apart."""
    with pytest.raises(UsageError, match="'a' is given twice"):
        waves_of(("a", "b", "a"), None)


@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1),
    st.integers(1, 4),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 2)),
    st.randoms(),
)
def test_units_run_at_most_so_many_at_once_and_apart(
    units: list[str], at_once: int, groups: dict[str, int], dice: st.DataObject
) -> None:
    """Whatever ends first: all of them are begun once, and never two of a group together."""
    waiting, running, begun = list(units), set[str](), list[str]()
    while waiting or running:
        for unit in may_begin(waiting, running, at_once, groups):
            waiting.remove(unit)
            running.add(unit)
            begun.append(unit)
        assert running, "nothing runs, and something waits"
        assert len(running) <= at_once
        busy = [groups[unit] for unit in running if unit in groups]
        assert len(busy) == len(set(busy))
        running.discard(dice.choice(sorted(running)))  # type: ignore[attr-defined]
    assert sorted(units) == sorted(begun)


def test_what_is_set_aside_keeps_its_group_and_no_place() -> None:
    """It may be half done: nothing of its group begins, and others take its place."""
    groups = {"a": 1, "b": 1, "c": 2, "d": 3}

    assert ("c",) == may_begin("bcd", (), 1, groups, aside=("a",))
    assert ("c", "d") == may_begin("bcd", (), 3, groups, aside=("a",))
    assert () == may_begin("b", (), 3, groups, aside=("a",))


# --- windows ------------------------------------------------------------------------------------

WINDOW = parse("Tue-Thu 09:00-16:00, !2026-12-02 UTC")
TUESDAY = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOURS = st.integers(0, 14 * 24 * 60).map(lambda minutes: TUESDAY + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("hour", "needs_h", "day", "begins"),
    [(10, 2, 1, 10), (15, 2, 3, 9), (15, 1, 1, 15), (10, 30, 1, 10), (17, 1, 3, 9)],
)
def test_what_would_cross_the_end_waits_for_the_next_opening(
    hour: int, needs_h: int, day: int, begins: int
) -> None:
    """Frozen dates are no opening; what never fits begins when it may."""
    at = TUESDAY.replace(hour=hour)

    assert TUESDAY.replace(day=day, hour=begins) == next_fit(WINDOW, at, UTC, needs_h * 3600.0)


@given(HOURS, st.floats(0, 7 * 3600 - 1))
def test_what_begins_is_done_inside(at: datetime, needs_s: float) -> None:
    """From its first moment to its last."""
    begins = next_fit(WINDOW, at, UTC, needs_s)
    ends = closes_at(WINDOW, begins, UTC)

    assert begins >= at and WINDOW.has(begins)
    assert ends is not None and begins + timedelta(seconds=needs_s) <= ends


def test_a_window_that_is_always_open_closes_never() -> None:
    """Then anything fits."""
    always = parse("daily 00:00-24:00 UTC")

    assert closes_at(always, TUESDAY, UTC) is None
    assert TUESDAY == next_fit(always, TUESDAY, UTC, 1e9)


def test_one_night_s_interruption_is_not_usual() -> None:
    """The median of what is known, nothing when nothing is."""
    assert (0.0, 60.0) == (usual_s([]), usual_s([50.0, 60.0, 40_000.0]))
