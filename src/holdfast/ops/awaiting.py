"""How a plain step is awaited: what the ready-made steps for `async def` workflows share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from holdfast.flow.awaited import place, recorded
from holdfast.flow.steps import StepFunction
from holdfast.flow.unawaited import noted

P = ParamSpec("P")
R = TypeVar("R")


def awaited(step: StepFunction[P, R], verb: str = "") -> Callable[P, Awaitable[R]]:
    """Return a plain ready-made step for `async def` workflows: `await awaited(drain)(node)`. Its
    body, check, undo and debt run in threads, and are what they are in a plain workflow.

    `verb` is what the script calls it, where that is not the step's own name.
    """

    @noted
    @wraps(step.body)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        frame = place(verb or step.name)
        return cast(R, await recorded(frame, step, step.arguments(args, kwargs)))

    return call
