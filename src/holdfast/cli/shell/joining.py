"""Join the life that the shell owns, for one call, and say in order why it is left."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from holdfast.cli.saying import given
from holdfast.cli.saying import say as say
from holdfast.cli.shell.telling import tell_elsewhere
from holdfast.errors import HoldfastError, Leaving, LostOwnership, UsageError
from holdfast.flow.shell_calls import STEP, ShellCall
from holdfast.model.facts import HoldAnswered
from holdfast.model.making import dataclass, replace
from holdfast.model.state import HoldState, RunState
from holdfast.ports.store import Store
from holdfast.runtime.blocking import Performer
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.journal import Journal
from holdfast.runtime.life import Life
from holdfast.runtime.listening import Quiet
from holdfast.runtime.ownership import this_person
from holdfast.runtime.resting import exit_code_of, left_with
from holdfast.runtime.shell_owner import ShellWatch
from holdfast.runtime.signals import Signals
from holdfast.wiring import open_store

if TYPE_CHECKING:
    from holdfast.cli.prompt import Attendant

RUN, LIFE, ACCEPT = "HOLDFAST_RUN", "HOLDFAST_LIFE", "HOLDFAST_ACCEPT_DRIFT"
SECRETS = "HOLDFAST_SECRETS"
"""The variable with the names of those that hold a secret of the target."""
INPUT, NOBODY, WAITS = "HOLDFAST_INPUT", "none", "wait"
"""The variable that says who answers: nobody, or somebody elsewhere who is waited for."""
UNTIL = "HOLDFAST_UNTIL"
"""The variable that says at which moment of the monotonic clock the script is to leave."""
EXIT_LOCKED = 5
SIGNALLED = 128


class Signalled(Exception):
    """What a signal was to end is recorded: now it may end this process, as the shell expects."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def end(self) -> int:
        """End this process by the signal; return what a shell makes of that where it does not."""
        signal.signal(self.number, signal.SIG_DFL)
        os.kill(os.getpid(), self.number)
        return SIGNALLED + self.number


class Voice(Quiet):
    """Tells a person at the script what is no fact of the run; of its facts the script tells."""

    def note(self, text: str) -> None:
        say(text)


@dataclass(slots=True)
class Somebody:
    """Who answers: `--accept-drift` for the script's author, else a person at the terminal, else
    nobody, which never means yes."""

    store: Store
    accepts_drift: bool
    _attendant: Attendant | None = None

    def attend(self, run: str, state: RunState, holds: Sequence[HoldState]) -> HoldAnswered | None:
        """Answer, or wait for an answer. Raises Leaving to park the run."""
        clock, by = SystemClock(), this_person(os.environ.get("HOLDFAST_USER", ""))
        for hold in holds:
            if self.accepts_drift and hold.opened.kind == "drift":
                opened = hold.opened
                return HoldAnswered(
                    clock.now(), opened.id, by, "approve", digest=opened.digest,
                    comment="--accept-drift",
                )  # fmt: skip
        from holdfast.cli.live import progress_on
        from holdfast.cli.offered import to_type
        from holdfast.cli.prompt import Ask, is_interactive, person_for

        if self._attendant is None:
            typed = partial(to_type, common=given())
            progress = progress_on(sys.stderr, plain=True, to_type=typed)
            ask = Ask(self.store, clock, by, progress, typed)
            how = os.environ.get(INPUT)
            prompts = is_interactive() and not how
            self._attendant = person_for(ask, prompts=prompts, wait=how == WAITS)
        return self._attendant.attend(run, state, holds)

    def close(self) -> None:
        """Leave the keyboard as it was found."""
        if self._attendant is not None:
            self._attendant.close()


def named_run() -> tuple[str, int]:
    """Return the run and the life that the shell is in. Raises UsageError outside any."""
    run, life, step = (os.environ.get(name, "") for name in (RUN, LIFE, STEP))
    if step:
        raise UsageError(
            f"this was called inside step {step!r}, where it is not recorded: call it in the script"
        )
    if not run or not life.isdecimal():
        raise UsageError(
            'no run: begin one first in this script, with: eval "$(holdfast begin NAME)". Where it '
            "does, `begin` was killed before it could say anything: run the script again"
        )
    return run, int(life)


