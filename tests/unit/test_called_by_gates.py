"""What a gate asks, where that is to be awaited: it passes by what was said, by nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tests.unit.runs import CALLS, Runs, touch

from holdfast import aio, gate, workflow
from holdfast.model.gate_facts import SampleTaken


async def never(value: float) -> bool:
    touch("asked")
    return False


async def always(value: float) -> bool:
    return True


async def raising(value: float) -> bool:
    raise OSError("no answer")


@pytest.mark.parametrize("ok", [never, partial(never), lambda value: never(value)])
def test_a_gate_passes_by_what_ok_said_when_it_was_awaited(
    runs: Runs, ok: Callable[..., Any]
) -> None:
    """A coroutine is true, and is no verdict; nor is `ok` asked of what has failed already."""

    @aio.workflow
    async def flow(below: float | None = None) -> None:
        await aio.gate("g", lambda: 5, ok=ok, below=below)

    outcome, other = runs.start(flow), Runs()

    assert (4, "fail") == (outcome.exit_code, runs.facts(SampleTaken)[0].verdict)
    assert 4 == other.start(flow, {"below": 3}).exit_code
    assert 1 == CALLS["asked"]


def test_each_series_is_judged_by_an_awaited_ok(runs: Runs) -> None:
    """One that raises is an error, and not a verdict."""

    @aio.workflow
    async def flow() -> None:
        await aio.gate("g", lambda: {"a": 1, "b": 2}, ok=always)
        await aio.gate("h", lambda: 1, ok=raising, timeout="1s")

    outcome = runs.start(flow)

    assert ("succeeded", 3) == (runs.step("g").status, outcome.exit_code)
    assert ["pass", "error"] == [fact.verdict for fact in runs.facts(SampleTaken)][:2]


@pytest.mark.parametrize("ok", [never, partial(never), lambda value: never(value)])
def test_a_gate_that_awaits_nothing_refuses_what_is_to_be_awaited(
    runs: Runs, ok: Callable[..., Any]
) -> None:
    """Before it looks where that can be told, else with its first sample; also in a plan."""

    @workflow
    def flow() -> None:
        gate("g", lambda: 5, ok=ok)

    outcome = runs.start(flow)

    assert outcome.exit_code in (1, 2)
    assert "is async" in outcome.reason or "that nobody awaited" in outcome.reason
    assert [] == runs.facts(SampleTaken)


def test_a_probe_of_which_nothing_ran_is_wrong(runs: Runs) -> None:
    """It is told at once, and not waited for until the gate's time is over."""

    @workflow
    def flow() -> None:
        gate("g", lambda: never(1), below=3)

    outcome = runs.start(flow)

    assert "the probe returned a coroutine that nobody awaited" in outcome.reason
