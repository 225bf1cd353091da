"""The ready-made steps for `async def` workflows: the same names and arguments, awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from holdfast.flow.awaited import place, recorded
from holdfast.flow.steps import StepFunction
from holdfast.ops.kubectl import aio as kubectl
from holdfast.ops.snapshot import Place, Snapshot, labelled

__all__ = ["Snapshot", "awaited", "kubectl", "snapshot"]

P = ParamSpec("P")
R = TypeVar("R")


def awaited(step: StepFunction[P, R]) -> Callable[P, Awaitable[R]]:
    """Return a plain ready-made step for `async def` workflows: `await awaited(drain)(node)`. Its
    body, check, undo and debt run in threads, and are what they are in a plain workflow."""

    @wraps(step.body)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        frame = place(step.name)
        return cast(R, await recorded(frame, step, step.arguments(args, kwargs)))

    return call


async def snapshot(
    path: Place, *, to: Place | None = None, label: str | None = None, keep: bool = False
) -> Snapshot:
    """Keep a directory as it is now, in a thread; see `holdfast.ops.snapshot`."""
    frame = place("snapshot")
    arguments: dict[str, object] = {"path": path, "to": to, "keep": keep}
    return cast(Snapshot, await recorded(frame, labelled(label), arguments))
