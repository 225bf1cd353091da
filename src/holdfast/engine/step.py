"""Run one step at most once to success, across any number of crashes.

What the journal may say of a step when the script reaches it, and what follows:

    nothing              drift check, then the first attempt
    finished             its result, after comparing the inputs; nothing runs
    failed               StepFailed again (the script may have caught it); a `resume` of a run
                         that this failure ended has granted the attempts anew before
    waiting              the next attempt, when its time has come
    running, in doubt    a process died in it, or a `once` step ended without a result; what must
                         not be repeated unasked (`Rules.leaves_doubt`) runs only when its check
                         says that it did nothing, or a person

Before an attempt the check is asked, the mode decides, and the intent is recorded at a boundary.
Only then does the body run; its result is durable before the caller gets it.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from functools import partial

from holdfast.engine import debts, drift
from holdfast.engine.checking import ask_check, landing
from holdfast.engine.earning import can_earn, name_of
from holdfast.engine.effects import (
    LOOK,
    NOW,
    WAIT,
    Landed,
    Outcome,
    Program,
    Raised,
    Record,
    Returned,
    Submit,
    Wait,
    now,
    record,
)
from holdfast.engine.permission import permission
from holdfast.engine.spec import Call, Check, Rules
from holdfast.errors import HoldfastError, NotDone, StepFailed, message_of
from holdfast.model.codec import Unrecordable, digest, encode
from holdfast.model.facts import (
    AttemptFailed,
    DebtSettled,
    Spilled,
    StepDoubted,
    StepFoundDone,
    StepRenamed,
    StepStarted,
    StepSucceeded,
)
from holdfast.model.json import Json
from holdfast.model.state import RunState, StepState
from holdfast.model.status import RECORDED

ABORT_GRACE_S = 5.0
"""How long a timed-out body may take to end after its programs were killed."""
MESSAGE_CHARS_MAX = 4_000


def step(call: Call) -> Program[Json | Spilled]:
    """Return the recorded result of the call, making it first when there is none.

    The result is in the codec's form and durable. Raises StepFailed when the attempts are used
    up, the same on every replay.
    """
    state: RunState = yield LOOK
    seen = state.steps.get(call.key)
    if call.was or call.trace.is_replay:
        state, seen = yield from reached(call)
    call.trace.reach(call.key)
    if seen is None:
        # Asked here, because nearly every step of a script that nobody edited is like this.
        if call.trace.unreached(call.lane):
            yield from drift.before_new(call)
    elif seen.status == "failed":
        raise _failure(seen)
    elif seen.is_finished:
        if not (yield from _is_stale(call, seen, state)):
            if seen.code != call.code:
                call.edited(call.key)
            yield from drift.of_inputs(call, seen)
            return seen.result
        return (yield from _attempts(call, state, stale=seen))
    return (yield from _attempts(call, state))


def reached(call: Call) -> Program[tuple[RunState, StepState | None]]:
    """Return the state, and what the journal has of the step that the script has reached.

    A walk that only looks how to go back passes through steps that were set aside, too.
    """
    state: RunState = yield LOOK
    seen = state.steps.get(call.key)
    if seen is None and call.was in state.steps:
        yield from record(StepRenamed((yield from now()), call.key, call.was))
        call.trace.reach(call.was)
        seen = state.steps[call.key]
    call.trace.reach(call.key)
    if call.trace.is_replay and (seen is None or seen.status in _UNFINISHED):
        seen = state.ledger.former.get(call.key, seen)
    return state, seen


_UNFINISHED = ("running", "waiting", "in_doubt")


def is_answered(seen: StepState | None, rules: Rules, inputs: str, code: str) -> bool:
    """Whether the journal answers this call without any question.

    `step` would find the same, at the price of a program: a long run is resumed by thousands of
    these. It is asked about everything that is not exactly as it was.
    """
    return (
        seen is not None
        and seen.status in RECORDED
        and seen.inputs == inputs
        and seen.code == code
        and seen.version == rules.version
        and rules.fresh_s is None
        and not (rules.owes or rules.undoes)
    )


def _is_stale(call: Call, seen: StepState, state: RunState) -> Program[bool]:
    """Whether a recorded result is to be taken anew: `version=` changed, `fresh=` ran out since
    an earlier life took it, or what it borrowed is found gone."""
    if call.trace.is_replay:
        return False
    if call.owes is not None and (yield from debts.is_gone(call, state)):
        return True
    if seen.version != call.rules.version:
        return True
    fresh = call.rules.fresh_s
    if fresh is None or seen.epoch == state.epoch or seen.ended_at is None:
        return False
    return (yield from now()) - seen.ended_at > timedelta(seconds=fresh)


def _attempts(
    call: Call, state: RunState, stale: StepState | None = None
) -> Program[Json | Spilled]:
    """Attempt the step until it has a result, a person decides, or the attempts are used up."""
    outdated = 0 if stale is None else stale.ended_seq
    while True:
        seen = state.steps.get(call.key)
        if seen is not None and seen.is_finished and seen.ended_seq > outdated:
            return seen.result
        if seen is not None and seen.next_at is not None and (yield NOW) < seen.next_at:
            # A person may end the wait, or decide the step, before the moment comes.
            yield Wait(seen.next_at, idle=True)
            continue
        if call.check is not None or _leaves_doubt(call, seen):
            if (yield from _settled_without_running(call, state, seen)):
                continue
        if call.fits is not None:
            at: datetime = yield NOW
            if (moment := call.fits(state, at)) > at:
                yield Wait(moment, idle=True)
                continue
        decided_by = yield from permission(call, state)
        if decided_by is None:
            continue
        started = _started(call, state, decided_by, (yield NOW))
        hard = call.rules.hardens_start or decided_by.startswith("approved")
        if (yield Record((started,), hard, True)):
            yield from _finish(call, state, started)


def _settled_without_running(call: Call, state: RunState, seen: StepState | None) -> Program[bool]:
    """Whether the check, or a person, gave the step a result; False: it may run now."""
    says, value = yield from ask_check(call)
    if says is Check.DONE:
        yield from found_done(call, value)
        return True
    if seen is None or not _is_doubtful(call, seen):
        return False
    # A doubt of this very life was looked at when it arose: what was absent then may come late.
    if says is Check.ABSENT and not (seen.status == "in_doubt" and seen.epoch == state.epoch):
        return False
    from holdfast.engine.doubt import decided_again  # Few steps are ever in doubt.

    yield from decided_again(seen)
    return seen.is_finished


def _leaves_doubt(call: Call, seen: StepState | None) -> bool:
    return call.rules.leaves_doubt or (seen is not None and seen.leaves_doubt)


def _is_doubtful(call: Call, seen: StepState) -> bool:
    """Whether an earlier attempt may have taken effect of what is not repeated unasked: a `once`
    step, or an undo that promised nothing."""
    return _leaves_doubt(call, seen) and seen.status in ("running", "in_doubt")


def _started(call: Call, state: RunState, decided_by: str, at: datetime) -> StepStarted:
    """Return the fact that says what is about to run."""
    seen, rules, name = state.steps.get(call.key), call.rules, name_of(call, state)
    return StepStarted(
        at,
        call.key,
        1 if seen is None else seen.attempts + 1,
        call.label,
        call.inputs,
        call.shown,
        call.code,
        rules.once,
        rules.reads,
        decided_by,
        rules.version,
        call.location,
        name,
        name != "" and can_earn(call, state),
        rules.undoes,
        call.owes,
        () if call.settles is None else call.settles(state),
        rules.asks_when_interrupted,
        commands=call.commands,
    )


def _finish(call: Call, state: RunState, started: StepStarted) -> Program[None]:
    """Run the body and record what came of it. Raises StepFailed when no attempt follows."""
    if call.rules.timeout_s is None:
        yield Submit(call.key, partial(call.body, call))
        landed: Landed = yield WAIT
        while call.key not in landed:
            landed = yield WAIT  # A check that was given up on has ended at last.
        outcome = landed[call.key]
    else:
        outcome = yield from _run_for(call.rules.timeout_s, call, started.attempt)
    at: datetime = yield NOW
    if isinstance(outcome, Returned):
        try:
            result = encode(outcome.value, call.types)
        except Unrecordable as error:
            outcome = Raised(error)
        else:
            done = StepSucceeded(at, call.key, result)
            if started.settles:
                yield Record((done, *debts.settled(state, started.settles, call.key, at)))
            else:
                yield Record((done,))
            return
    yield from _record_failure(call, state.steps[call.key], started, outcome.error, at)


def _run_for(limit: float, call: Call, attempt: int) -> Program[Outcome]:
    """Run the body for at most `limit` seconds, and a grace after its programs were killed."""
    at = yield from now()
    # A ticket of its own: an earlier attempt that was given up on may still land.
    ticket = f"{call.key}\0{attempt}"
    yield Submit(ticket, partial(call.body, call), "thread")
    outcome = yield from landing(ticket, at + timedelta(seconds=limit))
    if outcome is not None:
        return outcome
    yield Submit(f"{ticket}!", partial(call.abort, call.key))
    # Asked anew: the wall clock may have been set while the body ran. How long a wait for it is
    # does not change by that, once it has begun.
    at = yield from now()
    if (yield from landing(ticket, at + timedelta(seconds=ABORT_GRACE_S))) is None:
        return Raised(StillRunning(f"timed out after {limit:g} s; it may still be running"))
    return Raised(TimeoutError(f"timed out after {limit:g} s"))


class StillRunning(TimeoutError):
    """The body outlived its timeout and the grace: nothing is tried again beside it."""


def _record_failure(
    call: Call, seen: StepState, started: StepStarted, error: Exception, at: datetime
) -> Program[None]:
    """Record one failed attempt. Raises StepFailed when none follows."""
    kind, text = described(call, error)
    if (yield from _is_in_doubt(call, error)):
        why = f"attempt {started.attempt} ended without a result: {kind}: {text}"
        yield from record(StepDoubted(at, call.key, started.attempt, why))
        return
    wait = _wait_after(call, seen, error, started)
    next_at = None if wait is None else at + timedelta(seconds=wait)
    failed = AttemptFailed(at, call.key, started.attempt, kind, text, next_at, location_of(error))
    # It says itself that it did nothing: so neither did it borrow, if it did not before.
    nothing = isinstance(error, NotDone) and started.owes is not None and started.attempt == 1
    yield from record(failed, *((DebtSettled(at, call.key, "not_done"),) if nothing else ()))
    if next_at is None:
        raise _failure(seen) from error


def _is_in_doubt(call: Call, error: Exception) -> Program[bool]:
    """Whether a `once` step that raised may have taken effect all the same. It did not when it
    says so itself, nor when its check says that, and the body is not at it still."""
    if not call.rules.once or isinstance(error, NotDone):
        return False
    if isinstance(error, StillRunning) or call.check is None:
        return True
    says, _ = yield from ask_check(call)
    return says is not Check.ABSENT


def _wait_after(
    call: Call, seen: StepState, error: Exception, started: StepStarted
) -> float | None:
    """Return the seconds before the next attempt, or None when there is none."""
    if isinstance(error, Unrecordable | StillRunning) or not call.rules.retry.retries(error):
        return None
    # Drawn from the attempt itself: the engine stays a pure function of journal and answers.
    drawn = digest([call.key, started.attempt, started.at.isoformat()])
    fraction = int(drawn[:8], 16) / 16**8
    return call.rules.retry.wait_before(seen.attempts - seen.forgiven + 1, fraction)


def found_done(call: Call, result: Json) -> Program[None]:
    """Record that the step's check says it is so, and what that settles."""
    state: RunState = yield LOOK
    at: datetime = yield NOW
    found = StepFoundDone(
        at,
        call.key,
        result,
        "check",
        call.label,
        call.inputs,
        call.shown,
        call.code,
        version=call.rules.version,
    )
    settles = () if call.settles is None else call.settles(state)
    yield from record(found, *debts.settled(state, settles, call.key, at))


