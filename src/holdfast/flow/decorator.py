"""`@step`: what makes a function a step, and the rules it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from holdfast.engine.spec import Rules
from holdfast.errors import UsageError
from holdfast.flow.steps import Duration, Options, StepFunction, plain
from holdfast.model.called import is_async, is_generator, name_of
from holdfast.model.durations import seconds
from holdfast.model.loaded import loaded
from holdfast.model.retry import Retry

P = ParamSpec("P")
R = TypeVar("R")


@overload
def step(label: Callable[P, R]) -> StepFunction[P, R]: ...


@overload
def step(
    label: str | None = None,
    *,
    retry: Retry | int | None = None,
    timeout: Duration | None = None,
    once: bool = False,
    check: Callable[..., object] | None = None,
    undo: Callable[..., object] | None = None,
    owes: Callable[..., object] | None = None,
    confirm: bool = False,
    reads: bool = False,
    fresh: Duration | None = None,
    was: str | None = None,
    version: str | int | None = None,
) -> Callable[[Callable[P, R]], StepFunction[P, R]]: ...


def step(label: Any = None, **options: Any) -> Any:
    """Make a function a step: a named unit of work whose outcome is recorded once.

    The label, formatted with the call's arguments, is the step's identity in its scope; without
    one it is the function's name followed by its short scalar arguments. The caller gets the
    recorded value, durable, on the first run and on every replay. By default an interrupted
    step runs again; `once=True` makes it hold instead. Raises StepFailed when its attempts are
    used up. Outside any run the function is just the function.
    """
    if callable(label) or isinstance(label, classmethod):
        return _blocking(label, Rules(), Options())

    rules, kept = make_rules(label, **options)
    return lambda function: _blocking(function, rules, kept)


def _blocking(
    function: Callable[..., Any], rules: Rules, options: Options
) -> StepFunction[..., Any]:
    if not callable(function):
        raise UsageError(
            f"step: {function!r:.80} cannot be called; it stands right above a function, below "
            "@classmethod and the like"
        )
    refuse_async(function, "step")
    refuse_generator("step: ", function)
    refuse_async_ways(options)
    return StepFunction(function, rules, options)


def refuse_async_ways(options: Options) -> None:
    """Raise UsageError for a check, undo or owes of which a blocking step would run nothing. One
    that only tells by what it returns is refused when it is called."""
    ways = {"check": options.check, "undo": options.undo, "owes": options.owes}
    for word, way in ways.items():
        if way is None:
            continue
        function = plain(way)
        refuse_async(function, "step")
        refuse_generator(f"{word}=", function)


def refuse_async(function: Callable[..., Any], decorator: str) -> None:
    """Raise UsageError for an `async def`, which would never be awaited here."""
    if is_async(function):
        raise UsageError(
            f"{name_of(function)} is async: use `from holdfast.aio import {decorator}` for it"
        )


def refuse_generator(where: str, function: Callable[..., Any]) -> None:
    """Raise UsageError for a generator function, which nobody would run through here."""
    if is_generator(function):
        raise UsageError(
            f"{where}{name_of(function)} is a generator function, of which a call runs nothing; "
            "let it return instead of yielding"
        )


def make_rules(
    label: str | None = None,
    *,
    retry: Retry | int | None = None,
    timeout: Duration | None = None,
    once: bool = False,
    check: Callable[..., object] | None = None,
    undo: Callable[..., object] | None = None,
    owes: Callable[..., object] | None = None,
    confirm: bool = False,
    reads: bool = False,
    fresh: Duration | None = None,
    was: str | None = None,
    version: str | int | None = None,
    **others: object,
) -> tuple[Rules, Options]:
    """Return the rules of a step. Raises UsageError for options that contradict each other, and
    for what is none."""
    _refuse_others(label, others, {"check": check, "undo": undo, "owes": owes})
    if once and retry is not None:
        raise UsageError(
            "once=True and retry= contradict each other: a once step is never repeated"
        )
    if reads and (once or undo or owes or confirm):
        raise UsageError("reads=True says that a step changes nothing: it takes no once, undo, "
                         "owes or confirm")  # fmt: skip
    rules = Rules(
        retry=Retry.of(retry),
        timeout_s=limit_s(timeout),
        once=once,
        confirm=confirm,
        reads=reads,
        fresh_s=None if fresh is None else seconds(fresh),
        version="" if version is None else str(version),
        has_check=check is not None,
        owes=owes is not None,
        undoes=undo is not None,
    )
    return rules, Options(label, check, undo, owes, was or "")


def limit_s(timeout: Duration | None) -> float | None:
    """Return a limit of time in seconds. Raises UsageError for one that nothing could keep."""
    if timeout is None:
        return None
    found = seconds(timeout)
    if found == 0:
        raise UsageError(f"timeout={timeout!r}: nothing ends in no time; leave it out for no limit")
    return found


def _refuse_others(
    label: object, others: Mapping[str, object], functions: Mapping[str, object]
) -> None:
    for name in others:
        raise UsageError(
            f"{name}= is no option of a step; a function that is to be given it is called by a "
            f"lambda, or is a functools.partial(function, {name}=…)"
        )
    for name, given in functions.items():
        if given is not None and not callable(given):
            raise UsageError(f"{name}={given!r:.80} cannot be called; give a function")
    if label is not None:
        check_label(label)


def check_label(label: object) -> None:
    """Raise UsageError for what is no text. In a plan a text may not be known yet."""
    if isinstance(label, str):
        return
    unknown = loaded("holdfast.model.unknown", "Unknown")  # Only a plan has any.
    if unknown is None or not isinstance(label, unknown):
        raise UsageError(f"{label!r:.80} is no label; the label comes first, and is a text")
