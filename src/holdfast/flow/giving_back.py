"""How each step is given back: its undo and its debt as calls of their own.

A `@step` that gives back keeps its own rules, as anywhere: without `once` it runs at least once. So
does what settles a debt, whatever it is: the script itself calls it in its place, and there it
would run again, too. A plain function as an undo has made no such promise.

Journals hold no arguments. So whoever goes back walks the script before: every step with something
to give back is met again (`steps.Met`), with its real arguments, and its `Way` is made of that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from holdfast.engine.giving_back import Way
from holdfast.engine.spec import Call, Check, FoundDone, Rules
from holdfast.engine.trace import Trace
from holdfast.flow.aside import chosen
from holdfast.flow.owing import RESULT, owed_by
from holdfast.flow.recorded import value_of
from holdfast.flow.steps import (
    Met,
    StepFunction,
    plain,
)
from holdfast.model.called import has_run, is_async, is_awaitable, name_of
from holdfast.model.codec import digest
from holdfast.model.keys import scope_of
from holdfast.model.making import dataclass, replace
from holdfast.model.undoing import OWED, UNDO, origin_of
from holdfast.runtime.codehash import code_hash
from holdfast.runtime.context import Frame
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
        return replace(call, check=met.step.ask(met.frame, function.options.check, _arguments(met)))

    def has_begun() -> bool:
        # Only after a crash in the middle: else the undo runs, whatever else changed meanwhile.
        seen = met.frame.life.journal.state.steps.get(key)
        return seen is not None and bool(seen.attempts)

    return replace(call, check=_inverse(met.call, has_begun))


def _owed(met: Met, function: Callable[..., Any]) -> Call:
    own = function.rules if isinstance(function, StepFunction) else _inherited(met)
    label = owed_by(function, met.arguments).label
    call = _giving_back(met, function, own, met.call.key + OWED, label)
    if isinstance(function, StepFunction) and function.options.check is not None:
        return replace(call, check=met.step.ask(met.frame, function.options.check, _arguments(met)))
    return replace(call, check=_inverse(met.call, lambda: True))


def _inherited(met: Met) -> Rules:
    """A plain function is tried as often and as long as its step, and as carefully."""
    rules = met.step.rules
    return Rules(retry=rules.retry, timeout_s=rules.timeout_s, once=rules.once)


def _unpromised(met: Met) -> Rules:
    """A plain function that undoes has promised nothing, unlike a `@step`: cut short by a death,
    it is not repeated unasked."""
    return replace(_inherited(met), asks_when_interrupted=True)


def _inverse(call: Call, is_asked: Callable[[], bool]) -> Callable[[Call], object] | None:
    """Return what a step's check says of its undo, as the undo's own check."""
    ask: Callable[[Call], Any] | None = call.check
    if ask is None:
        return None
    if not is_async(ask):
        return lambda undo: _inverted(ask(call)) if is_asked() else Check.UNKNOWN

    async def awaited(undo: Call) -> object:
        return _inverted(await ask(call)) if is_asked() else Check.UNKNOWN

    return awaited


def _inverted(says: object) -> object:
    """Return what a check's word is for the undo: what is no longer so has been undone."""
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
    return Call(
        key,
        label,
        replace(rules, owes=False, undoes=False, reads=False, has_check=True),
        met.step.run(Frame(life, trace), _GivenBack(met, body), {}),
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


@dataclass(frozen=True, slots=True)
class _GivenBack:
    """What gives a step back, performed in the place of a step's body."""

    met: Met
    body: Callable[..., Any]

    def perform(self, arguments: Mapping[str, object]) -> object:
        """Give back; the arguments are those of the step that was met. What the function returns
        is of no use to anybody, unless it is to be awaited. Raises NeverRan."""
        returned = self.body(**chosen(self.body, _arguments(self.met)))
        if self.met.step.is_awaited and is_awaitable(returned):
            return self._awaited(cast(Awaitable[object], returned))
        self._ended(returned)
        return None

    async def _awaited(self, returned: Awaitable[object]) -> None:
        self._ended(await returned)

    def _ended(self, returned: object) -> None:
        has_run(returned, f"{name_of(self.body)}, which gives {self.met.call.label!r} back,")


def _arguments(met: Met) -> dict[str, object]:
    """Return the step's arguments, and its result where one is recorded."""
    life = met.frame.life
    origin = origin_of(life.journal.state, met.call.key)
    recorded = None if origin is None else origin.result
    result = value_of(life, recorded, met.step.types)
    return {**met.arguments, RESULT: result}
