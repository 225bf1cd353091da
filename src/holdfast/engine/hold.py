"""Stop and ask a person; go on when the answer is in the journal."""

from __future__ import annotations

from holdfast.engine.effects import ANSWER, Program, look, now, record_at_boundary
from holdfast.model.facts import HoldAnswered, HoldKind, HoldOpened, HoldVoided
from holdfast.model.json import Json
from holdfast.model.state import HoldState, RunState


def ask(
    kind: HoldKind,
    key: str,
    question: str,
    digest: str,
    evidence: dict[str, Json],
) -> Program[HoldAnswered]:
    """Return the first valid answer to `question`, opening the hold when nobody did yet.

    An answer given to another digest does not count: what was shown then is not what would
    happen now, so that hold is voided and a new one opened. A crash anywhere leaves the hold
    open, to be found again under the same id. Nothing is in flight while it waits.
    """
    while True:
        state = yield from look()
        hold = _usable(state, key, kind)
        if hold is not None and hold.opened.digest != digest:
            why = "what it asked about changed"
            at = yield from now()
            yield from record_at_boundary(HoldVoided(at, hold.opened.id, why))
        elif hold is None:
            at = yield from now()
            name = state.new_hold_id()
            opened = HoldOpened(at, name, kind, key, question, digest, evidence)
            yield from record_at_boundary(opened)
        elif hold.answer is not None:
            return hold.answer
        else:
            yield ANSWER


def _usable(state: RunState, key: str, kind: HoldKind) -> HoldState | None:
    """Return the hold to go by: open, or answered and not acted upon yet."""
    hold = state.hold_for(key, kind)
    return None if hold is None or hold.is_used else hold
