"""The verbs of a workflow that are steps of their own: do, require, waiting.

Each verb builds a program; a blocking workflow drives it here, an async one in `holdfast.aio`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeVar, cast

from holdfast.engine import waiting
from holdfast.engine.effects import Program
from holdfast.engine.spec import Call
from holdfast.errors import HoldfastError, UsageError
from holdfast.flow.decorator import check_label, make_rules, refuse_async_ways
from holdfast.flow.recorded import read_back
from holdfast.flow.steps import (
    Duration,
    StepFunction,
    prepare,
    recorded,
    refuse_promises,
)
from holdfast.flow.windowed import zone_of
from holdfast.model import windows
from holdfast.model.called import is_async, is_awaitable
from holdfast.model.durations import seconds, show
from holdfast.model.making import replace
from holdfast.runtime.context import Frame, in_workflow
from holdfast.runtime.driving import drive

R = TypeVar("R")


class RequirementFailed(HoldfastError):
    """What a `require` asked for is not so."""


def do(label: str, fn: Callable[..., R], *args: Any, **options: Any) -> R:
    """Run any callable as a step under `label`, with the options of `@step`.

    A step keeps its own options. Returns the recorded value; raises StepFailed.
    """
    frame = in_workflow(f"do({label!r})")
    step = as_step(fn, **options)
    refuse_async_ways(step.options)
    return cast(R, recorded(frame, named(step, label), positional(step, args)))


def require(label: str, fn: Callable[..., R], *args: Any, fresh: Duration | None = None) -> R:
    """Fail the run unless `fn(*args)` is truthy; return what it returned.

    A read-only step: it never asks, and with `fresh` it is asked again on a later resume.
    """
    frame = in_workflow(f"require({label!r})")
    refuse_promises("require", fn)
    asked = adhoc(fn)
    step = adhoc(required(label, fn), reads=True, fresh=fresh)
    return cast(R, recorded(frame, named(step, label), positional(asked, args)))


def required(label: str, fn: Callable[..., object]) -> Callable[..., object]:
    """Return `fn` as a function that raises when its value is not truthy."""
    plain = fn.function if isinstance(fn, StepFunction) else fn

    def judged(value: object) -> object:
        if is_awaitable(value):
            return awaited_judgement(cast(Awaitable[object], value))
        if not value:
            raise RequirementFailed(f"{label}: {value!r}")
        return value

    async def awaited_judgement(value: Awaitable[object]) -> object:
        return judged(await value)

    if is_async(plain):

        @wraps(plain)
        async def awaited(*args: object, **kwargs: object) -> object:
            return judged(await cast(Any, plain)(*args, **kwargs))

        return awaited

    @wraps(plain)
    def called(*args: object, **kwargs: object) -> object:
        return judged(plain(*args, **kwargs))

    return called


def as_step(fn: Callable[..., Any], **options: Any) -> StepFunction[..., Any]:
    """Return `fn` as a step: with the options that it has as one, or with these. Raises
    UsageError when there are both: nobody could say which are meant."""
    if not isinstance(fn, StepFunction) or not fn.has_options:
        return adhoc(fn, **options)
    if options:
        raise UsageError(
            f"do: {next(iter(options))}= is given here, and step {fn.name!r} has options of its "
            "own; give them all to @step, or do a plain function"
        )
    # Not what it was called: that is for the label which it has elsewhere.
    return StepFunction(fn.function, fn.rules, replace(fn.options, was=""))


def adhoc(fn: Callable[..., Any], **options: Any) -> StepFunction[..., Any]:
    """Return `fn` as a step with these options, and no others. Raises UsageError."""
    function = fn.function if isinstance(fn, StepFunction) else fn
    if not callable(function):
        raise UsageError(f"{function!r:.80} cannot be called; give a function, and its arguments")
    rules, kept = make_rules(**options)
    return StepFunction(function, rules, kept)


def named(step: StepFunction[..., Any], label: str) -> StepFunction[..., Any]:
    """Return the step under a label that is taken as it is. Raises UsageError for none."""
    check_label(label)
    literal = label.replace("{", "{{").replace("}", "}}")
    return StepFunction(
        step.function, step.rules, replace(step.options, label=literal, is_literal=True)
    )


def positional(step: StepFunction[..., Any], args: tuple[Any, ...]) -> dict[str, object]:
    """Return the arguments of a step that are given by their places, by their names."""
    return step.arguments(args, {})


# --- waiting ---


def wait_for(
    label: str,
    fn: Callable[..., R | None],
    *args: Any,
    every: Duration = "30s",
    timeout: Duration | None = None,
) -> R:
    """Return the first truthy value of `fn(*args)`, asked `every` so often.

    The wait is durable: the process may exit and a later life goes on, with the deadline it
    had. When the deadline passes the run holds. Raises StepFailed when `fn` raises.
    """
    frame = in_workflow(f"wait_for({label!r})")
    refuse_promises("wait_for", fn)
    step = adhoc(fn, reads=True)
    call = prepare(frame, named(step, label), positional(step, args))
    every_s, timeout_s = interval(every, timeout)
    found = drive(waiting.wait_for(call, every_s, timeout_s), frame.life.performer())
    return read_back(frame.life, found, step.types)  # type: ignore[return-value]


def interval(every: Duration, timeout: Duration | None) -> tuple[float, float | None]:
    """Return both in seconds."""
    return seconds(every), None if timeout is None else seconds(timeout)


def sleep(duration: Duration) -> None:
    """Wait for `duration`, counted from the first time this is reached, over any number of
    lives: the moment it ends is durable before the wait begins."""
    frame = in_workflow("sleep")
    drive(sleep_program(frame, duration), frame.life.performer())


def sleep_program(frame: Frame, duration: Duration) -> Program[None]:
    """Return the program that waits so long. Raises UsageError."""
    length = timedelta(seconds=seconds(duration))
    call = plain_call(frame, f"sleep {show(seconds(duration))}")
    return waiting.sleep(call, lambda at: at + length)


def sleep_until(moment: datetime) -> None:
    """Wait until `moment`, which must know its time zone."""
    frame = in_workflow("sleep_until")
    drive(sleep_until_program(frame, moment), frame.life.performer())


def sleep_until_program(frame: Frame, moment: datetime) -> Program[None]:
    """Return the program that waits until a moment. Raises UsageError for one that has no time
    zone, or that no calendar holds."""
    if moment.tzinfo is None:
        raise UsageError("sleep_until needs a datetime with a time zone, such as datetime.now(UTC)")
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        raise UsageError(f"sleep_until: {moment} is beyond what a calendar holds") from None
    return waiting.sleep(plain_call(frame, "sleep until"), lambda at: utc)


def window(spec: str) -> None:
    """Wait until it is inside a window, such as `"Tue-Thu 09:00-16:00 Europe/Berlin"`.

    The wait is durable. A later life that has not finished anything after it asks again: what
    follows begins inside the window, but may end outside. A step in the same scope that usually
    takes longer than the window is still open is not begun before the next opening. Raises
    UsageError for a text that is no window, a time zone that this machine does not know, and a
    window that opens no more.
    """
    frame = in_workflow("window")
    drive(window_program(frame, spec), frame.life.performer())
    frame.trace.window = spec


def window_program(frame: Frame, spec: str) -> Program[None]:
    """Return the program that waits until it is inside a window. Raises UsageError."""
    found = windows.parse(spec)
    zone = zone_of(found)
    call = prepare(frame, named(adhoc(_within), "window"), {"spec": found.text})
    return waiting.window(call, lambda at: windows.next_opening(found, at, zone))


def _within(spec: str) -> None:
    return None


def plain_call(frame: Frame, label: str) -> Call:
    """Return a call without a body, for steps that holdfast performs itself."""
    return prepare(frame, named(adhoc(_nothing), label), {})


def _nothing() -> None:
    return None
