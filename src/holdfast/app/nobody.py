"""Who answers where there is no person: nobody, so that a run which asks is parked."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.errors import Leaving
from holdfast.model.facts import HoldAnswered
from holdfast.model.state import HoldState, RunState


class Nobody:
    """A process without a person: what a run asks parks it, which never means yes."""

    def attend(self, run: str, state: RunState, holds: Sequence[HoldState]) -> HoldAnswered | None:
        asked = "; ".join(hold.opened.question for hold in holds)
        raise Leaving(f"waits for a person: {asked}", 3, "park")

    def close(self) -> None:
        """There is no keyboard to be left as it was found."""
