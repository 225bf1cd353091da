"""Probes that say what a test tells them, and a workflow with one gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.runs import Runs, touch

from holdfast import Reading, Stats, do, gate, workflow
from holdfast.flow.workflows import Workflow

LONG = "365d"
"""A clock that jumps is soon past any shorter time."""


def says(*values: Any) -> Callable[[], Any]:
    """Return a probe that says these values, one after another, and then the last again."""
    left = list(values)

    def probe() -> Any:
        touch("probe")
        value = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(value, Exception):
            raise value
        return value

    return probe


def guarded(probe: Callable[[], Any], **rules: Any) -> Workflow[..., Any]:
    """Return a workflow with one change and one gate."""

    @workflow(name="guarded")
    def flow() -> Stats:
        do("change", touch, "change")
        return gate("p99", probe, **{"below": 10, "timeout": LONG, **rules})

    return flow


class Rate:
    """A probe whose value covers a minute."""

    window, query, link = "1m", "rate(requests[1m])", "https://dash/requests"

    def __init__(self, runs: Runs) -> None:
        self.runs, self.asked = runs, []

    def __call__(self) -> Reading:
        at = self.runs.clock.now()
        self.asked.append(at)
        return Reading(5.0, at)
