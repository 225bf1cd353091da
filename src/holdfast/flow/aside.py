"""A step's check runs in the step's place, beside its body: it looks at the world, no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from holdfast.engine.spec import Call, FoundDone
from holdfast.errors import UsageError
from holdfast.flow.owing import declared
from holdfast.flow.secret import refuse_secrets
from holdfast.flow.signatures import VAR_KEYWORD
from holdfast.model.called import UnusableAnswer, has_run, name_of
from holdfast.runtime.capture import current_step
from holdfast.runtime.context import FRAME, Frame
from holdfast.runtime.life import Life


def aside(
    frame: Frame, function: Callable[..., object], arguments: Mapping[str, object]
) -> Callable[[Call], object]:
    """Return a check as a call in its step's place: it gets the arguments it names and what the
    step saved; what it prints goes to the step's log. The call raises UnusableAnswer."""
    taken = chosen(function, arguments)

    def ask(call: Call) -> object:
        with asked_aside(frame, call):
            return usable(frame.life, function, function(**taken))

    return ask


def usable(life: Life, check: Callable[..., object], said: object) -> object:
    """Return what a check said. Raises UnusableAnswer for what has yet to run, and for a result
    that holds a secret."""
    name = f"the check {name_of(check)}"
    has_run(said, name)
    if isinstance(said, FoundDone):
        try:
            refuse_secrets(life, f"the result of {name}", said.result)
        except UsageError as error:
            raise UnusableAnswer(str(error)) from None
    return said


@contextmanager
def asked_aside(frame: Frame, call: Call) -> Iterator[None]:
    """Have what is called in the block belong to a step, beside its body."""
    attempt = attempt_of(frame, call)
    inside = FRAME.set(Frame(frame.life, frame.trace, call, frame.lane, is_aside=True))
    logged = current_step.set((call.key, attempt))
    try:
        yield
    finally:
        if frame.life.capture is not None:
            frame.life.capture.flush(call.key, attempt)
        current_step.reset(logged)
        FRAME.reset(inside)


def chosen(function: Callable[..., object], arguments: Mapping[str, object]) -> dict[str, object]:
    """Return those of `arguments` that `function` declares. Raises UsageError for one it needs
    and the step does not have."""
    taken = {}
    for parameter in declared(function):
        name = parameter.name
        if parameter.kind == VAR_KEYWORD:
            return dict(arguments)
        if name in arguments:
            taken[name] = arguments[name]
        elif parameter.is_required:
            raise UsageError(
                f"{getattr(function, '__name__', function)!r} asks for {name!r}, which is no "
                f"argument of the step; it has {', '.join(arguments) or 'none'}"
            )
    return taken


def attempt_of(frame: Frame, call: Call) -> int:
    """Return which attempt of a call this is, from 1."""
    step = frame.life.journal.state.steps.get(call.key)
    return 1 if step is None else max(1, step.attempts)
