"""Going back to an earlier step, and other parameters: a part of the fold.

Nothing is forgotten by it. What was reached since a step began is set aside, and stands in the
journal for whoever asks for all of it; the script meets the place as if it came there first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, Final, Protocol

from holdfast.model import facts as f
from holdfast.model.asking import AUTO_REST
from holdfast.model.holds import Holds
from holdfast.model.json import Json
from holdfast.model.keys import scopes_around
from holdfast.model.standing import ScopeState, StepState
from holdfast.model.status import StepStatus
from holdfast.model.undoing import Ledger, take_up_failures


class Folded(Protocol):
    """What these facts look at and change of a run's state."""

    seq: int
    epoch: int
    auto_rest: bool
    params: dict[str, Json]
    params_digest: str
    steps: dict[str, StepState]
    superseded: list[StepState]
    scopes: dict[str, ScopeState]
    holds: Holds
    ledger: Ledger
    failed: f.RunFailed | None
    stopped: f.RunStopped | None
    rewound: f.Rewound | None
    rechecked: f.Rechecked | None
    ended_at: datetime | None

    def set_aside(self, key: str, status: StepStatus = "superseded") -> None: ...

    def set_all_aside(self, keys: Collection[str]) -> None: ...

    def note_member(self, key: str) -> None: ...


def began_at(state: Folded, key: str) -> int:
    """Return the number of the fact with which a step or scope began; 0 when it is unknown."""
    found = [state.scopes[key].entered_seq] if key in state.scopes else []
    if key in state.steps:
        found.append(state.steps[key].reached_seq)
    inside = f"{key}/"
    return min(
        [seq for seq in found if seq]
        or [step.reached_seq for step in state.steps.values() if step.key.startswith(inside)],
        default=0,
    )


def steps_in(state: Folded, keys: Collection[str]) -> tuple[StepState, ...]:
    """Return the steps that are these, or in these scopes."""
    wanted = frozenset(keys)
    return tuple(
        step
        for step in state.steps.values()
        if step.key in wanted or any(scope in wanted for scope in scopes_around(step.key))
    )


def keys_since(state: Folded, since: int) -> tuple[str, ...]:
    """Return what is set aside by going back there: the scopes that were entered since, each for
    all that is in it, and the other steps that were reached since; also the steps whose debts
    were settled since: what runs again counts on what they had borrowed."""
    entered = {key for key, scope in state.scopes.items() if scope.entered_seq >= since}
    outermost = [key for key in entered if not any(o in entered for o in scopes_around(key))]
    steps = {step.key: None for step in state.steps.values() if step.reached_seq >= since}
    for debt in state.ledger.debts.values():
        if debt.status == "settled" and debt.settled_by in steps and debt.key in state.steps:
            steps[debt.key] = None
    alone = [key for key in steps if not any(scope in entered for scope in scopes_around(key))]
    began = {key: began_at(state, key) for key in (*outermost, *alone)}
    return tuple(sorted(began, key=lambda key: began[key]))


def point_since(state: Folded, since: int) -> f.PointPassed | None:
    """Return the point of no return that was passed at or after the fact of that number."""
    for point in state.ledger.points:
        step = state.steps.get(point.key)
        if step is not None and step.reached_seq >= since:
            return point
    return None


# --- the fold ---------------------------------------------------------------------------------


def _rewound(state: Folded, fact: f.Rewound) -> None:
    state.epoch = fact.epoch
    state.rewound, state.stopped, state.ended_at = fact, None, fact.at
    take_up_failures(state, is_going_back=False)
    for key in fact.keys:
        reopen(state, key)
    state.set_all_aside(fact.keys)
    for hold in state.holds.void_since(fact.since):
        if hold.answer is not None and hold.answer.value == AUTO_REST:
            state.auto_rest = False


def _parameter_set(state: Folded, fact: f.ParameterSet) -> None:
    state.params = {**state.params, **fact.params}
    state.params_digest = fact.digest
    state.auto_rest = False
    state.holds.void_unheeded()


def reopen(state: Folded, key: str) -> None:
    """Something in them is to run again: the scopes around it have not ended."""
    for scope in map(state.scopes.get, scopes_around(key)):
        if scope is not None:
            scope.closed, scope.result = False, None


def _rechecked(state: Folded, fact: f.Rechecked) -> None:
    state.rechecked = fact
    for step in state.steps.values():
        step.world = ""
    note_world(state, fact.found)


def note_world(state: Folded, found: Iterable[tuple[str, str]], says: str | None = None) -> None:
    """Note what the checks of finished steps said, or instead of all of it the one word."""
    for key, said in found:
        if key in state.steps:
            state.steps[key].world = said if says is None else says


FOLD: Final[dict[type[f.Fact], Callable[[Any, Any], None]]] = {
    f.Rewound: _rewound,
    f.ParameterSet: _parameter_set,
    f.Rechecked: _rechecked,
}
