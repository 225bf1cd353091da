"""Durable waiting: for a moment, and for something in the world to become true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from holdfast.engine import drift
from holdfast.engine.effects import (
    Program,
    Returned,
    invoke,
    now,
    pause,
    record,
    record_at_boundary,
)
from holdfast.engine.hold import Asked, ask
from holdfast.engine.spec import Call
from holdfast.engine.step import described, location_of, reached
from holdfast.errors import StepFailed
from holdfast.model.codec import Unrecordable, encode
from holdfast.model.durations import show
from holdfast.model.facts import AttemptFailed, Spilled, StepSucceeded, TimerSet
from holdfast.model.json import Json
from holdfast.model.keys import scope_of
from holdfast.model.state import RunState, StepState


def sleep(call: Call, until: Callable[[datetime], datetime]) -> Program[None]:
    """Return once the moment has come, however many lives that takes.

    `until` is asked once, with the time of the first call; the moment is durable before the
    wait, so neither a crash nor a changed script starts it anew.
    """
    state, step = yield from come_to(call)
    if step is not None and step.is_finished:
        return
    while step is None:
        at = yield from now()
        yield from record_at_boundary(_timer(call, at, until(at)))
        step = state.steps.get(call.key)
    while step.next_at is not None and (yield from now()) < step.next_at:
        yield from pause(step.next_at)  # A person may end it before.
    if not step.is_finished:
        yield from record(StepSucceeded((yield from now()), call.key))


def window(call: Call, opens: Callable[[datetime], datetime]) -> Program[None]:
    """Return once the time is inside a window; `opens` tells when it next is, from a moment on.

    A life that comes when the window has closed again waits for the next opening, and so does
    one that finds that nothing was finished since it passed through. A person may end the wait:
    with `retry` at once, with `done` or `skip` for every later life.
    """
    state, step = yield from reached(call)
    if step is None:
        yield from drift.before_new(call)
    elif step.is_finished and not _is_to_be_asked_anew(call, state, step):
        yield from drift.of_inputs(call, step)
        return
    outdated = 0 if step is None else step.ended_seq
    while True:
        at = yield from now()
        step = state.steps.get(call.key)
        if step is not None and step.is_finished and step.ended_seq > outdated:
            return
        moment = opens(at)
        if step is None or step.is_finished:
            yield from record_at_boundary(_timer(call, at, moment))
        elif step.next_at is None or moment <= at:
            yield from record(StepSucceeded(at, call.key))
        elif step.next_at != moment:
            yield from record_at_boundary(_timer(call, at, moment))
        else:
            yield from pause(moment)


def _is_to_be_asked_anew(call: Call, state: RunState, step: StepState) -> bool:
    """Whether an earlier life passed through a window and finished nothing of what it guards:
    whatever comes after it in its scope."""
    if call.trace.is_replay or step.status != "succeeded":
        return False  # Nothing is begun on the way back; or a person said so.
    scope = scope_of(step.key)
    inside = f"{scope}/" if scope else ""
    return not any(
        later.is_finished and later.ended_seq > step.ended_seq and later.key.startswith(inside)
        for later in reversed(list(state.steps.values()))
    )


def wait_for(call: Call, every_s: float, timeout_s: float | None) -> Program[Json | Spilled]:
    """Return the first truthy value of the call's body, asking it again and again.

    The deadline counts from the first life. When it passes the run holds: a yes waits once more
    as long, a no fails the step. Raises StepFailed when the body raises.
    """
    state, step = yield from come_to(call)
    limit = timedelta(seconds=timeout_s) if timeout_s is not None else None
    while True:
        step = step if call.trace.is_replay else state.steps.get(call.key)
        if step is not None and step.is_finished:
            return step.result
        at = yield from now()
        if step is None or (step.next_at is None and limit is not None):
            deadline = None if limit is None else at + limit
            yield from record_at_boundary(_timer(call, at, deadline))
            continue
        value = yield from _probe(call)
        if value:
            yield from _succeed(call, value)
            continue
        at = yield from now()
        if step.next_at is not None and at >= step.next_at:
            yield from _ask_to_go_on(call, step.next_at, limit or timedelta())
            continue
        moment = at + timedelta(seconds=every_s)
        yield from pause(moment if step.next_at is None else min(moment, step.next_at))


def come_to(call: Call) -> Program[tuple[RunState, StepState | None]]:
    """Return the state, and what the journal has of the wait or gate that the script has come to,
    after comparing it. Raises StepFailed, the same as before, for one that failed."""
    state, step = yield from reached(call)
    if step is None:
        yield from drift.before_new(call)
    elif step.status == "failed":
        raise StepFailed(call.key, step.error_type, step.error, 1)
    elif step.is_finished:
        yield from drift.of_inputs(call, step)
    return state, step


def _timer(call: Call, at: datetime, until: datetime | None) -> TimerSet:
    return TimerSet(at, call.key, until, call.label, call.inputs, call.shown, call.location)


def _probe(call: Call) -> Program[object]:
    outcome = yield from invoke(call.key, partial(call.body, call))
    if isinstance(outcome, Returned):
        return outcome.value
    yield from _fail(call, outcome.error)
    return None


def _succeed(call: Call, value: object) -> Program[None]:
    try:
        result = encode(value, call.types)
    except Unrecordable as error:
        yield from _fail(call, error)
    else:
        yield from record(StepSucceeded((yield from now()), call.key, result))


def _fail(call: Call, error: Exception) -> Program[None]:
    kind, text = described(call, error)
    at = yield from now()
    yield from record(AttemptFailed(at, call.key, 1, kind, text, None, location_of(error)))
    raise StepFailed(call.key, kind, text, 1) from error


def _ask_to_go_on(call: Call, deadline: datetime, limit: timedelta) -> Program[None]:
    until, longer = f"{deadline:%Y-%m-%d %H:%M:%S} UTC", show(limit.total_seconds())
    question = f"{call.label}: not so by {until}; wait {longer} longer?"
    bound = f"{call.key}@{deadline.isoformat()}"
    answer = yield from ask(Asked("confirm", call.key, question, bound, {"runs": call.label}))
    at = yield from now()
    if answer.answer == "approve":
        yield from record(_timer(call, at, at + limit))
        return
    message = f"not so in time; {answer.by.name} did not wait longer"
    yield from record(AttemptFailed(at, call.key, 1, "TimeoutError", message))
    raise StepFailed(call.key, "TimeoutError", message, 1)
