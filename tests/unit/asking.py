"""A run that asks for a yes, and people who answer it: for tests of holds."""

from __future__ import annotations

from typing import Any

from tests.unit.runs import Runs

from holdfast import confirm
from holdfast.app import holds
from holdfast.flow.workflows import Workflow, workflow
from holdfast.model import facts as f


def asks(**options: Any) -> Workflow[..., Any]:
    """Return a workflow that asks whether to go on, with these options of `confirm`."""

    @workflow
    def asking() -> str:
        return confirm("go on?", **options).by

    return asking


def says(runs: Runs, by: f.Who, given: Any = "approve", comment: str = "because") -> str:
    """Answer its question, and return what the person is told."""
    return holds.answer(runs.store, "r", runs.clock, by, given, comment=comment, hold="h1").text
