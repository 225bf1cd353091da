"""What a function of the script comes to when it is called: a value, or what has yet to run.

Calling an `async def`, or a generator function, runs nothing of it: what comes back has to be
awaited, or run through. Whether that will be so can be told of some functions before they are
called, and of all others (a lambda around one, say) only by what they return. Nothing that has
yet to run may ever count as a result, as done, or as a yes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType, MethodType
from typing import Final

from holdfast.errors import UsageError

_GENERATOR: Final = 0x20
_COROUTINE: Final = 0x80
_AWAITED_GENERATOR: Final = 0x100
_ASYNC_GENERATOR: Final = 0x200
"""co_flags of functions that run nothing when they are called."""
PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes, list, tuple, dict})
"""Types of most values, so that these are told at once."""


class UnusableAnswer(UsageError):
    """What a function of the script returned can never be used. A check's is no UNKNOWN either:
    it will never say anything else, and the effect would be repeated."""


class NeverRan(UnusableAnswer):
    """A function of the script returned what has yet to run, where nobody runs it."""


def is_async(function: object) -> bool:
    """Whether the function is an `async def`, also behind `functools.partial` and `__call__`."""
    return bool(_flags_of(function) & _COROUTINE)


def is_generator(function: object) -> bool:
    """Whether the function runs only while somebody takes from it what it yields."""
    return bool(_flags_of(function) & (_GENERATOR | _ASYNC_GENERATOR))


def is_awaitable(value: object) -> bool:
    """Whether `value` is to be awaited; `inspect` says the same, and takes longer to load."""
    if isinstance(value, GeneratorType):
        return bool(value.gi_code.co_flags & _AWAITED_GENERATOR)
    return hasattr(type(value), "__await__")


def yet_to_run(value: object) -> str:
    """Return what `value` is if it has yet to run; nothing for a value."""
    cls = type(value)
    if cls in PLAIN:
        return ""
    if is_awaitable(value):
        name = cls.__qualname__
        if cls.__module__ != "builtins":
            name = f"{cls.__module__}.{name}"
        return f"a {name} that nobody awaited"
    if isinstance(value, GeneratorType):
        return "a generator that nobody ran through"
    if isinstance(value, AsyncGeneratorType):
        return "an async generator that nobody ran through"
    return ""


def has_run(value: object, what: str) -> object:
    """Return the value that calling `what` came to. Raises NeverRan for what has yet to run."""
    found = yet_to_run(value)
    if not found:
        return value
    if isinstance(value, CoroutineType):
        value.close()  # Python need not warn of what is told here.
    if is_awaitable(value):
        advice = "await it: the verbs of holdfast.aio take an `async def`"
    else:
        advice = "run through it, or let the function return instead of yielding"
    raise NeverRan(f"{what} returned {found}, so it did nothing; {advice}")


def _flags_of(function: object) -> int:
    while isinstance(function, partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None:  # An object is called by its class.
        call = getattr(type(function), "__call__", None)  # noqa: B004 - its code is asked for
        code = getattr(call, "__code__", None)
    return int(getattr(code, "co_flags", 0))


def layers_of(function: object) -> list[object]:
    """Return what is called, outermost first: a function behind partials, decorators that name
    what they wrap, methods, and objects that can be called."""
    layers = [function]
    while len(layers) < _LAYERS_MAX:
        inner = _behind(layers[-1])
        if inner is None:
            break
        layers.append(inner)
    return layers


_LAYERS_MAX: Final = 100


def _behind(layer: object) -> object:
    if isinstance(layer, partial):
        return layer.func
    if isinstance(layer, MethodType):
        return layer.__func__
    inner: object = getattr(layer, "__wrapped__", None)
    if inner is None and not isinstance(layer, FunctionType | type):
        call = getattr(type(layer), "__call__", None)  # noqa: B004 - its code is asked for
        inner = call if isinstance(call, FunctionType) else None
    return inner


def name_of(function: Callable[..., object]) -> str:
    """Return what a person calls a function, also one that has no name of its own."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__name__", "") or type(function).__name__
    return str(name)
