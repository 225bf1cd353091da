"""Gates and measurements in a run: what they need to pass, and who may say otherwise."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.probes import Rate, guarded, says
from tests.unit.runs import CALLS, Runs, touch

from holdfast import do, gate, require, stage, workflow
from holdfast.app.reasons import why
from holdfast.engine.gate import KEPT_EACH_MAX
from holdfast.errors import UsageError
from holdfast.flow.workflows import Workflow
from holdfast.model.changes import last_change
from holdfast.model.facts import (
    GateOpened,
    GateOverridden,
    HoldOpened,
    SampleTaken,
    ScopeEntered,
    StepStarted,
    StepSucceeded,
)
from holdfast.model.state import RunState


def verdicts(runs: Runs) -> list[str]:
    return [fact.verdict for fact in runs.facts(SampleTaken)]


def test_a_gate_passes_with_all_its_samples(runs: Runs) -> None:
    """It returns what it saw; every sample is recorded, and none is taken again."""
    flow = guarded(says(4, 6, 5), samples=3)
    first = runs.start(flow)
    again = runs.start(flow)

    assert ("succeeded", 5.0, 3) == (first.status, first.result.mean, first.result.count)
    assert first.result == again.result
    assert ["pass"] * 3 == verdicts(runs)
    assert 3 == CALLS["probe"]


def test_a_failed_gate_holds(runs: Runs) -> None:
    """Exit 4; the hold says what was seen, and the next commands."""
    outcome = runs.start(guarded(says(4, 11, 12), samples=6))

    assert ("on_hold", 4) == (outcome.status, outcome.exit_code)
    assert "gate" == runs.hold().opened.kind
    assert "1 of 2 samples failed (limit 0)" in runs.hold().opened.question
    assert [("retry", "r", "p99"), ("approve", "r", "-m", "REASON")] == [
        way.argv for way in why(runs.store, "r").next
    ][:2]


def test_failures_within_the_limit_are_let_pass(runs: Runs) -> None:
    """Two of six may be above."""
    outcome = runs.start(guarded(says(4, 11, 4, 12, 4, 4), samples=6, failure_limit=2))

    assert "succeeded" == outcome.status
    assert 6 == len(verdicts(runs))


def test_a_failure_is_not_forgotten_by_a_later_life(runs: Runs) -> None:
    """It holds again, and does not look at better numbers."""
    flow = guarded(says(11, 4), samples=1)
    runs.start(flow)
    outcome = runs.resume(flow)

    assert ("on_hold", 4) == (outcome.status, outcome.exit_code)
    assert (1, 1) == (CALLS["probe"], len(runs.facts(HoldOpened)))


def test_retry_takes_the_samples_anew(runs: Runs) -> None:
    """And the hold is answered by that."""
    flow = guarded(says(11, 4))
    runs.start(flow)
    runs.rearm("p99")
    outcome = runs.resume(flow)

    assert "succeeded" == outcome.status
    assert [] == runs.state.open_holds
    assert 2 == len(runs.facts(GateOpened))


def test_a_person_lets_it_pass_once_and_says_why(runs: Runs) -> None:
    """The next gate is asked like any other."""

    @workflow
    def flow() -> None:
        gate("first", says(11), below=10)
        gate("second", says(11), below=10)

    runs.start(flow)
    with pytest.raises(UsageError, match="needs a reason"):
        runs.answer("approve", comment=" ")
    runs.answer("approve", comment="a known spike")
    outcome = runs.resume(flow)

    assert ("on_hold", "second") == (outcome.status, runs.hold().opened.key)
    assert ["a known spike"] == [fact.comment for fact in runs.facts(GateOverridden)]
    assert "overridden by tester" == runs.step("first").decided_by


def test_a_no_fails_the_run_and_is_asked_again(runs: Runs) -> None:
    """As with every hold."""
    flow = guarded(says(11))
    runs.start(flow)
    runs.answer("reject", comment="too slow")
    assert "failed" == runs.row.status

    assert ("on_hold", 4) == (runs.resume(flow).status, runs.resume(flow).exit_code)


@pytest.mark.parametrize("silence", [None, math.nan, {}, {"a": None}, OSError("down")])
def test_no_data_is_neither_a_pass_nor_a_failure(runs: Runs, silence: Any) -> None:
    """It is taken again until the time is over; then a person is asked, with exit 3."""
    outcome = runs.start(guarded(says(silence), samples=2, timeout="10m"))

    assert ("on_hold", 3) == (outcome.status, outcome.exit_code)
    assert {"inconclusive", "error"} >= set(verdicts(runs))
    assert len(verdicts(runs)) > 2


def test_data_that_comes_late_still_counts(runs: Runs) -> None:
    """The gate waits for it."""
    outcome = runs.start(guarded(says(None, math.nan, OSError("down"), 5), samples=2))

    assert "succeeded" == outcome.status
    assert ["inconclusive", "inconclusive", "error", "pass", "pass"] == verdicts(runs)


def test_a_few_samples_may_stay_inconclusive(runs: Runs) -> None:
    """So many may be missing at the end; but something must have been seen."""
    seldom = guarded(says(5, None), samples=3, inconclusive_limit=2, timeout="10m", every="1m")

    assert "succeeded" == runs.start(seldom).status


def test_with_nothing_but_silence_no_limit_lets_it_pass(runs: Runs) -> None:
    """One sample at least has to say something."""
    never = guarded(says(None), samples=3, inconclusive_limit=2, timeout="10m")

    assert 3 == runs.start(never).exit_code


def test_a_probe_that_is_wrong_fails_the_gate(runs: Runs) -> None:
    """A query that cannot be is no matter of patience."""
    outcome = runs.start(guarded(says(UsageError("no such query"))))

    assert ("failed", 2) == (outcome.status, outcome.exit_code)


@pytest.mark.parametrize(
    "rules",
    [
        {"below": math.nan}, {"samples": 0}, {"samples": 2, "failure_limit": 2},
        {"inconclusive_limit": 1}, {"since": "yesterday"}, {"every": "soon"},
        {"samples": 9, "every": "10s", "timeout": "1m"},
    ],
)  # fmt: skip
def test_rules_that_cannot_be_are_refused(runs: Runs, rules: dict[str, Any]) -> None:
    """Before anything is sampled."""
    outcome = runs.start(guarded(says(1), **rules))

    assert ("failed", 2, 0) == (outcome.status, outcome.exit_code, CALLS["probe"])


# --- after the last change --------------------------------------------------------------------


def test_the_first_sample_waits_for_its_window(runs: Runs) -> None:
    """What is read lies wholly after the last change; the probe is named in the journal."""
    rate = Rate(runs)
    runs.start(guarded(rate))
    changed = runs.step("change").ended_at
    (opened,) = runs.facts(GateOpened)

    assert changed is not None
    assert rate.asked[0] - changed >= timedelta(minutes=1)
    assert ["pass"] == verdicts(runs)
    assert (rate.query, rate.link) == (opened.query, opened.link)


def test_steps_that_only_read_are_no_change(runs: Runs) -> None:
    """Nor are gates themselves, nor what failed to begin."""
    rate = Rate(runs)

    @workflow
    def flow() -> None:
        do("change", touch, "change")
        runs.clock.jump(600)
        require("fine", touch, "read")
        gate("other", says(1), below=2)
        before = runs.clock.now()
        gate("rate", rate, below=10)
        assert runs.clock.now() - before < timedelta(seconds=30)

    assert "succeeded" == runs.start(flow).status


def facts_of(*keys: str) -> RunState:
    """Return a run in which units began, `>unit`, and steps ended, a second apart."""
    state, at = RunState(), datetime(2026, 11, 27, tzinfo=UTC)
    for n, key in enumerate(keys):
        if key.startswith(">"):
            state.apply(ScopeEntered(at + timedelta(seconds=n), key[1:], "unit"))
            continue
        state.apply(StepStarted(at, key, 1, reads=key.endswith("look")))
        state.apply(StepSucceeded(at + timedelta(seconds=n), key))
    return state


@pytest.mark.parametrize(
    ("keys", "second"),
    [
        (("a", ">n1", "n1/look"), 0),
        (("a", ">n1", "n1/x"), 2),
        ((">n1", "n1/x", ">n2", "n2/y"), 1),
        ((">n2", "n2/y", ">n1"), 1),
        ((">n1", "n1/x", "n1/x#undo"), 2),
        ((">n1", "n1/deep/x"), 1),
    ],
)
def test_what_runs_beside_a_gate_is_not_its_last_change(keys: tuple[str, ...], second: int) -> None:
    """A unit's gate judges its own changes and those from before it began."""
    changed = last_change(facts_of(*keys), "n1/gate")

    assert changed is not None
    assert second == changed.second


