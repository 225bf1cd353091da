"""`holdfast end`: how the script ended becomes how the run stands."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import cast

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
from holdfast.cli.shell.telling import tell_elsewhere
from holdfast.engine.step import location_of
from holdfast.errors import HoldfastError, Leaving, StepFailed, StoreError
from holdfast.flow.shell_calls import ShellCall
from holdfast.flow.shell_life import end_shell, undo_what_failed
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
    try:
        journal = Journal(store, run, epoch)
        journal.refresh()
        life = attended(journal, accepts_drift=accepts_drift)
        refuse_other_life(life, epoch)
        try:
            return _ended(ShellCall(life), status)
        finally:
            life.close()
    finally:
        store.close()


def undo_first(journal: Journal) -> int:
    """Undo the stage that an earlier life began to undo, before its script goes on; return 0, or
    the exit code of what keeps it from that."""
    call = ShellCall(attended(journal, accepts_drift=False))

    def undo() -> int:
        undo_what_failed(call, "")
        return 0

    return _guarded(call, undo)


def attended(journal: Journal, *, accepts_drift: bool) -> Life:
    """Return a life of the shell's run, which somebody may be asked about."""
    accepts = accepts_drift or bool(os.environ.get(ACCEPT))
    life = Life(journal, SystemClock(), Somebody(journal.store, accepts), Performer)
    life.listeners.append(Voice())
    tell_elsewhere(journal)
    return life


def _ended(call: ShellCall, status: int) -> int:
    life, state = call.life, call.state
    stopped = state.stopped
    if stopped is not None:
        if stopped.kind == "signal":  # The call that it came to ended by it, without a word.
            tell_ending(life, state.status, stopped.exit_code, stopped.reason)
        is_parked = stopped.kind == "park"
        return exit_code_of(state.open_holds) if is_parked else stopped.exit_code
    if state.is_finished or state.failed is not None:
        return status

    def finish() -> int:
        code = end_shell(call, status, time.sleep)
        reason = "" if code == 0 else f"the script ended with exit status {code}"
        tell_ending(life, life.journal.state.status, code, reason)
        return code

    return _guarded(call, finish, is_told=status == StoreError.exit_code)


def _guarded(call: ShellCall, do: Callable[[], int], *, is_told: bool = False) -> int:
    """Return what `do` returns, or the exit code of what went wrong, which is recorded and said.
    Of the store that is said once: with `is_told` a call of the script has."""
    life = call.life
    ShellWatch(life, lambda: _killed(life), EXIT_LOCKED).start()
    LIVES.add(life)
    try:
        with Signals(life, life.tell):
            code = do()
        if life.leaving is None:
            return code
        leaving = life.leaving
    except Leaving as left:
        leaving = left
    except HoldfastError as error:
        return _failed(life, error)
    finally:
        cast(Somebody, life.person).close()
        LIVES.discard(life)
    if is_told and leaving.kind == "storage":
        return leaving.exit_code
    return left_by(call, leaving)


def _killed(life: Life) -> bool:
    life.groups.kill_all(0.0)
    return True


def _failed(life: Life, error: HoldfastError) -> int:
    """Record that the run failed at its very end, and say so."""
    failures = (error.key,) if isinstance(error, StepFailed) else ()
    at = life.clock.now()
    fact = RunFailed(at, type(error).__name__, str(error), failures, (), location_of(error))
    with suppress(Leaving):
        life.end(fact)
    tell_ending(life, "failed", error.exit_code, str(error))
    return error.exit_code
