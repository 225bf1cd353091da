"""Measurements, people at gates, and what a gate that holds shows."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from tests.unit.probes import Rate, guarded, says
from tests.unit.runs import Runs, Says

from holdfast import Gate, Stats, gate, measure, workflow
from holdfast.app import holds
from holdfast.app.reasons import why
from holdfast.errors import UsageError
from holdfast.testing.crash import TESTER

# --- measure ------------------------------------------------------------------------------------


def test_a_measurement_is_the_same_for_ever(runs: Runs) -> None:
    """Its numbers are recorded, and what is no data does not count."""

    @workflow
    def flow() -> Stats:
        return measure("base", says(4, None, 6, math.nan, 8), span="20s", every="5s")

    stats = runs.start(flow).result

    assert (6.0, 4.0, 8.0, 3) == (stats.mean, stats.min, stats.max, stats.count)
    assert stats == runs.start(flow).result


def test_a_measurement_without_data_holds(runs: Runs) -> None:
    """There is nothing to approve: it is measured again."""

    @workflow
    def flow() -> float:
        return measure("base", probe, span="10s").mean

    probe = says(None, None, None, 7)
    outcome = runs.start(flow)
    with pytest.raises(UsageError, match="no number to go on with"):
        runs.answer("approve", comment="go on")
    runs.rearm("base")

    assert 3 == outcome.exit_code
    assert 7.0 == runs.resume(flow).result


def test_a_limit_may_come_from_a_measurement(runs: Runs) -> None:
    """Plain Python over what was measured; a replay computes the same."""

    @workflow
    def flow() -> Stats:
        base = measure("base", says(4), span="10s", every="10s")
        return gate("p99", says(*values), below=1.5 * base.mean)

    values = [6.5, 5.5]
    assert 4 == runs.start(flow).exit_code
    runs.rearm("p99")
    values.pop(0)

    assert "succeeded" == runs.resume(flow).status


def test_series_have_stats_of_their_own(runs: Runs) -> None:
    """Beside those of all of them."""

    @workflow
    def flow() -> Stats:
        return measure("base", says({"a": 1, "b": 3}), span="10s", every="10s")

    stats = runs.start(flow).result

    assert (2.0, 1.0, 3.0) == (stats.mean, stats.series["a"].mean, stats.series["b"].mean)


@pytest.mark.parametrize("every", ["0s", "1m"])
def test_a_span_must_hold_a_sample(runs: Runs, every: str) -> None:
    """What cannot be measured is a mistake of the script's."""

    @workflow
    def flow() -> None:
        measure("base", says(1), span="10s", every=every)

    assert 2 == runs.start(flow).exit_code


# --- people and gates -----------------------------------------------------------------------------


def test_a_person_at_the_terminal_may_let_it_pass(runs: Runs) -> None:
    """In the same life."""
    outcome = runs.start(guarded(says(11)), person=Says("approve", comment="known"))

    assert "succeeded" == outcome.status


def test_an_answer_is_to_the_samples_that_were_shown(runs: Runs) -> None:
    """A yes to a failure of before is none to one of samples taken anew."""
    flow = guarded(says(11, 12))
    runs.start(flow)
    runs.answer("approve", comment="known")
    runs.rearm("p99")
    outcome = runs.resume(flow)

    assert ("on_hold", 4) == (outcome.status, outcome.exit_code)


def test_a_gate_may_be_described_in_one_place_and_watched_in_others(runs: Runs) -> None:
    """Each watching is a gate of its own."""
    calm = Gate("calm", says(1), below=2)

    @workflow
    def flow() -> int:
        return calm().count + calm().count

    assert 2 == runs.start(flow).result
    assert {"calm", "calm#2"} == set(runs.state.steps)


def test_only_approvers_let_a_gate_pass(runs: Runs) -> None:
    """Whoever may not say yes to a step may not override either: the hold has its electorate."""
    runs.start(guarded(says(11)))
    opened = runs.hold().opened

    assert opened.electorate == runs.state.terms.electorate
    with pytest.raises(UsageError, match="is a gate: use approve or reject"):
        holds.answer(runs.store, "r", runs.clock, TESTER, "value", value=1)


def lines_of(found: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{name} {text}" for name, text in found)


def test_a_hold_shows_the_samples_as_a_table(runs: Runs) -> None:
    """Marks, a line of blocks, the last values, the limit, the query and the link."""
    rate = Rate(runs)
    left = [5, 6, 12, 7, 13]
    rate_of = lambda: {"a": left[0], "b": left.pop(0) / 2}  # noqa: E731
    rate_of.query, rate_of.link = rate.query, rate.link  # type: ignore[attr-defined]
    runs.start(guarded(rate_of, samples=6, failure_limit=1))
    (reason,) = [r for r in why(runs.store, "r").reasons if r.kind == "hold"]
    text = lines_of(reason.fields)

    assert "seen ✔✔✖✔✖" in text
    assert "5 6 12 7 13  a" in text
    assert "limit < 10 (up to 1 failed)" in text
    assert f"query {rate.query}" in text and f"link {rate.link}" in text
    assert "a: 13 is not < 10" in text