def test_outside_of_units_every_change_counts() -> None:
    """After a wave all that its units did."""
    changed = last_change(facts_of(">n1", ">n2", "n2/y", "n1/x"), "soak/gate")

    assert changed is not None
    assert 3 == changed.second


# --- edits, deaths, long gates ------------------------------------------------------------------


def test_an_edited_gate_takes_its_samples_anew(runs: Runs) -> None:
    """A failure was one of other terms."""
    runs.start(guarded(says(11)))
    outcome = runs.resume(guarded(says(11), below=20))

    assert "succeeded" == outcome.status
    assert [] == runs.state.open_holds


def test_an_edit_of_a_gate_that_passed_is_asked_about(runs: Runs) -> None:
    """As of every finished step."""

    def flow(limit: int) -> Workflow[..., Any]:
        @workflow(name="flow")
        def made() -> None:
            gate("p99", says(5), below=limit)
            do("fails", touch_once)

        return made

    def touch_once() -> None:
        if touch("once") and CALLS["once"] == 1:
            raise OSError("once")

    runs.start(flow(10))

    assert "on_hold" == runs.resume(flow(4)).status
    assert "drift" == runs.hold().opened.kind


def test_a_life_goes_on_with_the_samples_there_are(runs: Runs) -> None:
    """Killed in the middle, it takes only those that are missing."""
    flow = guarded(says(5), samples=4)
    at = 1
    while len(runs.facts(SampleTaken)) < 2:
        runs.crash(flow, at)
        at += 1
    outcome = runs.start(flow)

    assert "succeeded" == outcome.status
    assert 4 == len(verdicts(runs))