def joined(
    do: Callable[[ShellCall], int], over: Callable[[ShellCall], int], *, accepts_drift: bool
) -> int:
    """Do one call in the life that the shell owns and return its exit code; `over` is done where
    the run was over when the shell began.

    Raises what the call raises, when nothing of the run is left by that: UsageError, StoreError.
    """
    run, epoch = named_run()
    # Not closed: see `perform_and_exit`; else it is at the interpreter's end.
    store = open_store()
    journal = Journal(store, run, epoch)
    state = journal.refresh()
    if state.created is None or not state.created.shell:
        raise UsageError(f"no run {run!r} of a shell script in {store.url}")
    person = Somebody(store, accepts_drift or bool(os.environ.get(ACCEPT)))
    clock = SystemClock()
    life = Life(journal, clock, person, Performer, budget_s=_left_s(clock.monotonic()))
    life.listeners.append(Voice())
    for name in os.environ.get(SECRETS, "").split():
        life.redact(name, os.environ.get(name, ""))
    tell_elsewhere(journal)
    call = ShellCall(life)
    if epoch == 0:
        return over(call)
    try:
        return lived(call, do, epoch)
    finally:
        person.close()


def _left_s(now: float) -> float | None:
    """Return how long the script may still take; None without a limit."""
    try:
        return max(0.0, float(os.environ[UNTIL]) - now)
    except (KeyError, ValueError):
        return None


def lived(call: ShellCall, do: Callable[[ShellCall], int], epoch: int) -> int:
    """Do one call in the life `epoch` of the shell's run and return its exit code, or that of what
    has ended the life. Raises LostOwnership where the life is another's, or its shell is gone."""
    life = call.life
    refuse_other_life(life, epoch)
    if (ended := _ended(life)) is not None:
        return ended
    watch = ShellWatch(life, call.kill, EXIT_LOCKED)
    if not watch.start():
        raise LostOwnership(f"the shell that owned run {life.run} is gone; nothing was run")
    try:
        with Signals(life, life.tell):
            code = do(call)
        if life.leaving is None:
            return code
        leaving = life.leaving
    except Leaving as left:
        leaving = left
    return left_by(call, leaving)


def refuse_other_life(life: Life, epoch: int) -> None:
    """Raise LostOwnership when the run is in another life than `epoch`."""
    state = life.journal.state
    if state.epoch != epoch:
        raise LostOwnership(
            f"run {life.run} was taken over by another process (life {state.epoch}, ours was "
            f"{epoch}); nothing was run"
        )


def _ended(life: Life) -> int | None:
    """Return the exit code of a life that has left already: nothing more starts in it."""
    state = life.journal.state
    if state.stopped is not None:
        say(f"{life.run} has left this script: {state.stopped.reason}; nothing more is started")
        if state.stopped.kind == "park":
            return exit_code_of(state.open_holds)
        return state.stopped.exit_code
    if state.is_finished or state.failed is not None:
        raise UsageError(
            f"run {life.run} has ended ({state.status}): begin it again before its next step"
        )
    return None


def left_by(call: ShellCall, leaving: Leaving) -> int:
    """Record why the run leaves the script, say so, and return the exit code."""
    life = call.life
    life.end_left(leaving)
    code = left_with(leaving, life.journal.state)
    if leaving.kind == "signal":
        raise Signalled(code - SIGNALLED)
    status = life.journal.state.status if leaving.kind != "storage" else "interrupted"
    tell_ending(life, status, code, leaving.reason)
    return code


def tell_ending(life: Life, status: str, code: int, reason: str) -> None:
    """Print how the run stands, and what to type next."""
    from holdfast.app.views import view_of, with_stored
    from holdfast.cli.ending import ending
    from holdfast.flow.outcome import Outcome

    view = None
    with suppress(HoldfastError):
        row = life.store.row(life.run)
        # Its shell lives, but does nothing more of it: what there is to type is as if it did not.
        if row is not None:
            view = with_stored(view_of(replace(row, owner=None), life.journal.state), life.store)
    outcome = Outcome(status, None, life.run, code, reason)
    with suppress(OSError, ValueError):
        lines = ending(outcome, view, given(), state=life.journal.state)
        print(*lines, sep="\n", file=sys.stderr, flush=True)
