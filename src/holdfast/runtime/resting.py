"""How a run rests that left its process: of what kind that is, and when it can go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from holdfast.errors import Leaving
from holdfast.model.facts import HoldVoided, StopKind
from holdfast.model.state import HoldState, RunState
from holdfast.runtime.lanes import Lull

STOP_KINDS: Final[dict[str, StopKind]] = {
    "verb": "verb",
    "signal": "signal",
    "time": "time",
    "park": "park",
    "pause": "pause",
    "timer": "timer",
}
"""What may be recorded of a leaving; lost ownership and a lost store cannot be."""
BY_HAND: Final = 128 + signal.SIGINT
"""The exit code of Ctrl-C: whoever typed it goes on by hand, too."""
_BY_A_PERSON: Final = frozenset({"verb", "pause"})


def rest_of(
    leaving: Leaving, state: RunState, at: datetime, lull: Lull
) -> tuple[StopKind, datetime | None] | None:
    """Return what is recorded of a leaving: its kind, and when the run can go on without a
    person, if it can; None when nothing is to be recorded.

    `lull` is what the run waited for then. One that only waited rests as what it waited for,
    whatever ended its process; but Ctrl-C and a person's stop are theirs to lift.
    """
    kind = STOP_KINDS.get(leaving.kind)
    if kind is None:
        return None
    is_stopped = state.stop is not None or state.cancelled is not None
    is_theirs = kind in _BY_A_PERSON or leaving.exit_code == BY_HAND or is_stopped
    if lull.is_idle and not is_theirs:
        kind = "park" if lull.for_person else "timer" if lull.soonest else kind
    if kind == "park":
        moments = (lull.soonest, *_times_ahead(state, at))
        return kind, min((moment for moment in moments if moment is not None), default=None)
    if kind == "timer" and is_theirs:
        return "time", None
    return kind, lull.soonest if kind == "timer" else None


def _times_ahead(state: RunState, at: datetime) -> Iterator[datetime | None]:
    """Yield when a parked run could go on in part: a question expires, or another branch has
    waited, which may not have come to its wait when the run was parked."""
    yield from (hold.opened.expires_at for hold in state.open_holds)
    for step in list(state.steps.values()):
        if step.next_at is not None and step.next_at > at:
            yield step.next_at


def left_with(leaving: Leaving, state: RunState) -> int:
    """Return the exit code of a process that leaves a run so: of one that is parked, what its
    holds say."""
    return exit_code_of(state.open_holds) if leaving.kind == "park" else leaving.exit_code


def exit_code_of(holds: list[HoldState]) -> int:
    """Return the exit code of a run parked on these holds: the most pressing one's."""
    return max((_exit_code_of(hold) for hold in holds), default=3)


def _exit_code_of(hold: HoldState) -> int:
    if hold.opened.evidence.get("verdict") == "inconclusive":
        return 3  # A gate that could not tell has stopped nothing.
    return _HOLD_EXIT.get(hold.opened.kind, 3)


_HOLD_EXIT = {"in_doubt": 6, "gate": 4, "budget": 4}


def stale_holds(state: RunState, at: datetime) -> tuple[HoldVoided, ...]:
    """Return facts that void the drift holds nobody answered: the script is read anew."""
    return tuple(
        HoldVoided(at, hold.opened.id, "the script is read anew")
        for hold in state.open_holds
        if hold.opened.kind == "drift"
    )