def _failure(seen: StepState) -> StepFailed:
    return StepFailed(seen.key, seen.error_type, seen.error, max(1, seen.attempts))


def described(call: Call, error: Exception) -> tuple[str, str]:
    """Return what is recorded of an error: its type's name and its message, secrets covered."""
    kind = TimeoutError if isinstance(error, StillRunning) else type(error)
    return kind.__name__, call.redact(message_of(error))[:MESSAGE_CHARS_MAX]


_PACKAGE = __file__.rpartition("/engine/")[0] + "/"
_LIBRARIES = (contextlib.__file__.removesuffix("contextlib.py"), "<frozen ")
_INSTALLED = ("/site-packages/", "/dist-packages/")


def location_of(error: BaseException) -> str:
    """Return file:line of the innermost line of `error` that is the script's; where it has none,
    of a library's, and then of holdfast's own; an empty text when it was never raised, or by us on
    purpose. A group's is that of the first that is in it."""
    if isinstance(error, BaseExceptionGroup) and (inside := location_of(error.exceptions[0])):
        return inside
    script = library = own = ""
    trace = error.__traceback__
    while trace is not None:
        own = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        if not own.startswith(_PACKAGE):
            library = own
            if not own.startswith(_LIBRARIES) and not any(part in own for part in _INSTALLED):
                script = own
        trace = trace.tb_next
    if isinstance(error, HoldfastError):
        return script  # Where we raised it, and through which library, says nothing.
    return script or library or own
