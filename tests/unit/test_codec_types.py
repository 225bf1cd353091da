"""How recorded names find classes, and how older records fit newer classes."""

from __future__ import annotations

import re
import sys
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from enum import Enum
from types import ModuleType, new_class
from typing import Annotated, Generic, Literal, NewType, Optional, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest

from holdfast.errors import UsageError
from holdfast.model.codec import Types, Undecodable, decode, encode, register

T = TypeVar("T")
HERE = __name__


def obj(name, module="elsewhere", **fields):
    return {"$": "obj", "t": f"{module}:{name}", "v": fields}


@dataclass
class Leaf:
    n: int


class Kind(Enum):
    A = 1


@dataclass
class Base:
    pass


@dataclass
class Derived(Base):
    n: int


@dataclass
class Tree:
    leaf: Leaf | None


class Model(pydantic.BaseModel):
    leaf: Leaf


@attrs.define
class Attr:
    leaf: list[Leaf]


class Struct(msgspec.Struct):
    leaf: Leaf


class Named(typing.NamedTuple):
    leaf: Leaf


class Typed(TypedDict):
    leaf: Leaf


class Box(Generic[T]):
    pass


Bound = TypeVar("Bound", bound=Leaf)


def step(kind: Kind) -> list[Leaf]:
    raise NotImplementedError


def half_known(x: Missing) -> Leaf:  # noqa: F821
    raise NotImplementedError


@pytest.mark.parametrize(
    "offered",
    [
        Leaf,
        list[Leaf],
        Leaf | None,
        Optional[Leaf],  # noqa: UP045
        dict[str, tuple[Leaf, ...]],
        Annotated[Leaf, "note"],
        Sequence[Leaf],
        Box[Leaf],
        Bound,
        NewType("New", Leaf),
        typing.Callable[[Leaf], int],
        Tree,
        Model,
        Attr,
        Struct,
        Named,
        Typed,
        step,
        half_known,
        "Leaf",
        "list[Leaf]",
        Types.of(Leaf),
    ],
    ids=lambda offered: re.sub(" (object )?at 0x[0-9a-f]+", "", str(offered)),
)
def test_annotations_offer_their_classes(offered):
    """A class is found wherever an annotation mentions it."""
    types = Types.of(offered, namespace=globals() if isinstance(offered, str) else None)

    assert Leaf(1) == decode(obj("Leaf", n=1), types)


def test_as_type_offers_too():
    """The annotation of a step's result is enough."""
    assert [Leaf(1)] == decode([obj("Leaf", n=1)], as_type=list[Leaf])


def test_literals_offer_their_enum():
    """A member in a Literal offers its class, and its strings are no annotations."""
    tree = {"$": "enum", "t": "x:Kind", "v": "A"}

    assert Kind.A is decode(tree, as_type=Literal[Kind.A, "nonsense("])


def test_derived_classes_are_offered():
    """A step that is annotated with a base class may return any class derived from it."""
    assert Derived(1) == decode(obj("Derived", n=1), as_type=Base)


def test_the_workflow_file_offers_its_classes():
    """A class of the file is found although the file has another name today."""
    assert Leaf(1) == decode(obj("Leaf", "__main__", n=1), Types.of(namespace=globals()))


def made_in(module, name):
    """Return a record as if it had been defined in that module."""
    made = make_dataclass(name, ["n"])
    made.__module__ = module
    return made


def test_imported_modules_offer_by_exact_name():
    """What the script imported may be named in full; nothing else of it is offered."""
    module = ModuleType("lib_of_script")
    module.Thing = made_in("lib_of_script", "Thing")
    types = Types.of(namespace={"lib": module, "sys": sys})

    assert module.Thing(1) == decode(obj("Thing", "lib_of_script", n=1), types)
    with pytest.raises(Undecodable):
        decode(obj("Thing", "other", n=1), types)


@pytest.mark.parametrize("tag", ["subprocess:Popen", "builtins:dict", "os:system", "sys:modules"])
def test_the_store_calls_nothing(tag):
    """Only records and Enums are made, even of modules that the script imported."""
    import os
    import subprocess

    names = {"os": os, "subprocess": subprocess, "sys": sys, "Popen": subprocess.Popen}

    with pytest.raises(Undecodable):
        decode({"$": "obj", "t": tag, "v": {}}, Types.of(subprocess.Popen, namespace=names))


def test_an_ambiguous_name_is_refused():
    """Two classes of one name and neither's module: nothing is guessed."""
    one, two = (made_in(module, "Twin") for module in ("a", "b"))
    types = Types.of(one, two)

    assert two is type(decode(obj("Twin", "b", n=1), types))
    with pytest.raises(Undecodable, match="2 classes are called Twin"):
        decode(obj("Twin", "c", n=1), types)


def test_a_registered_class_is_found_everywhere():
    """`register` gives the class back and makes its records readable without annotations."""
    cls = register(made_in("lib", "Registered"))

    assert cls(1) == decode(obj("Registered", "__main__", n=1))


