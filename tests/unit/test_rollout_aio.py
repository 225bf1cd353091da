"""Gates and rollouts in `async def` workflows: the same programs, awaited."""

from __future__ import annotations

import pytest
from tests.unit.probes import LONG, says
from tests.unit.runs import CALLS, Runs, touch

from holdfast import Gate, Results, Stats, aio

BROKEN: set[str] = set()


@aio.step("upgrade {node}")
async def upgrade(node: str) -> str:
    touch(node)
    if node in BROKEN:
        raise OSError("not ready")
    return f"{node} upgraded"


def fleet(**rules: object) -> aio.AsyncWorkflow:  # type: ignore[type-arg]
    @aio.workflow(name="fleet")
    async def flow() -> Results:
        return await aio.rollout(["n1", "n2", "n3"], upgrade, **rules)

    return flow  # type: ignore[no-any-return]


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_gate_is_awaited_whatever_its_probe_is(runs: Runs, asynchronous: bool) -> None:
    """A coroutine function, or a plain one in a thread."""
    plain = says(None, 4, 5)

    async def awaited() -> float:
        return plain()  # type: ignore[no-any-return]

    @aio.workflow
    async def flow() -> Stats:
        base = await aio.measure("base", lambda: 5, span="10s")
        probe = awaited if asynchronous else plain
        return await aio.gate("p99", probe, below=2 * base.mean, samples=2, timeout=LONG)

    outcome = runs.start(flow)

    assert ("succeeded", 4.5) == (outcome.status, outcome.result.mean)


def test_a_rollout_is_awaited(runs: Runs) -> None:
    """In waves, with what comes after them."""
    calm = Gate("calm", says(True), every="10m", timeout=LONG)
    outcome = runs.start(fleet(waves=[1, "rest"], at_once=2, soak="1h", gates=[calm]))

    assert "succeeded" == outcome.status, outcome.reason
    assert ["n1", "n2", "n3"] == sorted(outcome.result.done)
    assert "after 1 of 3/calm/calm" in runs.state.steps


def test_a_budget_holds_and_a_retry_goes_on(runs: Runs) -> None:
    """As in a plain workflow."""
    BROKEN.add("n2")
    first = runs.start(fleet())
    BROKEN.clear()
    runs.rearm("n2/upgrade n2")

    assert 4 == first.exit_code
    assert "succeeded" == runs.resume(fleet()).status
    assert {"n1": 1, "n2": 2, "n3": 1} == dict(CALLS)


@pytest.mark.parametrize("between", [aio.confirm, "go on?"])
def test_a_question_comes_between_waves(runs: Runs, between: object) -> None:
    """Also when it is the awaited `confirm`."""
    outcome = runs.start(fleet(waves=[1, "rest"], between=between))
    runs.answer("approve")

    assert 3 == outcome.exit_code
    assert "succeeded" == runs.resume(fleet(waves=[1, "rest"], between=between)).status


def test_what_comes_between_may_be_awaited(runs: Runs) -> None:
    """Or be plain."""

    async def notify() -> None:
        await aio.do("notify", touch, "notify")

    assert "succeeded" == runs.start(fleet(waves=[1, "rest"], between=notify)).status
    assert 1 == CALLS["notify"]
