"""Make a call of the user's code, and say what came of it."""

from __future__ import annotations

from datetime import datetime

from holdfast.engine.effects import Call, Outcome, Raised, Returned
from holdfast.ports.clock import Clock

SLICE_S = 0.1
"""How long a wait sleeps before it looks whether the run is to leave."""


def monotonic_at(clock: Clock, moment: datetime | None) -> float | None:
    """Return a moment as monotonic time, so that a wait for a body is not misled when the wall
    clock jumps."""
    if moment is None:
        return None
    return clock.monotonic() + (moment - clock.now()).total_seconds()


def outcome_of(call: Call) -> Outcome:
    """Make `call` and return what came of it. `sys.exit()` in it is a failure like any other."""
    try:
        return Returned(call())
    except Exception as error:
        return Raised(error)
    except SystemExit as exit:
        return exited(exit)


def exited(exit: SystemExit) -> Raised:
    """Return what came of a call that called `sys.exit()`."""
    failure = RuntimeError(f"sys.exit({exit.code!r}) was called; raise an exception instead")
    return Raised(failure.with_traceback(exit.__traceback__))


def landing_of(call: Call) -> Outcome | BaseException:
    """Make `call` in a thread; what would end the thread is for the one that waits for it."""
    try:
        return outcome_of(call)
    except BaseException as ending:
        return ending
