"""The last change that a run made, as a gate should see it.

It is the latest end of an attempt, however it ended, at a step that does not only read: of every
step of the run, undos too, but for what runs beside the gate. Beside it is what other units and
branches did since its own was entered: a gate of one unit judges that unit, and would else wait
for ever while others are at work. So it never judges by what was before its own unit's change.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from holdfast.model.keys import scope_of
from holdfast.model.standing import ScopeState, StepState
from holdfast.model.state import RunState
from holdfast.model.undoing import is_inside

_LANES = ("unit", "branch")


def last_change(state: RunState, key: str) -> datetime | None:
    """Return when the run last changed the world before the gate `key`; None when it did not."""
    lanes = tuple(_lanes_around(state, key))
    moments = (
        step.ended_at
        for step in (*state.steps.values(), *state.superseded)
        if _changes(step) and not any(_is_beside(step, lane) for lane in lanes)
    )
    return max((moment for moment in moments if moment is not None), default=None)


def _changes(step: StepState) -> bool:
    return step.attempts > 0 and not step.reads


def _lanes_around(state: RunState, key: str) -> Iterator[ScopeState]:
    while key := scope_of(key):
        scope = state.scopes.get(key)
        if scope is not None and scope.kind in _LANES:
            yield scope


def _is_beside(step: StepState, lane: ScopeState) -> bool:
    return not is_inside(step.key, lane.key) and step.ended_seq > lane.entered_seq
