"""What the facts of a rollout do to the state of its run, and how its units stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from holdfast.model import facts as f
from holdfast.model.holds import Holds
from holdfast.model.keys import scopes_around
from holdfast.model.rollout import RolloutState, UnitStatus
from holdfast.model.standing import ScopeState, StepState


class Folded(Protocol):
    """What these facts look at and change of a run's state."""

    epoch: int
    holds: Holds
    steps: dict[str, StepState]
    scopes: dict[str, ScopeState]
    rollouts: dict[str, RolloutState]


def unit_statuses(
    state: Folded, rollout: RolloutState, units: Iterable[str]
) -> dict[str, UnitStatus]:
    """Return how each of these units stands, by key; the steps of the run are read once for all.

    One has failed as long as nobody has what failed run again. Others may fold in facts meanwhile.
    """
    found: dict[str, UnitStatus] = {}
    begun: dict[str, list[StepState]] = {}
    for key in units:
        scope = state.scopes.get(key)
        if scope is not None and scope.closed:
            found[key] = "done"
        else:
            found[key] = "not reached"
            if scope is not None and scope.kind:
                begun[key] = []
    for step in list(state.steps.values()):
        if step.status == "failed" or step.status in _MOVING:
            for around in scopes_around(step.key):
                if around in begun:
                    begun[around].append(step)
    asked = {
        around
        for hold in state.holds.open
        for around in (hold.opened.key, *scopes_around(hold.opened.key))
    }
    for key, steps in begun.items():
        found[key] = _of_begun(key in rollout.failed, key in asked, steps)
    return found


def _of_begun(has_failed: bool, is_asked: bool, steps: list[StepState]) -> UnitStatus:
    """Return how a unit stands that has not ended well, by those of its steps that have not.

    It waits when it was left in order, nothing of it being at work: it rests until somebody else,
    or a later life, goes on.
    """
    moving = [step for step in steps if step.status in _MOVING]
    if has_failed and (len(moving) < len(steps) or not moving):
        return "failed"
    is_left = moving and all(s.status == "waiting" and s.next_at is None for s in moving)
    return "waiting" if is_asked or is_left else "in flight"


_MOVING: Final = frozenset({"running", "waiting", "in_doubt"})


def _planned(state: Folded, fact: f.RolloutPlanned) -> None:
    known = state.rollouts.get(fact.key)
    made = state.rollouts[fact.key] = RolloutState(fact)
    if known is not None:
        made.failed = {unit: why for unit, why in known.failed.items() if unit in fact.units}
        made.granted = known.granted & set(fact.units)


def _failed(state: Folded, fact: f.UnitFailed) -> None:
    rollout = state.rollouts.get(fact.rollout)
    if rollout is not None:
        rollout.failed[fact.key] = fact.message


def _granted(state: Folded, fact: f.FailuresGranted) -> None:
    rollout = state.rollouts.get(fact.key)
    if rollout is not None:
        rollout.granted |= set(fact.units)
    state.holds.spend(fact.key, state.epoch)


FOLD: Final[dict[type[f.Fact], Callable[[Any, Any], None]]] = {
    f.RolloutPlanned: _planned,
    f.UnitFailed: _failed,
    f.FailuresGranted: _granted,
}
