"""What the facts of a gate do to the state of its run: the part of the fold that is its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from holdfast.model import facts as f
from holdfast.model.sampling import GateState
from holdfast.model.standing import StepState
from holdfast.model.stepping import FOLD as _STEP_FOLD
from holdfast.model.stepping import Stepped


def _opened(state: Stepped, fact: f.GateOpened) -> None:
    step = state.steps.get(fact.key)
    if step is None:
        step = state.steps[fact.key] = StepState(
            fact.key, reached_seq=state.seq, started_seq=state.seq, started_at=fact.at
        )
    step.status, step.next_at, step.epoch, step.reads = "waiting", None, state.epoch, True
    step.label, step.inputs, step.shown = fact.label, fact.inputs, fact.shown
    step.code, step.location = fact.code, fact.location
    step.gate = GateState(fact, state.seq)


def _sampled(state: Stepped, fact: f.SampleTaken) -> None:
    step = state.steps.get(fact.key)
    if step is not None and step.gate is not None:
        step.gate.add(fact)


def _overridden(state: Stepped, fact: f.GateOverridden) -> None:
    step = state.steps.get(fact.key)
    if step is not None:
        step.decided_by = f"overridden by {fact.by.name}"
        if step.gate is not None:
            step.gate.overridden = fact


def _rearmed(state: Stepped, fact: f.StepRearmed) -> None:
    """A gate that is to be asked again takes its samples anew."""
    _STEP_FOLD[f.StepRearmed](state, fact)
    step = state.steps.get(fact.key)
    if step is not None:
        step.gate = None


FOLD: Final[dict[type[f.Fact], Callable[[Any, Any], None]]] = {
    f.GateOpened: _opened,
    f.SampleTaken: _sampled,
    f.GateOverridden: _overridden,
    f.StepRearmed: _rearmed,
}
