"""Our own dataclasses behave as those of `dataclasses` do."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.model.facts import KINDS
from holdfast.model.making import dataclass, field, replace
from holdfast.testing.samples import every_fact

std: Any = dataclasses.dataclass


@dataclass(frozen=True, slots=True)
class Ours:
    """A class of ours."""

    a: int
    b: str = "x"
    c: tuple[int, ...] = ()


@std(frozen=True, slots=True)
class Theirs:
    """The same by `dataclasses`."""

    a: int
    b: str = "x"
    c: tuple[int, ...] = ()


@dataclass(slots=True)
class Open:
    """One that may be changed."""

    a: int = 1
    many: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wider(Ours):
    """One that has more than its base."""

    d: int = 4


def pairs() -> Iterator[tuple[Any, Any]]:
    yield Ours(1), Theirs(1)
    yield Ours(1, c=(2,)), Theirs(1, c=(2,))


def test_it_shows_compares_and_hashes_as_ever() -> None:
    """The text, equality, hash, order of fields and defaults are those of `dataclasses`."""
    for ours, theirs in pairs():
        assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
        assert hash(ours) == hash(theirs)
        assert ours == copy.copy(ours) == copy.deepcopy(ours) == pickle.loads(pickle.dumps(ours))
        assert ours != theirs and ours != replace(ours, a=9)
        names = [each.name for each in dataclasses.fields(ours)]
        assert names == [each.name for each in dataclasses.fields(theirs)]
    assert Ours.__match_args__ == Theirs.__match_args__  # type: ignore[attr-defined]


def test_it_takes_what_it_declares() -> None:
    """A missing, unknown or doubled argument is a TypeError, in the first call and later ones."""
    for wrong in ({}, {"a": 1, "nosuch": 2}):
        for _ in range(2):
            with pytest.raises(TypeError):
                Ours(**wrong)
    with pytest.raises(TypeError):
        Ours(1, a=2)


@pytest.mark.parametrize("made", [Ours(1), Wider(1)])
def test_what_is_frozen_cannot_be_changed(made: Any) -> None:
    """Neither a field nor anything else can be set or removed."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.a = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del made.a
    with pytest.raises((AttributeError, TypeError)):
        made.other = 2
    assert not hasattr(made, "__dict__")


def test_a_factory_makes_each_its_own() -> None:
    """Objects share no default that can be changed, and what can be changed has no hash."""
    first, second = Open(), Open()
    first.many.append(1)

    assert [] == second.many
    assert Open.__hash__ is None


def test_a_class_inherits_the_fields_of_its_base() -> None:
    """They come first, and it is another class to compare."""
    assert Wider(1, d=5) == Wider(1, "x", (), 5)
    assert Wider(1) != Ours(1)
    assert replace(Wider(1), b="y") == Wider(1, "y")
    assert dataclasses.replace(Ours(1), b="y") == Ours(1, "y")


def test_every_fact_is_such_a_class() -> None:
    """`dataclasses` reads the fields of each, and replaces them."""
    for kind in KINDS.values():
        assert dataclasses.is_dataclass(kind)
    for fact in every_fact():
        assert dataclasses.replace(fact) == fact
        assert hash(fact) == hash(copy.copy(fact)) if _is_hashable(fact) else True


def _is_hashable(fact: object) -> bool:
    try:
        hash(fact)
    except TypeError:
        return False
    return True
