"""Rollouts: what comes after a wave, windows, and going back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.probes import LONG, says
from tests.unit.rolling import BROKEN, fleet, statuses, upgrade
from tests.unit.runs import CALLS, Runs, touch

from holdfast import Gate, confirm, do, rollout, workflow
from holdfast.model.facts import (
    RolloutPlanned,
)


@pytest.fixture(autouse=True)
def _nothing_is_broken() -> None:
    BROKEN.clear()


# --- after a wave -------------------------------------------------------------------------------


def test_a_soak_waits_after_each_wave(runs: Runs) -> None:
    """Durably, the last wave's too."""
    before = runs.clock.now()
    outcome = runs.start(fleet(waves=[1, "rest"], soak="1h"))

    assert "succeeded" == outcome.status
    assert runs.clock.now() - before >= timedelta(hours=2)
    assert {"flight/after 1 of 4/sleep 1h", "flight/after 4 of 4/sleep 1h"} <= set(runs.state.steps)


def test_a_gate_waits_for_data_beyond_the_soak(runs: Runs) -> None:
    """Its timeout is for data that does not come: a soak that is longer does not use it up."""
    calm = Gate("calm", says(5), below=10, every="10m", timeout="30m")
    outcome = runs.start(fleet(waves=["100%"], soak="2h", gates=[calm]))

    assert "succeeded" == outcome.status, outcome.reason
    assert 12 == CALLS["probe"]


def test_gates_sample_throughout_a_soak_and_stop_it_early(runs: Runs) -> None:
    """One that fails holds before the soak is over; nothing of the next wave begins."""
    left = [5] * 7 + [11]
    calm = Gate("calm", says(*left), below=10, every="10m", timeout=LONG)
    outcome = runs.start(fleet(waves=[1, "rest"], soak="2h", gates=[calm]))

    assert 4 == outcome.exit_code
    assert "flight/after 1 of 4/calm/calm" == runs.hold().opened.key
    assert "not reached" == statuses(runs)["n2"]
    assert 8 == CALLS["probe"]


def test_a_probe_that_says_true_is_gate_enough(runs: Runs) -> None:
    """Named as its function is."""
    answers = [True]

    def errors_low() -> bool:
        return answers[0]

    assert "succeeded" == runs.start(fleet(gates=[errors_low])).status
    assert "flight/after 4 of 4/errors low/errors low" in runs.state.steps


@pytest.mark.parametrize("between", [confirm, "go on?", Gate("calm", lambda: False)])
def test_what_comes_between_waves_may_hold(runs: Runs, between: Any) -> None:
    """A question, or a gate: not after the last wave."""
    outcome = runs.start(fleet(waves=[2, "rest"], between=between))

    assert "on_hold" == outcome.status
    assert "not reached" == statuses(runs)["n3"]
    runs.answer("approve", comment="yes")
    assert "succeeded" == runs.resume(fleet(waves=[2, "rest"], between=between)).status


def test_what_comes_between_waves_may_be_any_function(runs: Runs) -> None:
    """Called once for each gap, its steps recorded."""
    outcome = runs.start(fleet(waves=[1, 1, "rest"], between=lambda: do("notify", touch, "notify")))

    assert "succeeded" == outcome.status
    assert 2 == CALLS["notify"]


def test_other_waves_have_another_place_after_them(runs: Runs) -> None:
    """An edit of the waves does not skip a soak: it is asked about."""
    BROKEN.add("n2")
    runs.start(fleet(waves=[1, "rest"], soak="1h"))
    BROKEN.clear()
    runs.rearm("flight/n2")
    outcome = runs.resume(fleet(waves=[2, "rest"], soak="1h"))

    assert "on_hold" == outcome.status
    assert "drift" == runs.hold().opened.kind
    assert 2 == len(runs.facts(RolloutPlanned))


# --- windows, going back ------------------------------------------------------------------------


def test_a_unit_that_would_cross_the_end_of_the_window_is_not_begun(runs: Runs) -> None:
    """By how long the units before it took: it begins when the window opens next."""
    runs.clock.jump((datetime(2030, 1, 1, 9, tzinfo=UTC) - runs.clock.now()).total_seconds())
    began = {}

    def one(node: str) -> None:
        began[node] = runs.clock.now()
        do("work", runs.clock.jump, 3 * 3600)

    outcome = runs.start(fleet(3, one=one, window="daily 09:00-16:00 UTC"))

    assert "succeeded" == outcome.status
    assert [(1, 9), (1, 12), (2, 9)] == [(at.day, at.hour) for at in began.values()]


def test_a_rollout_is_rolled_back_in_reverse_order(runs: Runs) -> None:
    """Units that are done, too."""
    undone = []

    def one(node: str) -> None:
        do(f"change {node}", touch, node, undo=lambda: undone.append(node))

    @workflow(name="fleet")
    def flow() -> None:
        rollout(["n1", "n2", "n3"], one, waves=[1, "rest"])
        do("fails", lambda: 1 // 0)

    runs.start(flow)
    outcome = runs.rollback(flow)

    assert "rolled_back" == outcome.status
    assert ["n3", "n2", "n1"] == undone


def test_a_rollout_in_the_middle_is_rolled_back(runs: Runs) -> None:
    """What was begun is undone; a unit that failed, and those not reached, have nothing to undo."""
    undone = []

    def one(node: str) -> None:
        do("change", touch, node, undo=lambda: undone.append(node))
        upgrade(node)

    BROKEN.add("n2")
    runs.start(fleet(one=one))
    outcome = runs.rollback(fleet(one=one))

    assert "rolled_back" == outcome.status
    assert ["n2", "n1"] == undone
