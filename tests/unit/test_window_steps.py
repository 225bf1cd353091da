"""Behind a window: a step that would still run when it closes is not begun."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.unit.runs import Runs, touch

from holdfast import aio, do, require, rollout, step, window, workflow
from holdfast.app.starting import start
from holdfast.flow.workflows import Workflow
from holdfast.model.facts import StepStarted

DAILY = "daily 09:00-16:00 UTC"
HOUR = 3600


def at_nine(runs: Runs) -> None:
    runs.clock.jump((datetime(2030, 1, 1, 9, tzinfo=UTC) - runs.clock.now()).total_seconds())


def begun(runs: Runs) -> list[tuple[int, int]]:
    """Return day and hour at which each step began that does not only read."""
    facts = [fact for fact in runs.facts(StepStarted) if not fact.reads]
    return [(fact.at.day, fact.at.hour) for fact in facts]


def upgrade_of(runs: Runs, hours: float, nodes: int) -> Workflow[..., Any]:
    @step("upgrade {node}")
    def upgrade(node: str) -> None:
        runs.clock.jump(hours * HOUR)

    @workflow(name="up", mode="earned")
    def flow() -> None:
        window(DAILY)
        for n in range(nodes):
            upgrade(f"n{n}")

    return flow


def test_a_step_that_usually_crosses_the_end_waits_for_the_next_opening(runs: Runs) -> None:
    """By how long the same code took before in this run."""
    at_nine(runs)
    flow = upgrade_of(runs, 3, 3)
    outcome = runs.start(flow, mode="auto")

    assert "succeeded" == outcome.status
    assert [(1, 9), (1, 12), (2, 9)] == begun(runs)


def test_earlier_runs_tell_how_long_it_takes(runs: Runs) -> None:
    """Where this one does not know yet: those that count for trust."""
    at_nine(runs)
    start(runs.setting, upgrade_of(runs, 3, 1), {}, id="before", target="db", mode="auto")
    runs.clock.jump(2 * HOUR)
    outcome = runs.start(upgrade_of(runs, 3, 1), mode="auto", target="db")

    assert "succeeded" == outcome.status, outcome.reason
    assert [(2, 9)] == begun(runs)


def test_what_nobody_knows_the_time_of_begins(runs: Runs) -> None:
    """And so does what never fits into the window."""
    at_nine(runs)
    runs.clock.jump(6 * HOUR)
    runs.start(upgrade_of(runs, 30, 2), mode="auto")

    assert [(1, 15), (2, 21)] == begun(runs), "the second begins outside: the run is in the middle"


def test_what_only_reads_is_not_kept_waiting(runs: Runs) -> None:
    """Nor what stands in front of the window, or in another scope."""
    at_nine(runs)

    def look() -> bool:
        runs.clock.jump(4 * HOUR)
        return True

    @workflow
    def flow() -> None:
        window(DAILY)
        require("one", look)
        require("two", look)
        touch(f"{runs.clock.now():%d %H}")

    assert "succeeded" == runs.start(flow).status
    assert "01" == f"{runs.clock.now():%d}"


def test_units_behind_a_window_keep_to_it(runs: Runs) -> None:
    """Their steps are behind it too."""
    at_nine(runs)

    def one(node: str) -> None:
        do("work", runs.clock.jump, 4 * HOUR)

    @workflow
    def flow() -> None:
        window(DAILY)
        rollout(["n1", "n2"], one)

    assert "succeeded" == runs.start(flow).status
    assert [(1, 9), (2, 9)] == begun(runs)


def test_an_awaited_step_keeps_to_the_window(runs: Runs) -> None:
    """The same program decides."""
    at_nine(runs)

    @aio.step("work {n}")
    async def work(n: int) -> None:
        runs.clock.jump(4 * HOUR)

    @aio.workflow
    async def flow() -> None:
        await aio.window(DAILY)
        await work(1)
        await work(2)

    assert "succeeded" == runs.start(flow).status
    assert [(1, 9), (2, 9)] == begun(runs)


def test_a_process_may_leave_until_the_window_opens(runs: Runs) -> None:
    """It says when, and the next life begins the step then."""
    at_nine(runs)
    flow = upgrade_of(runs, 4, 2)
    left = runs.start(flow, mode="auto", patience_s=0.0)
    due = runs.row.due_at

    assert ("waiting", 75) == (left.status, left.exit_code)
    assert due is not None and (2, 9) == (due.day, due.hour)
    assert "succeeded" == runs.start(flow, mode="auto").status
    assert [(1, 9), (2, 9)] == begun(runs)
