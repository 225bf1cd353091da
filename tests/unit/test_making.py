"""Frozen dataclasses that are made often stay what they were declared to be."""

from __future__ import annotations

import copy
import inspect
from dataclasses import fields, replace

import pytest

from holdfast.engine.effects import Record
from holdfast.model.facts import StepStarted, StepSucceeded
from holdfast.model.making import dataclass, made_often


@dataclass(frozen=True, slots=True)
class Declared:
    """A class as it is without the decorator."""

    first: int
    second: str = "b"


@made_often
@dataclass(frozen=True, slots=True)
class Quick:
    """The same class with it."""

    first: int
    second: str = "b"


def test_it_is_made_from_the_same_arguments():
    """Positions, keywords and defaults are those of the declaration, and so are its errors."""
    assert [Quick(1), Quick(first=1, second="b")] == [Quick(1, "b")] * 2
    assert [p.default for p in inspect.signature(Quick).parameters.values()] == [
        p.default for p in inspect.signature(Declared).parameters.values()
    ]
    with pytest.raises(TypeError, match="first"):
        Quick()  # type: ignore[call-arg]


@pytest.mark.parametrize("cls", [Quick, StepStarted, StepSucceeded, Record])
def test_it_has_its_fields_and_nothing_else(cls):
    """An object is of its own class and takes no attribute that its class does not declare."""
    made = cls(*range(len(fields(cls))))

    assert [getattr(made, field.name) for field in fields(cls)] == [*range(len(fields(cls)))]
    assert type(made) is cls and not hasattr(made, "__dict__")
    with pytest.raises(AttributeError):
        made.nosuch = 2


def test_it_compares_hashes_copies_and_shows_itself():
    """What a dataclass gives for free is still given."""
    made = Quick(1, "c")

    assert {made} == {Quick(1, "c")}
    assert "Quick(first=1, second='c')" == repr(made)
    assert Quick(2, "c") == replace(made, first=2)
    assert made == copy.deepcopy(made)


def test_what_needs_more_than_its_fields_is_refused():
    """A class whose objects are not just its arguments keeps its own `__init__`."""

    @dataclass(frozen=True, slots=True)
    class Hooked:
        first: int

        def __post_init__(self) -> None:
            raise ValueError

    with pytest.raises(AssertionError, match="Hooked"):
        made_often(Hooked)
