"""The parameters of functions: what is read from a function's code is what `inspect` says."""

from __future__ import annotations

import inspect
from functools import partial, wraps
from typing import Any

import pytest

from holdfast.flow.signatures import EMPTY, Signature, parameters_of


def nothing(): ...
def plain(a, b: int, c: str = "c", d: float | None = None): ...
def only_by_name(a, *, b, c: int = 3): ...
def only_by_place(a, b=1, /, c=2): ...
def some(a, *rest: int): ...
def others(a=1, **rest: str): ...
def everything(a, b=2, /, c=3, *rest, d, e: int = 5, **more): ...
async def awaited(a, b=2): ...
def unresolved(a: Missing, b: list[Missing] = ()): ...  # noqa: F821


@wraps(plain)
def wrapping(*args, **kwargs): ...


class Thing:
    def __init__(self, a: int, b: str = "b") -> None: ...

    def method(self, a, b=2): ...

    @staticmethod
    def static(a, *, b=2): ...

    def __call__(self, a): ...


def signed(*args): ...


signed.__signature__ = inspect.signature(plain)  # type: ignore[attr-defined]

CALLABLES = [
    nothing, plain, only_by_name, only_by_place, some, others, everything, awaited, unresolved,
    wrapping, Thing, Thing.method, Thing(1).method, Thing.static, Thing(1), signed,
    partial(plain, 1), partial(plain, c=1), lambda a, b=1: a,
]  # fmt: skip
CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}), ((1,), {}), ((1, 2), {}), ((1, 2, 3), {}), ((1, 2, 3, 4), {}), ((1, 2, 3, 4, 5), {}),
    ((), {"a": 1}), ((), {"b": 2, "a": 1}), ((1,), {"b": 2}), ((1,), {"a": 1}), ((1, 2), {"d": 4}),
    ((1,), {"z": 1}), ((), {"d": 4, "c": 3, "b": 2, "a": 1}), ((1, 2), {"d": 4, "z": 26}),
    ((1, 2, 3, 4, 5), {"d": 4, "e": 5, "f": 6}), ((1, None), {"c": None}),
]  # fmt: skip


@pytest.mark.parametrize("function", CALLABLES)
def test_parameters_are_those_that_inspect_finds(function):
    """Plain functions are read from their code, all others by `inspect`: nobody can tell which."""
    expected = [
        (
            p.name,
            p.kind,
            EMPTY if p.default is p.empty else p.default,
            EMPTY if p.annotation is p.empty else p.annotation,
        )
        for p in inspect.signature(function).parameters.values()
    ]

    found = [(p.name, p.kind, p.default, p.annotation) for p in parameters_of(function)]

    assert expected == found


@pytest.mark.parametrize("function", CALLABLES)
@pytest.mark.parametrize(("args", "kwargs"), CALLS)
def test_a_call_is_bound_as_inspect_binds_it(function, args, kwargs):
    """The same arguments in the same order, and where they do not fit the same words."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        expected: object = [*bound.arguments.items()]
    except TypeError as error:
        expected = str(error)

    try:
        found: object = [*Signature(function).bind(args, kwargs).items()]
    except TypeError as error:
        found = str(error)

    assert expected == found


def test_a_call_is_made_as_it_was_bound():
    """Also where some can only be given by place, or are more than the parameters."""

    def told(a, b=2, *rest, c=3, **more):
        return a, b, rest, c, more

    def by_name(a, *, b=2):
        return a, b

    several, named = Signature(told), Signature(by_name)

    assert (1, 2, (), 3, {}) == several.call(several.bind((1,), {}))
    assert (1, 5, (6,), 4, {"z": 0}) == several.call(several.bind((1, 5, 6), {"z": 0, "c": 4}))
    assert (1, 7) == named.call(named.bind((), {"b": 7, "a": 1}))
