"""How far the present life of a shell script has come: a part of the fold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from holdfast.model import facts as f
from holdfast.model.making import dataclass, field
from holdfast.model.parties import Owner


@dataclass(slots=True)
class Walk:
    """What a life has `reached`, by key, with the process that did, and the `stages` it is in,
    the innermost last. `left` are the processes of the life before: one may live on for a moment
    when its shell was killed."""

    reached: dict[str, Owner | None] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)
    left: list[Owner] = field(default_factory=list)

    @property
    def stage(self) -> str:
        """The key of the stage that the script is in, empty outside any."""
        return self.stages[-1] if self.stages else ""

    def begin_anew(self) -> None:
        """Another life begins."""
        self.left = [by for by in self.reached.values() if by is not None]
        self.reached, self.stages = {}, []


class Walked(Protocol):
    """What these facts change of a run's state."""

    walk: Walk


def _place_reached(state: Walked, fact: f.PlaceReached) -> None:
    walk = state.walk
    if fact.place == "end":
        while walk.stages and walk.stages.pop() != fact.key:
            pass
        return
    walk.reached[fact.key] = fact.by
    if fact.place == "stage":
        walk.stages.append(fact.key)


FOLD: Final[dict[type[f.Fact], Callable[[Any, Any], None]]] = {f.PlaceReached: _place_reached}
