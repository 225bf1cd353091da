"""Parts of the simulator's world: gates and rollouts, people who are away, and what states say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Final

from holdfast.errors import Leaving
from holdfast.flow.gates import gate
from holdfast.flow.rollouts import rollout
from holdfast.model.facts import HoldAnswered
from holdfast.model.state import RunState, ScopeState
from holdfast.ports.store import Store

ANSWERS: Final = {"confirm": "approve", "question": "value", "gate": "approve"}
"""What people say to the holds of each kind that they answer from another shell."""
STEADY: Final = ("plain", "once", "check", "flaky", "cursor", "gate")
"""Units that do not fail: what a person goes on without is no part of the result."""
UNITS_MAX: Final = 4


def steady(dice: Random) -> list[str]:
    """Return the kinds of the units of a random rollout."""
    return [dice.choice(STEADY) for _ in range(dice.randint(1, UNITS_MAX))]


def in_waves(labels: list[str], do: Callable[[str], Any]) -> list[Any]:
    """Do each of them as a unit, the first one alone."""
    found = rollout(labels, do, waves=[1, "rest"])
    return [found[label] for label in labels]


def watched(label: str, lives: Counter[str], *, calm: bool) -> bool:
    """Watch something that is well; in rough weather it is not in the life that comes first."""
    lives[label] += 1
    is_well = calm or lives[label] > 1
    return gate(label, lambda: is_well, samples=2, every="1h", timeout="20d").count > 0


class Away:
    """Nobody is there: a hold parks the run."""

    def attend(self, run: str, state: Any, holds: Any) -> HoldAnswered | None:
        raise Leaving("waits for a person", 3, "park")


def folded(store: Store, run: str) -> RunState:
    """Return the state that whoever reads the journal folds."""
    state = RunState()
    for stored in store.read(run):
        state.apply(stored.fact)
    return state


def shown(state: RunState) -> dict[str, Any]:
    """Return all that a state says, without scopes that were only looked up."""
    said = {name: value for name, value in vars(state).items() if name[0] != "_"}
    said["scopes"] = {k: s for k, s in state.scopes.items() if s != ScopeState(k)}
    return said
