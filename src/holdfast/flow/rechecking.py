"""What `resume --recheck` does before the run goes on: look whether it is all still so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from holdfast.engine.rechecking import accepted, recheck
from holdfast.flow.errands import replay
from holdfast.flow.steps import Met
from holdfast.flow.workflows import Workflow
from holdfast.runtime.life import Life


def look_again(workflow: Workflow[..., Any], params: Mapping[str, object], life: Life) -> None:
    """Walk the script through what is recorded, and ask the checks of the steps it meets.

    Where the script was edited the walk ends: steps behind that place are not asked about.
    """
    replay(workflow, params, life)
    calls = [cast(Met, met).call for met in life.met.values()]
    life.met.clear()
    fact = workflow.perform(life, recheck(calls, life.journal.state.lives[-1].by))
    if not fact.asked:
        life.tell("no finished step has a check that could be asked again")
        return
    checks = "1 check" if fact.asked == 1 else f"{fact.asked} checks"
    said = f"{len(fact.found)} did not say that it is so" if fact.found else "all is still so"
    life.tell(f"asked {checks} of finished steps again: {said}")


def hold_on_the_world(workflow: Workflow[..., Any], life: Life) -> None:
    """Hold while finished steps are not so any more, and nobody has accepted that. Raises Leaving
    when the run parks there, Rejected when a person said no."""
    if life.journal.state.rechecked is not None:
        workflow.perform(life, accepted())
