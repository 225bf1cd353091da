"""On what terms a run is to go on: what was said for it, its target, its workflow."""

from __future__ import annotations

from typing import Any, cast

from holdfast.flow.workflows import Workflow
from holdfast.model.terms import Ask, Mode, Terms


def terms_for(
    workflow: Workflow[..., Any], target: str | None, given_mode: str = "", given_ask: str = ""
) -> Terms:
    """Return the terms of a life that starts now; what was given for the run comes first."""
    ask = cast(Ask, given_ask or "step")
    if given_mode:
        return Terms(cast(Mode, given_mode), f"{given_mode}: --mode", ask)
    if workflow.mode:
        return Terms(cast(Mode, workflow.mode), f"{workflow.mode}: the workflow", ask)
    return Terms(rule="auto: the default", ask=ask)
