"""One life of a workflow, from its first line to its orderly end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from holdfast.engine.spec import Ahead, nothing_ahead
from holdfast.engine.step import location_of
from holdfast.errors import (
    DuplicateLabel,
    HoldfastError,
    Leaving,
    ParallelFailed,
    RunLocked,
    StepFailed,
    UsageError,
    message_of,
    named_error,
)
from holdfast.flow.errands import Errand, go_back, undo_what_failed, walked
from holdfast.flow.outcome import Outcome as Outcome
from holdfast.flow.rechecking import hold_on_the_world, look_again
from holdfast.flow.recorded import UNREADABLE
from holdfast.flow.workflows import Workflow
from holdfast.model.facts import Fact, RunFailed
from holdfast.model.inventory import NO_INVENTORY, Inventory
from holdfast.model.making import replace
from holdfast.model.state import RunState
from holdfast.ports.clock import Clock
from holdfast.ports.person import Person
from holdfast.runtime.blocking import Performer
from holdfast.runtime.capture import Capture
from holdfast.runtime.context import LIVES
from holdfast.runtime.heartbeat import Heartbeat
from holdfast.runtime.journal import Journal
from holdfast.runtime.life import (
    UNDO_FAILED,
    UNDONE,
    Life,
    Listener,
    Performers,
)
from holdfast.runtime.ownership import LEASE_S
from holdfast.runtime.resting import left_with
from holdfast.runtime.signals import Signals

CHAIN_MAX = 100
EXIT_CODES = {each.__name__: each.exit_code for each in (UsageError, DuplicateLabel, RunLocked)}
"""Of a step that failed with one of these: a wrong call, or somebody in its way."""


def live(
    workflow: Workflow[..., Any],
    params: Mapping[str, object],
    journal: Journal,
    clock: Clock,
    person: Person,
    listeners: Sequence[Listener] = (),
    *,
    budget_s: float | None = None,
    patience_s: float | None = None,
    lease_s: float = LEASE_S,
    performers: Performers = Performer,
    ahead: Callable[[str], tuple[Ahead, ...]] = nothing_ahead,
    inventory: Inventory = NO_INVENTORY,
    errand: Errand | None = None,
    rechecks: bool = False,
    stays_owned: bool = False,
) -> Outcome:
    """Walk the workflow once, under the ownership that `journal` has, and return how it ended.

    With an `errand` the life goes back instead. What was begun to be undone is undone first; then,
    with `rechecks`, the checks of finished steps are asked again.

    Never raises for what the script or the store does: that is in the outcome, and recorded.
    On return the run is given back, unless it `stays_owned`, and everything it says is durable.
    """
    life = Life(journal, clock, person, performers, budget_s=budget_s, patience_s=patience_s)
    life.params, life.ahead, life.inventory = params, ahead, inventory
    life.stays_owned = stays_owned
    if listeners:
        life.listeners.extend(listeners)
        journal.observers.append(_telling(life))
    with _attended(life, clock, lease_s):
        ended = _walk(workflow, params, life, errand, rechecks=rechecks)
    return ended


def _telling(life: Life) -> Callable[[Fact, RunState], None]:
    def tell(fact: Fact, state: RunState) -> None:
        for listener in life.listeners:
            listener.fact(fact, state)

    return tell


@contextmanager
def _attended(life: Life, clock: Clock, lease_s: float) -> Iterator[None]:
    """Everything that stands around a life: signals, heartbeat, captured output, the context."""
    heartbeat = Heartbeat(life.journal, clock, lambda why: life.leave(why, 5, "lost"), lease_s)
    with ExitStack() as stack:
        LIVES.add(life)
        stack.callback(LIVES.discard, life)
        stack.callback(life.close)
        stack.enter_context(Signals(life, life.tell))
        life.capture = stack.enter_context(Capture(life.write_output, life.redactor))
        heartbeat.start()
        stack.callback(heartbeat.stop)
        yield


def _walk(
    workflow: Workflow[..., Any],
    params: Mapping[str, object],
    life: Life,
    errand: Errand | None,
    *,
    rechecks: bool,
) -> Outcome:
    try:
        if errand is not None:
            return go_back(workflow, params, life, errand)
        undo_what_failed(workflow, params, life)
        if rechecks:
            look_again(workflow, params, life)
        hold_on_the_world(workflow, life)
        value = walked(workflow, params, life)
        return Outcome("succeeded", value, life.run)
    except BaseException as error:
        return _ended(life, error)


def _ended(life: Life, error: BaseException) -> Outcome:
    """Record how the life ended when the workflow did not return, and say it."""
    if isinstance(error, KeyboardInterrupt):
        life.leave("interrupted", 130, "signal")
    if life.leaving is None and isinstance(error, Leaving):
        life.leaving = error
    is_undone = False
    if life.leaving is not None and life.leaving.kind in (UNDONE, UNDO_FAILED, UNREADABLE):
        assert life.failure is not None
        if life.leaving.kind == UNREADABLE:
            # The script is where the run left it, not where the value was read.
            life.failure.__traceback__ = error.__traceback__
        # What a branch beside the stage finished meanwhile still stands: then it keeps its target.
        is_undone = life.leaving.kind == UNDONE and not life.journal.state.ledger.dues()
        error, life.leaving = life.failure, None
    if life.leaving is None:
        life.end(replace(_failure(life, error), is_undone=is_undone))
        if life.leaving is None:
            code = error.exit_code if isinstance(error, HoldfastError) else 1
            if isinstance(error, StepFailed):
                code = EXIT_CODES.get(error.type, code)
            return Outcome("failed", None, life.run, code, life.redactor(named_error(error)))
    leaving = life.leaving
    life.end_left(leaving)
    status = life.journal.state.status if leaving.kind != "storage" else "interrupted"
    code = left_with(leaving, life.journal.state)
    return Outcome(status, None, life.run, code, leaving.reason)


def _failure(life: Life, error: BaseException) -> RunFailed:
    chain = list(_chain(error))
    failures = dict.fromkeys(e.key for e in chain if isinstance(e, StepFailed))
    superseded = dict.fromkeys(key for key in life.afterwards.keys(chain) if key not in failures)
    return RunFailed(
        life.clock.now(),
        type(error).__name__,
        life.redactor(message_of(error)),
        tuple(failures),
        tuple(superseded),
        location_of(error),
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error that ended the run and those it came from.

    A step's failure ends the search: what it came from is the step's own affair, and an older
    failure in its context was caught by the script, so it is an outcome.
    """
    pending = [error]
    for _ in range(CHAIN_MAX):
        if not pending:
            return
        at = pending.pop()
        yield at
        if isinstance(at, StepFailed):
            continue
        if isinstance(at, ParallelFailed):
            pending.extend(failure for _, failure in at.failures)
        elif isinstance(at, BaseExceptionGroup):
            pending.extend(at.exceptions)
        else:
            origin = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
            if origin is not None:
                pending.append(origin)
