"""Make a call of the user's code, and say what came of it."""

from __future__ import annotations

from holdfast.engine.effects import Call, Outcome, Raised, Returned
from holdfast.errors import Leaving

SLICE_S = 0.1
"""How long a wait sleeps before it looks whether the run is to leave."""


def outcome_of(call: Call) -> Outcome:
    """Make `call` and return what came of it."""
    try:
        return Returned(call())
    except Exception as error:
        return Raised(error)


def landing_of(call: Call) -> Outcome | Leaving:
    """Make `call` in a thread; Leaving is an outcome there, for the thread that waits for it."""
    try:
        return outcome_of(call)
    except Leaving as leaving:
        return leaving
