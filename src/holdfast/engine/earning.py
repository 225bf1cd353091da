"""What a step's earlier runs say for it: whether it counts, whether it can earn, whether it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from holdfast.engine.effects import Program, Raised, invoke, now
from holdfast.engine.spec import Call
from holdfast.model.mode import Ruling
from holdfast.model.state import RunState
from holdfast.model.trials import Trial
from holdfast.model.trust import earned, history, streak, trials_needed

_NO_CODE = Ruling(True, "earned: never, its code cannot be hashed")
_NO_WAY_BACK = Ruling(True, "earned: never after a point of no return")


def name_of(call: Call, state: RunState) -> str:
    """Return the name under which an outcome of the step counts for trust, or an empty text.

    It counts on a target, and wherever the mode is `earned`. What only reads never asks, so
    nothing has to be known of it.
    """
    counts = state.target is not None or state.terms.mode == "earned"
    return call.name if counts and not call.rules.reads else ""


def can_earn(call: Call, state: RunState) -> bool:
    """Whether a clean outcome counts; a bad one counts in any case.

    Not of a step that asks in every mode, nor after a point of no return, nor without a hash of
    the code: a program of a shell script has none.
    """
    return bool(call.code) and not call.rules.confirm and not state.ledger.points


def judged(call: Call, state: RunState) -> Program[tuple[Ruling, str]]:
    """Return whether the step has earned its way as of now, and what is known of it, for whoever
    is asked. What happened on another target a moment ago is seen."""
    if not call.code:
        return _NO_CODE, ""
    if state.ledger.points:
        return _NO_WAY_BACK, ""
    # Like a check's ticket: a plan asks for it in earnest, too.
    limit = trials_needed(state.terms)
    outcome = yield from invoke(f"{call.key}\0trials?", lambda: call.trials(limit))
    if isinstance(outcome, Raised):
        raise outcome.error
    found = streak(cast("Sequence[Trial]", outcome.value), call.code)
    at = yield from now()
    return earned(found, state.terms, at), history(found)
