"""How each step is given back: its undo and its debt as calls of their own.

A `@step` that gives back keeps its own rules, as anywhere: without `once` it runs at least once. So
does what settles a debt, whatever it is: the script itself calls it in its place, and there it
would run again, too. A plain function as an undo has made no such promise.

Journals hold no arguments. So whoever goes back walks the script before: every step with something
to give back is met again (`steps.Met`), with its real arguments, and its `Way` is made of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from holdfast.engine.giving_back import Way
from holdfast.engine.spec import Call, Check, FoundDone, Rules
from holdfast.engine.trace import Trace
from holdfast.flow.decorator import is_async
from holdfast.flow.owing import RESULT, owed_by
from holdfast.flow.steps import (
    Met,
    StepFunction,
    aside,
    attempt_of,
    chosen,
    plain,
    run_in_step,
    value_of,
)
from holdfast.model.codec import digest
from holdfast.model.keys import scope_of
from holdfast.model.making import dataclass, replace
from holdfast.model.undoing import OWED, UNDO, origin_of
from holdfast.runtime.capture import current_step
from holdfast.runtime.codehash import code_hash
from holdfast.runtime.context import FRAME, Frame
from holdfast.runtime.life import Life


def ways_of(life: Life) -> Mapping[str, Way]:
    """Return how to give back what each step did that this life has met."""
    return {key: _way_of(cast(Met, met)) for key, met in life.met.items()}


def _way_of(met: Met) -> Way:
    options = met.step.options
    undo = None if options.undo is None else _undo(met, options.undo)
    owed = None if options.owes is None else _owed(met, options.owes)
    return Way(met.call, undo, owed)


def _undo(met: Met, function: Callable[..., Any]) -> Call:
    own = function.rules if isinstance(function, StepFunction) else _unpromised(met)
    key = met.call.key + UNDO
    call = _giving_back(met, function, own, key, f"undo {met.call.label}")
    if isinstance(function, StepFunction) and function.options.check is not None:
        return replace(call, check=aside(met.frame, function.options.check, _arguments(met)))
    if met.call.check is None:
        return call

    def check(undo: Call) -> object:
        # Only after a crash in the middle: else the undo runs, whatever else changed meanwhile.
        seen = met.frame.life.journal.state.steps.get(key)
        if seen is None or not seen.attempts:
            return Check.UNKNOWN
        return _inverted(met.call)

    return replace(call, check=check)


def _owed(met: Met, function: Callable[..., Any]) -> Call:
    own = function.rules if isinstance(function, StepFunction) else _inherited(met)
    label = owed_by(function, met.arguments).label
    call = _giving_back(met, function, own, met.call.key + OWED, label)
    if isinstance(function, StepFunction) and function.options.check is not None:
        return replace(call, check=aside(met.frame, function.options.check, _arguments(met)))
    if met.call.check is None:
        return call
    return replace(call, check=lambda owed: _inverted(met.call))


def _inherited(met: Met) -> Rules:
    """A plain function is tried as often and as long as its step, and as carefully."""
    rules = met.step.rules
    return Rules(retry=rules.retry, timeout_s=rules.timeout_s, once=rules.once)


def _unpromised(met: Met) -> Rules:
    """A plain function that undoes has promised nothing, unlike a `@step`: cut short by a death,
    it is not repeated unasked."""
    return replace(_inherited(met), asks_when_interrupted=True)


def _inverted(call: Call) -> object:
    """Return what a step's check says of its undo: what is no longer so has been undone."""
    assert call.check is not None
    says = call.check(call)
    if says is True or says is Check.DONE or isinstance(says, FoundDone):
        return Check.ABSENT
    if says is False or says is Check.ABSENT:
        return Check.DONE
    return Check.UNKNOWN


def _giving_back(
    met: Met, function: Callable[..., Any], rules: Rules, key: str, label: str
) -> Call:
    life = met.frame.life
    trace = Trace(life.journal.state, scope_of(key), is_replay=True)
    body = plain(function)
    inside = Frame(life, trace)
    call = Call(
        key,
        label,
        replace(rules, owes=False, undoes=False, reads=False, has_check=True),
        partial(run_in_step, inside, _GivenBack(met, body), {}),
        trace,
        digest([key, met.call.inputs]),
        met.call.shown,
        code_hash(body),
        location=met.call.location,
        abort=life.kill_programs_of,
        redact=life.redactor,
        types=met.step.types,
        gives_back=met.call.key,
    )
    if is_async(body):
        return replace(call, body=_awaited(inside, partial(_called, met, body)))
    return call


@dataclass(frozen=True, slots=True)
class _GivenBack:
    """What gives a step back, performed in the place of a step's body."""

    met: Met
    body: Callable[..., Any]

    def perform(self, arguments: Mapping[str, object]) -> object:
        """Give back; the arguments are those of the step that was met."""
        return _called(self.met, self.body)


def _called(met: Met, body: Callable[..., Any]) -> Any:
    """Give back; what that returns is of no use to anybody, unless it is to be awaited."""
    returned = body(**chosen(body, _arguments(met)))
    return returned if is_async(body) else None


def _arguments(met: Met) -> dict[str, object]:
    """Return the step's arguments, and its result where one is recorded."""
    life = met.frame.life
    origin = origin_of(life.journal.state, met.call.key)
    recorded = None if origin is None else origin.result
    result = value_of(life.journal.load(recorded), met.step.types)
    return {**met.arguments, RESULT: result}


def _awaited(frame: Frame, body: Callable[[], Any]) -> Callable[[Call], object]:
    """Return the body of an undo that is awaited, where `saved` and `sh` find its place."""

    async def run(call: Call) -> None:
        attempt = attempt_of(frame, call)
        inside = FRAME.set(Frame(frame.life, call.trace, call))
        logged = current_step.set((call.key, attempt))
        try:
            await body()
        finally:
            frame.life.end_of_body(call.key, attempt)
            current_step.reset(logged)
            FRAME.reset(inside)

    return run
