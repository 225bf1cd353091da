"""What the facts of a rollout do to the state of its run, and how its units stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from holdfast.model import facts as f
from holdfast.model.holds import Holds
from holdfast.model.rollout import RolloutState, UnitStatus
from holdfast.model.standing import ScopeState, StepState


class Folded(Protocol):
    """What these facts look at and change of a run's state."""

    epoch: int
    holds: Holds
    steps: dict[str, StepState]
    scopes: dict[str, ScopeState]
    rollouts: dict[str, RolloutState]


def unit_status(state: Folded, rollout: RolloutState, key: str) -> UnitStatus:
    """Return how one unit stands. It has failed as long as nobody has what failed run again."""
    scope = state.scopes.get(key)
    if scope is not None and scope.closed:
        return "done"
    if scope is None or not scope.kind:
        return "not reached"
    inside = f"{key}/"
    if key in rollout.failed:
        steps = {s.status for s in state.steps.values() if s.key.startswith(inside)}
        if "failed" in steps or not steps & _MOVING:
            return "failed"
    holds = (hold.opened.key for hold in state.holds.open)
    if any(about == key or about.startswith(inside) for about in holds):
        return "waiting"
    return "waiting" if _is_left(state, inside) else "in flight"


def _is_left(state: Folded, inside: str) -> bool:
    """Whether a step of a unit was left in order, nothing else of it being at work: it rests until
    somebody else, or a later life, goes on."""
    moving = [s for s in state.steps.values() if s.key.startswith(inside) and s.status in _MOVING]
    return bool(moving) and all(s.status == "waiting" and s.next_at is None for s in moving)


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
