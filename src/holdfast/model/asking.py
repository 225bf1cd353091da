"""Questions and their answers: a part of the fold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from holdfast.model import facts as f
from holdfast.model.holds import Holds

AUTO_REST = "auto for the rest of this run"
"""The value of an approval that also covers every later step of the run."""


class Folded(Protocol):
    """What these facts look at and change of a run's state."""

    seq: int
    auto_rest: bool
    holds: Holds

    @property
    def starters(self) -> list[f.Who]: ...


def _opened(state: Folded, fact: f.HoldOpened) -> None:
    state.holds.opened(fact, state.seq)


def _answered(state: Folded, fact: f.HoldAnswered) -> None:
    decided = state.holds.answered(fact, state.starters)
    if decided is not None and fact.value == AUTO_REST:
        state.auto_rest = True


def _voided(state: Folded, fact: f.HoldVoided) -> None:
    state.holds.voided(fact)


def _expired(state: Folded, fact: f.HoldExpired) -> None:
    state.holds.expired(fact)


FOLD: Final[dict[type[f.Fact], Callable[[Any, Any], None]]] = {
    f.HoldOpened: _opened,
    f.HoldAnswered: _answered,
    f.HoldVoided: _voided,
    f.HoldExpired: _expired,
}
