"""Calls that nobody awaited: they did nothing, and nobody may take them for done.

Python warns of a coroutine that is thrown away, on stderr, when it gets to it. A run must not
succeed meanwhile. So what the awaited verbs and steps make is kept here until it has begun, and
asked for where a step, a scope or the workflow ends well.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, Final, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from holdfast.errors import UsageError
from holdfast.locks import Lock
from holdfast.model.making import dataclass
from holdfast.runtime.context import FRAME
from holdfast.runtime.life import Life

P = ParamSpec("P")
T = TypeVar("T")
Coming = Coroutine[Any, Any, T]


@dataclass(frozen=True, slots=True)
class _Made:
    """A coroutine, the key of the step or scope that made it, and how a person finds it."""

    coroutine: Coming[Any]
    key: str
    name: str
    place: str

    @property
    def has_begun(self) -> bool:
        """Whether it was awaited, or closed on purpose: a task that is cancelled closes it."""
        return getcoroutinestate(self.coroutine) != CORO_CREATED


_LOOK_AT: Final = 128
"""So many are kept before those that have begun are forgotten."""
_made: Final[WeakKeyDictionary[Life, list[_Made]]] = WeakKeyDictionary()
_lock: Final = Lock()


def noted(verb: Callable[P, Coming[T]]) -> Callable[P, Coming[T]]:
    """Return an awaited verb whose calls are to be awaited."""

    @wraps(verb)
    def called(*args: P.args, **kwargs: P.kwargs) -> Coming[T]:
        return note(verb.__name__, verb(*args, **kwargs))

    return called


def note(name: str, coroutine: Coming[T]) -> Coming[T]:
    """Return the coroutine, which whoever called `name` here is to await."""
    frame = FRAME.get()
    if frame is None:
        return coroutine
    caller = sys._getframe(2)
    key = frame.trace.scope if frame.step is None else frame.step.key
    made = _Made(coroutine, key, name, f"{caller.f_code.co_filename}:{caller.f_lineno}")
    with _lock:
        kept = _made.setdefault(frame.life, [])
        kept.append(made)
        size = len(kept)
        if size >= _LOOK_AT and size & (size - 1) == 0:
            # At each power of two: thousands that are gathered at once are not looked at for each.
            kept[:] = [each for each in kept if not each.has_begun]
    return coroutine


def refuse_unawaited(life: Life, key: str) -> None:
    """Raise UsageError for what was called in a step or scope, and is still not awaited where it
    ends well. Nothing of what it names has run."""
    inside = f"{key}/" if key else ""
    with _lock:
        kept = _made.pop(life, [])
        here = [made.key == key or made.key.startswith(inside) for made in kept]
        _made[life] = [made for made, is_here in zip(kept, here, strict=True) if not is_here]
    lost = [m for m, is_here in zip(kept, here, strict=True) if is_here and not m.has_begun]
    if not lost or life.is_replaying:
        return
    in_tasks = {task.get_coro() for task in asyncio.all_tasks()}
    for made in lost:
        if made.coroutine not in in_tasks:
            made.coroutine.close()  # Python need not warn of what is told here.
    names = ", ".join(f"{made.name} ({made.place})" for made in lost)
    raise UsageError(f"called and never awaited, so it did nothing: {names}; put `await` before it")