def test_a_long_gate_is_thinned(runs: Runs) -> None:
    """Samples that are alike share a fact; all of them count."""
    count = 5 * KEPT_EACH_MAX
    flow = guarded(says(5), samples=count, every="0.02s")
    outcome = runs.start(flow)
    kept = runs.facts(SampleTaken)

    assert "succeeded" == outcome.status
    assert count == sum(fact.count for fact in kept)
    assert len(kept) <= 2 * KEPT_EACH_MAX


def test_a_failure_in_a_long_gate_has_a_fact_of_its_own(runs: Runs) -> None:
    """With what was alike before it."""
    good = [5] * (2 * KEPT_EACH_MAX)
    flow = guarded(says(*good, 11, 5), samples=4 * KEPT_EACH_MAX, every="0.02s")
    outcome = runs.start(flow)
    *_, before, last = runs.facts(SampleTaken)

    assert 4 == outcome.exit_code
    assert (2 * KEPT_EACH_MAX, "fail", 1) == (
        sum(f.count for f in runs.facts(SampleTaken)) - 1, last.verdict, last.count,
    )  # fmt: skip
    assert "pass" == before.verdict


def test_a_gate_in_a_stage_that_undoes_itself_undoes_when_it_is_refused(runs: Runs) -> None:
    """A pre-flight gate that failed commits nothing."""

    @workflow
    def flow() -> None:
        with stage("pre", on_failure="undo"):
            do("lock", touch, "lock", undo=lambda: touch("unlock"))
            gate("calm", says(11), below=10)

    runs.start(flow)
    runs.answer("reject", comment="not today")
    runs.resume(flow)

    assert 1 == CALLS["unlock"]
