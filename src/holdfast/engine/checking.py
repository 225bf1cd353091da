"""Ask a step's check whether it is already so; what has no answer in time says nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from holdfast.engine.effects import Landed, Outcome, Program, Raised, Returned, Submit, Wait, now
from holdfast.engine.spec import Call, Check, FoundDone
from holdfast.model.called import UnusableAnswer
from holdfast.model.codec import Unrecordable, encode
from holdfast.model.json import Json
from holdfast.model.types import Types

CHECK_S_MAX = 30.0
"""A check that has not answered by then says nothing: UNKNOWN."""


def ask_check(call: Call) -> Program[tuple[Check, Json]]:
    """Return what the step's check says, and the result it knows, as it is recorded. Raises
    UnusableAnswer for a check of which nothing runs, or whose result must not be recorded."""
    if call.check is None:
        return Check.UNKNOWN, None
    at = yield from now()
    ticket = f"{call.key}\0{at.isoformat()}?"
    yield Submit(ticket, partial(call.check, call), "thread")
    outcome = yield from landing(ticket, at + timedelta(seconds=CHECK_S_MAX))
    if isinstance(outcome, Raised) and isinstance(outcome.error, UnusableAnswer):
        raise outcome.error
    if not isinstance(outcome, Returned):
        return Check.UNKNOWN, None
    match outcome.value:
        case FoundDone(result):
            return _done_with(result, call.types)
        case Check() as said:
            return said, None
        case True:
            return Check.DONE, None
        case False:
            return Check.ABSENT, None
        case _:
            return Check.UNKNOWN, None


def _done_with(result: object, types: Types) -> tuple[Check, Json]:
    try:
        return Check.DONE, encode(result, types)
    except Unrecordable:
        return Check.UNKNOWN, None


def landing(ticket: str, until: datetime) -> Program[Outcome | None]:
    """Return what came of one ticket by then, or None; others that land meanwhile are old."""
    while True:
        landed: Landed = yield Wait(until)
        if not landed:
            return None
        if ticket in landed:
            return landed[ticket]
