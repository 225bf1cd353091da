"""The parameters of functions: what is read from a function's code is what `inspect` says."""

from __future__ import annotations

import inspect
from functools import cache, partial, wraps
from typing import Any

import pytest
from tests.unit.runs import Runs

import holdfast
from holdfast import UsageError, aio, do, each, require, step, wait_for, workflow
from holdfast.flow.signatures import EMPTY, Signature, parameters_of
from holdfast.model.facts import StepStarted


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


@wraps(plain)
def by_place(*args):
    return args


@wraps(plain)
def by_names(**named):
    return tuple(named.values())


@wraps(by_place)
def around(*args, **kwargs):
    return by_place(*args, **kwargs)


@pytest.mark.parametrize(
    "function", [by_place, by_names, around, partial(by_place), cache(by_place)]
)
def test_a_decorator_is_called_as_it_can_be(function):
    """It tells the parameters of what it wraps, and may take them by place or by name alone."""
    signature = Signature(function)

    assert (1, 2, "c", None) == signature.call(signature.bind((1,), {"b": 2}))


@pytest.mark.parametrize("function", [int, str, bool, max, min, partial(int, base=2)])
def test_a_builtin_that_tells_no_parameters_is_bound_as_it_is_called(function: Any) -> None:
    """Its arguments come back as they were given, by place and by name."""
    signature = Signature(function)

    assert function("11") == signature.call(signature.bind(("11",), {}))


def test_a_wrong_call_names_its_step(runs: Runs) -> None:
    """As Python does it for a function; `inspect` names the argument alone."""

    @workflow
    def flow() -> None:
        step(only_by_name)()  # type: ignore[call-arg]

    assert "TypeError: only_by_name(): missing a required argument: 'a'" == runs.start(flow).reason


class Fleet:
    """Steps of every kind that a class can have, in either order."""

    @step
    def method(self, name: str) -> str:
        return name

    @staticmethod
    @step
    def inner(name: str) -> str:
        return name

    @step
    @staticmethod
    def outer(name: str) -> str:
        return name

    @classmethod
    @step
    def of_class(cls, name: str) -> str:
        return cls.__name__ + name


def test_a_step_may_be_any_kind_of_method(runs: Runs) -> None:
    """Called of the class and of an object, in a run as outside any."""

    def calls() -> list[object]:
        fleet = Fleet()
        return [
            fleet.method("a"), fleet.inner("a"), Fleet.inner("b"), fleet.outer("a"),
            Fleet.outer("b"), fleet.of_class("a"), Fleet.of_class("b"),
        ]  # fmt: skip

    flow = workflow(name="flow")(calls)

    assert ["a", "a", "b", "a", "b", "Fleeta", "Fleetb"] == calls()
    assert calls() == runs.start(flow).result


# --- what is no callable ---


def test_any_callable_is_any_callable(runs: Runs) -> None:
    """Also classes, and builtins that tell no parameters, in `do` and in `each`."""

    @workflow
    def flow() -> list[Any]:
        numbers = [do("five", int, "5"), do("most", max, 1, 2), do("map", partial(dict, a=1))]
        return [*numbers, require("one", bool, 1), each(["1", "2"], int).done]

    assert [5, 2, {"a": 1}, True, 2] == runs.start(flow).result


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: do(5, len), "5 is no label"),  # type: ignore[arg-type]
        (lambda: do("five", 5), "5 cannot be called"),  # type: ignore[arg-type]
        (lambda: require("five", 5), "5 cannot be called"),  # type: ignore[arg-type]
        (lambda: wait_for("five", 5), "5 cannot be called"),  # type: ignore[arg-type]
        (lambda: do("map", dict, region="eu"), "functools.partial(function, region=…)"),
        (lambda: do("size", len, "abc", undo=int), "int does not tell its parameters"),
        (lambda: do("size", len, "abc", check=5), "check=5 cannot be called"),
        (lambda: do("size", len, "abc", timeout=0), "nothing ends in no time"),
        (lambda: each(["abc"], len, timeout="0s"), "nothing ends in no time"),
        (lambda: step(classmethod(len)), "below @classmethod"),
        (lambda: step("size")(classmethod(len)), "below @classmethod"),
    ],
)
def test_what_cannot_be_a_step_is_a_usage_error(runs: Runs, call: Any, why: str) -> None:
    """It says what to write, and nothing ran."""

    @workflow
    def flow() -> None:
        call()

    outcome = runs.start(flow)

    assert (2, []) == (outcome.exit_code, runs.facts(StepStarted))
    assert why in outcome.reason


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: workflow(partial(plain, 1)), "no function of a script"),
        (lambda: workflow(int), "no function of a script"),
        (lambda: aio.workflow(5), "no function of a script"),
        (lambda: holdfast.run(lambda: 1), "no workflow"),  # type: ignore[arg-type, return-value]
        (lambda: step("label")(5), "cannot be called"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_a_workflow_is_a_usage_error(call: Any, why: str) -> None:
    """Where it is given, and before anything is recorded."""
    with pytest.raises(UsageError, match=why):
        call()


def test_main_says_what_is_no_workflow(capsys: pytest.CaptureFixture[str]) -> None:
    """As any other wrong use, with exit 2."""
    with pytest.raises(SystemExit) as ended:
        holdfast.main(plain)  # type: ignore[arg-type]

    assert 2 == ended.value.code
    assert "is no workflow; define a function under `@workflow`" in capsys.readouterr().err