def test_only_records_are_registered():
    """A class that cannot be recorded is refused when the script is loaded."""
    with pytest.raises(UsageError, match="no dataclass"):
        register(Box)


def test_what_was_recorded_here_is_read_here():
    """In the process that recorded it, a class needs no annotation."""
    cls = made_in("gone", "Local")
    tree = encode(cls(1))

    assert cls(1) == decode(tree)


def test_a_missing_class_says_what_to_do():
    """The error names the class and both ways to offer it."""
    with pytest.raises(Undecodable, match=r"old:Gone.*annotate.*holdfast\.register\(Gone\)"):
        decode(obj("Gone", "old"))


def families(**fields):
    """Return a class of each family with these annotated fields and defaults."""
    hints = dict.fromkeys(fields, int)
    body = {"__annotations__": hints, "__module__": HERE}
    given = {name: value for name, value in fields.items() if value is not ...}
    return [
        dataclass(type("Row", (), {**body, **given})),
        attrs.define(type("Row", (), {**body, **given})),
        type(pydantic.BaseModel)("Row", (pydantic.BaseModel,), {**body, **given}),
        type(msgspec.Struct)("Row", (msgspec.Struct,), {**body, **given}),
        new_class("Row", (typing.NamedTuple,), {}, lambda names: names.update(body | given)),
    ]


@pytest.mark.parametrize("cls", families(old=..., new=5))
def test_a_field_with_a_default_may_be_added(cls):
    """What was recorded before the field existed is read with its default."""
    read = decode(obj("Row", HERE, old=1), as_type=cls)

    assert (1, 5) == (read.old, read.new)


@pytest.mark.parametrize("cls", families(old=..., new=...))
def test_a_missing_field_is_named(cls):
    """A field without default that was not recorded is an error that names it."""
    with pytest.raises(Undecodable, match=r"'new' was not recorded.*__holdfast_upgrade__"):
        decode(obj("Row", HERE, old=1), as_type=cls)


@pytest.mark.parametrize("cls", families(old=...))
def test_a_removed_field_is_named(cls):
    """A recorded field that exists no more is an error that names it, not lost silently."""
    with pytest.raises(Undecodable, match="'gone' exists no more"):
        decode(obj("Row", HERE, old=1, gone=2), as_type=cls)


def test_factories_fill_added_fields():
    """Each record gets a default of its own."""

    @attrs.define
    class Row:
        a: int
        b: list = attrs.Factory(list)
        c: int = attrs.Factory(lambda self: self.a + 1, takes_self=True)

    class Other(msgspec.Struct):
        b: list = msgspec.field(default_factory=list)

    @dataclass
    class Third:
        b: list = field(default_factory=list)

    class Fourth(pydantic.BaseModel):
        b: list = pydantic.Field(default_factory=list)

    rows = [decode(obj("x", a=1), types=Single(Row)) for _ in range(2)]
    others = [decode(obj("x"), types=Single(cls)) for cls in (Other, Third, Fourth)]

    assert [Row(1, [], 2)] * 2 == rows
    assert rows[0].b is not rows[1].b
    assert [[], [], []] == [other.b for other in others]


class Single(Types):
    """Resolves every name to one class."""

    def __init__(self, cls):
        super().__init__((), {})
        self.cls = cls

    def resolve(self, tag):
        return self.cls


@dataclass
class Upgraded:
    seconds: int

    @classmethod
    def __holdfast_upgrade__(cls, fields):
        fields["seconds"] = fields.pop("minutes") * 60
        return fields


def test_a_class_converts_its_older_records():
    """The hook is asked when the recorded names are not today's, and only then."""
    assert Upgraded(120) == decode(obj("Upgraded", HERE, minutes=2), as_type=Upgraded)
    assert Upgraded(3) == decode(obj("Upgraded", HERE, seconds=3), as_type=Upgraded)


def test_an_error_in_a_hook_names_the_class():
    """Whatever a class raises while it is put together is told with its name."""
    with pytest.raises(Undecodable, match="Upgraded: it raised KeyError: 'minutes'"):
        decode(obj("Upgraded", HERE, hours=3), as_type=Upgraded)


def test_a_missing_member_is_named():
    """A member that was removed or renamed is an error that names it."""
    with pytest.raises(Undecodable, match="no member 'B'"):
        decode({"$": "enum", "t": f"{HERE}:Kind", "v": "B"}, as_type=Kind)


def test_an_unknown_time_zone_is_named():
    """A zone that this machine lacks says what to install."""
    tree = {"$": "datetime", "v": "2026-01-01T00:00:00+00:00", "zone": "Moon/Base"}

    with pytest.raises(Undecodable, match=r"'Moon/Base'.*tzdata"):
        decode(tree)


def test_a_type_that_speaks_of_itself_is_walked_once():
    """An alias that is written as a text, and is in itself, ends the search like any other."""
    names: dict[str, object] = {"Tangled": "str | list[Tangled] | dict[str, Tangled]"}

    with pytest.raises(Undecodable, match="no class of that name"):
        Types.of("Tangled", namespace=names).resolve("elsewhere:Nope")
