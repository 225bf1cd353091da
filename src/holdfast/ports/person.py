"""Where a run that holds finds a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdfast.model.facts import HoldAnswered
from holdfast.model.state import HoldState, RunState


class Person(Protocol):
    """What a process does while its run holds."""

    def attend(self, run: str, state: RunState, holds: Sequence[HoldState]) -> HoldAnswered | None:
        """Return an answer given here, or None to look at the journal again.

        Called again and again while the run holds; it may wait for up to a second each time.
        Raises Leaving when nobody is there: the run is parked.
        """
