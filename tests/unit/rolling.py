"""A fleet whose nodes may be broken, upgraded by a rollout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.runs import Runs, touch

from holdfast import Results, flight, rollout, step, workflow
from holdfast.flow.workflows import Workflow
from holdfast.model.rolling import unit_statuses

BROKEN: set[str] = set()


@step("upgrade {node}")
def upgrade(node: str) -> str:
    touch(node)
    if node in BROKEN:
        raise OSError(f"{node} is not ready")
    return f"{node} upgraded"


def fleet(
    count: int = 4, *, one: Callable[[str], Any] = upgrade, **rules: Any
) -> Workflow[..., Any]:
    """Return a workflow that upgrades so many nodes, n1 first."""

    @workflow(name="fleet")
    def flow() -> Results:
        with flight():
            return rollout([f"n{n}" for n in range(1, count + 1)], one, **rules)

    return flow


def statuses(runs: Runs) -> dict[str, str]:
    state = runs.state
    (rollout,) = state.rollouts.values()
    found = unit_statuses(state, rollout, rollout.planned.units)
    return {unit.rpartition("/")[2]: status for unit, status in found.items()}
