"""A run that sleeps, and which runs are due: what tests of waiting share."""

from __future__ import annotations

from tests.unit.runs import Runs, touch

from holdfast import do, sleep, workflow
from holdfast.app.due import due_runs


@workflow
def sleeper() -> str:
    sleep("2h")
    return do("awake", touch, "awake")


def due(runs: Runs) -> list[str]:
    return [found.row.id for found in due_runs(runs.store, runs.clock.now())]
