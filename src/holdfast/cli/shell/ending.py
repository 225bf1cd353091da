"""`holdfast end`: how the script ended becomes how the run stands."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from holdfast.cli.shell.joining import (
    ACCEPT,
    EXIT_LOCKED,
    Somebody,
    Voice,
    left_by,
    named_run,
    refuse_other_life,
    tell_ending,
)
from holdfast.engine.step import location_of
from holdfast.errors import HoldfastError, Leaving, StepFailed
from holdfast.flow.shell_calls import ShellCall
from holdfast.flow.shell_life import end_shell
from holdfast.model.facts import RunFailed
from holdfast.runtime.blocking import Performer
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.context import LIVES
from holdfast.runtime.journal import Journal
from holdfast.runtime.life import Life
from holdfast.runtime.resting import exit_code_of
from holdfast.runtime.shell_owner import ShellWatch
from holdfast.runtime.signals import Signals
from holdfast.wiring import open_store


def end(status: int, *, accepts_drift: bool) -> int:
    """End the life of the shell's run with the script's exit status; return what the script is to
    exit with: that, or why the run is not over. A life that has ended already is left as it is.
    """
    run, epoch = named_run()
    if epoch == 0:
        return status
    store = open_store()
    person = Somebody(store, accepts_drift or bool(os.environ.get(ACCEPT)))
    try:
        life = Life(Journal(store, run, epoch), SystemClock(), person, Performer)
        life.listeners.append(Voice())
        life.journal.refresh()
        refuse_other_life(life, epoch)
        try:
            return _ended(ShellCall(life), status)
        finally:
            life.close()
    finally:
        person.close()
        store.close()


def _ended(call: ShellCall, status: int) -> int:
    life, state = call.life, call.state
    if state.stopped is not None:
        is_parked = state.stopped.kind == "park"
        return exit_code_of(state.open_holds) if is_parked else state.stopped.exit_code
    if state.is_finished or state.failed is not None:
        return status
    ShellWatch(state.lives[-1].owner, lambda: _killed(life), EXIT_LOCKED).start()
    LIVES.add(life)
    try:
        with Signals(life, life.tell):
            code = end_shell(call, status, time.sleep)
    except Leaving as leaving:
        return left_by(call, leaving)
    except HoldfastError as error:
        return _failed(life, error)
    if life.leaving is not None:
        return left_by(call, life.leaving)
    reason = "" if code == 0 else f"the script ended with exit status {code}"
    tell_ending(life, life.journal.state.status, code, reason)
    return code


def _killed(life: Life) -> bool:
    life.groups.kill_all(0.0)
    return True


def _failed(life: Life, error: HoldfastError) -> int:
    """Record that the run failed at its very end, and say so."""
    failures = (error.key,) if isinstance(error, StepFailed) else ()
    at = life.clock.now()
    fact = RunFailed(at, type(error).__name__, str(error), failures, (), location_of(error))
    with suppress(Leaving):
        life.end_failed(fact)
    tell_ending(life, "failed", error.exit_code, str(error))
    return error.exit_code
