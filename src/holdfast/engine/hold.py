"""Stop and ask a person; go on when the answer is in the journal."""

from __future__ import annotations

from datetime import timedelta

from holdfast.engine.effects import ANSWER, Program, look, now, record_at_boundary
from holdfast.model.hold_facts import (
    HoldAnswered,
    HoldExpired,
    HoldKind,
    HoldOpened,
    HoldVoided,
    OnExpiry,
)
from holdfast.model.holds import HoldState
from holdfast.model.json import Json
from holdfast.model.making import dataclass, field
from holdfast.model.parties import Who
from holdfast.model.terms import ANYBODY, Electorate

NOBODY = Who("nobody", "")
"""Who said no when nobody answered in time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person is asked: see `HoldOpened`, which records it."""

    kind: HoldKind
    key: str
    question: str
    digest: str
    evidence: dict[str, Json] = field(default_factory=dict)
    electorate: Electorate = ANYBODY
    covers: tuple[str, ...] = ()
    expires_s: float | None = None
    on_expiry: OnExpiry = "ask"


def ask(asked: Asked) -> Program[HoldAnswered]:
    """Return the answer that decides `asked`, opening the hold when nobody did yet.

    An answer given to another digest does not count: what was shown then is not what would
    happen now, so that hold is voided and a new one opened. So it is when other people may
    decide than when it was opened. A hold that nobody answered in time is asked again, or is a
    no of nobody's; it is never a yes. A crash anywhere leaves the hold open, to be found again
    under the same id. Nothing is in flight while it waits.
    """
    while True:
        state = yield from look()
        hold = state.holds.latest(asked.key, asked.kind)
        if hold is None or hold.is_used:
            yield from _open(asked, state.holds.new_id())
            # However soon it expires, a person is looked for first: where nobody is, the run
            # leaves, and does not ask again and again.
            yield ANSWER
        elif hold.opened.digest != asked.digest:
            yield from _void(hold, "what it asked about changed")
        elif hold.opened.electorate != asked.electorate:
            yield from _void(hold, "others may decide it now")
        elif hold.answer is not None:
            return hold.answer
        elif hold.status == "expired":
            return _nobodys_no(hold)
        elif not (yield from _has_expired(hold)):
            yield ANSWER


def _open(asked: Asked, id: str) -> Program[None]:
    at = yield from now()
    limit = asked.expires_s
    opened = HoldOpened(
        at,
        id,
        asked.kind,
        asked.key,
        asked.question,
        asked.digest,
        asked.evidence,
        asked.electorate,
        asked.covers,
        None if limit is None else at + timedelta(seconds=limit),
        asked.on_expiry,
    )
    yield from record_at_boundary(opened)


def _void(hold: HoldState, why: str) -> Program[None]:
    at = yield from now()
    yield from record_at_boundary(HoldVoided(at, hold.opened.id, why))


def _has_expired(hold: HoldState) -> Program[bool]:
    """Record that an open hold has expired, when its time has come."""
    until = hold.opened.expires_at
    if until is None:
        return False
    at = yield from now()
    if at <= until:
        return False
    yield from record_at_boundary(HoldExpired(at, hold.opened.id))
    return True


def _nobodys_no(hold: HoldState) -> HoldAnswered:
    opened = hold.opened
    assert opened.expires_at is not None
    comment = f"nobody answered until {opened.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    return HoldAnswered(opened.expires_at, opened.id, NOBODY, "reject", None, comment)
