"""A run in a line, and the verb that takes it back: what tests of rewind share."""

from __future__ import annotations

from tests.unit.runs import Runs, fail_until, touch

from holdfast.app.rewinding import rewind
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.testing.crash import TESTER


def back(runs: Runs, to: str, reason: str = "") -> str:
    return rewind(runs.store, "r", to, runs.clock, TESTER, reason).text


@workflow(name="flow")
def line() -> list[object]:
    a, b, c = (do(name, touch, name) for name in "abc")
    return [a, b, c, do("stumble", fail_until, 2)]
