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
    """A coroutine, and how a person finds who made it."""

    coroutine: Coming[Any]
    name: str
    place: str

    @property
    def has_begun(self) -> bool:
        """Whether it was awaited, or closed on purpose: a task that is cancelled closes it."""
        return getcoroutinestate(self.coroutine) != CORO_CREATED


class _Kept:
    """What a life has made and not yet awaited, by the key of who made it; what has begun is let
    go now and then."""

    def __init__(self) -> None:
        self._made: dict[str, list[_Made]] = {}
        self._count, self._limit = 0, _KEPT_MIN

    def add(self, key: str, made: _Made) -> None:
        if self._count >= self._limit:
            self._let_go()
        self._made.setdefault(key, []).append(made)
        self._count += 1

    def _let_go(self) -> None:
        left = {key: [m for m in made if not m.has_begun] for key, made in self._made.items()}
        self._made = {key: made for key, made in left.items() if made}
        self._count = sum(map(len, self._made.values()))
        self._limit = max(_KEPT_MIN, 2 * self._count)

    def take(self, key: str, *, is_scope: bool) -> list[_Made]:
        """Return what a step or scope has made, and whatever is within the scope; let go of it."""
        keys = [key] if key in self._made else []
        if is_scope:
            inside = f"{key}/" if key else ""
            keys = [each for each in self._made if each == key or each.startswith(inside)]
        taken = [made for each in keys for made in self._made.pop(each)]
        self._count -= len(taken)
        return [made for made in taken if not made.has_begun]


_KEPT_MIN: Final = 100
_kept: Final[WeakKeyDictionary[Life, _Kept]] = WeakKeyDictionary()
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
    made = _Made(coroutine, name, f"{caller.f_code.co_filename}:{caller.f_lineno}")
    with _lock:
        _kept.setdefault(frame.life, _Kept()).add(key, made)
    return coroutine


def refuse_unawaited(life: Life, key: str, *, is_scope: bool = True) -> None:
    """Raise UsageError for what was called in a step or scope, and is still not awaited where it
    ends well. Nothing of what it names has run."""
    with _lock:
        kept = _kept.get(life)
        lost = [] if kept is None else kept.take(key, is_scope=is_scope)
    if not lost or life.is_replaying:
        return
    in_tasks = {task.get_coro() for task in asyncio.all_tasks()}
    for made in lost:
        if made.coroutine not in in_tasks:
            made.coroutine.close()  # Python need not warn of what is told here.
    names = ", ".join(f"{made.name} ({made.place})" for made in lost)
    raise UsageError(f"called and never awaited, so it did nothing: {names}; put `await` before it")
