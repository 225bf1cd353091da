"""What a step returns finds its classes in the file of its function, whatever stands around it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import pytest
from tests.unit.runs import Runs
from tests.unit.wrappers import timed, wrapping

from holdfast import do, each, parallel, require, step, wait_for, workflow


@dataclass(frozen=True)
class Place:
    line: int


def place(line: int):
    return Place(line)


class Finder:
    """Something that can be called, and has a method, and an heir."""

    def __call__(self, line: int):
        return Place(line)

    def find(self, line: int):
        return Place(line)


class Heir(Finder):
    pass


AROUND = [
    timed(place),
    timed(timed(place)),
    functools.partial(place),
    functools.partial(timed(place)),
    timed(functools.partial(place)),
    functools.cache(place),
    Finder(),
    Heir(),
    Finder().find,
    functools.partial(Finder().find),
]


@pytest.mark.parametrize("function", AROUND)
@pytest.mark.parametrize(
    "verb",
    [
        lambda fn: do("a", fn, 3),
        lambda fn: step("a")(fn)(3),
        lambda fn: require("a", fn, 3),
        lambda fn: wait_for("a", fn, 3),
        lambda fn: parallel(("a", fn, 3))[0],
        lambda fn: next(each([3], fn, name="a", keep=True).results())[1],
    ],
    ids=["do", "step", "require", "wait_for", "parallel", "each"],
)
def test_decorators_and_partials_hide_no_class(runs: Runs, verb, function) -> None:
    """Without any annotation, in every verb that records what a function returns."""

    @workflow
    def flow() -> Place:
        return verb(function)

    outcome = runs.start(flow)

    assert Place(3) == outcome.result, outcome.reason


def test_a_decorator_s_own_class_is_found_too(runs: Runs) -> None:
    """It may return the value in something of its own."""

    @workflow
    def flow() -> object:
        return do("a", wrapping(place), 3).value

    outcome = runs.start(flow)

    assert Place(3) == outcome.result, outcome.reason
