"""Records: how objects with named fields come apart, and together again years later.

Five families are known: dataclasses, NamedTuples, and by duck typing pydantic models, attrs
classes and msgspec Structs, none of which is imported here. A record is put together as `copy`
does it: without its `__init__`, so that converters and validators do not work on values they
have already worked on. A `__post_init__` without InitVars does run, because it may set up
attributes that are no fields; whatever it does to the fields is then undone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from enum import Enum
from operator import attrgetter
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

from holdfast.errors import UsageError
from holdfast.model.making import dataclass

UPGRADE: Final = "__holdfast_upgrade__"
ADVICE: Final = "__holdfast_advice__"
"""What a class of ours that is no value says to whoever wants it recorded: give what instead."""


class Undecodable(UsageError):
    """A recorded value does not fit today's code; the message says what to do."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"cannot read back {name}: {why}")
        self.name, self.why = name, why


class Required(Exception):
    """The field has no default."""


class Family(ABC):
    """How the classes of one kind name, default and take their fields."""

    @abstractmethod
    def owns(self, cls: type) -> bool:
        """Return whether `cls` is one of this family."""

    @abstractmethod
    def names(self, cls: type) -> tuple[str, ...]:
        """Return the names of the fields, in order."""

    @abstractmethod
    def default(self, cls: type, name: str, known: dict[str, object]) -> object:
        """Return a missing field's default, or raise `Required`."""

    @abstractmethod
    def make(self, cls: type, known: dict[str, object], aside: dict[str, object]) -> object:
        """Return the object that has exactly these fields."""

    def aside(self, value: object) -> dict[str, object]:
        """Return what the object holds besides its fields, by a name for each."""
        return {}


def dataclass_fields(cls: type) -> tuple[Any, ...]:
    """Return the fields of a user's dataclass. Its module is imported by who has one: it costs a
    start as much as everything else here."""
    from dataclasses import fields

    return fields(cls)


class _Dataclasses(Family):
    def owns(self, cls: type) -> bool:
        # Looked for, and not asked for: our own classes load `dataclasses` when they are.
        return any("__dataclass_fields__" in vars(base) for base in cls.__mro__)

    def names(self, cls: type) -> tuple[str, ...]:
        return tuple(field.name for field in dataclass_fields(cls))

    def default(self, cls: type, name: str, known: dict[str, object]) -> object:
        from dataclasses import MISSING

        field = next(field for field in dataclass_fields(cls) if field.name == name)
        if field.default is not MISSING:
            return field.default
        if field.default_factory is not MISSING:
            return field.default_factory()
        raise Required

    def make(self, cls: type, known: dict[str, object], aside: dict[str, object]) -> object:
        hooked = hasattr(cls, "__post_init__") and not _has_init_vars(cls)
        return _assembled(cls, known, "__post_init__" if hooked else "")


def _has_init_vars(cls: type) -> bool:
    """Return whether `__post_init__` takes arguments, which nobody recorded."""
    found = attrgetter("__dataclass_fields__")(cls).values()
    return any(repr(attrgetter("_field_type")(field)) == "_FIELD_INITVAR" for field in found)


class _NamedTuples(Family):
    def owns(self, cls: type) -> bool:
        return issubclass(cls, tuple) and hasattr(cls, "_fields")

    def names(self, cls: type) -> tuple[str, ...]:
        return tuple(attrgetter("_fields")(cls))

    def default(self, cls: type, name: str, known: dict[str, object]) -> object:
        defaults = attrgetter("_field_defaults")(cls)
        if name not in defaults:
            raise Required
        return defaults[name]

    def make(self, cls: type, known: dict[str, object], aside: dict[str, object]) -> object:
        return attrgetter("_make")(cls)(known.values())


class _Attrs(Family):
    def owns(self, cls: type) -> bool:
        return hasattr(cls, "__attrs_attrs__")

    def names(self, cls: type) -> tuple[str, ...]:
        return tuple(field.name for field in attrgetter("__attrs_attrs__")(cls))

    def default(self, cls: type, name: str, known: dict[str, object]) -> object:
        every = attrgetter("__attrs_attrs__")(cls)
        found = next(field.default for field in every if field.name == name)
        if repr(found) == "NOTHING":
            raise Required
        if not hasattr(found, "takes_self"):
            return found
        return found.factory(_assembled(cls, known, "")) if found.takes_self else found.factory()

    def make(self, cls: type, known: dict[str, object], aside: dict[str, object]) -> object:
        made = _assembled(cls, known, "__attrs_post_init__")
        hashing = getattr(cls.__hash__, "__code__", None)
        if hashing is not None and "_attrs_cached_hash" in hashing.co_names:
            object.__setattr__(made, "_attrs_cached_hash", None)
        return made


class _Pydantic(Family):
    """Models of pydantic 2; `__setstate__` is what it offers to pickle."""

    def owns(self, cls: type) -> bool:
        return hasattr(cls, "__pydantic_fields__") and hasattr(cls, "__pydantic_private__")

    def names(self, cls: type) -> tuple[str, ...]:
        return tuple(attrgetter("__pydantic_fields__")(cls))

    def default(self, cls: type, name: str, known: dict[str, object]) -> object:
        field = attrgetter("__pydantic_fields__")(cls)[name]
        if field.is_required():
            raise Required
        if field.default_factory is None:
            return deepcopy(field.default)
        if getattr(field, "default_factory_takes_validated_data", False):
            return field.default_factory(known)
        return field.default_factory()

    def make(self, cls: type, known: dict[str, object], aside: dict[str, object]) -> object:
        unset = aside.get("unset", [])
        chosen = {name for name in known if isinstance(unset, list) and name not in unset}
        extra, private = aside.get("extra"), aside.get("private")
        made = attrgetter("__new__")(cls)(cls)
        state = {
            "__dict__": known,
            "__pydantic_extra__": extra,
            "__pydantic_fields_set__": chosen | set(extra if isinstance(extra, dict) else ()),
            "__pydantic_private__": private,
        }
        attrgetter("__setstate__")(made)(state)
        return made

    def aside(self, value: object) -> dict[str, object]:
        chosen = attrgetter("__pydantic_fields_set__")(value)
        unset = [name for name in self.names(type(value)) if name not in chosen]
        extra = attrgetter("__pydantic_extra__")(value)
        private = attrgetter("__pydantic_private__")(value)
        found = {"unset": unset or None, "extra": extra, "private": private}
        return {name: part for name, part in found.items() if part is not None}


class _Structs(Family):
    """msgspec Structs, whose constructor neither converts nor checks."""

    def owns(self, cls: type) -> bool:
        return hasattr(cls, "__struct_fields__")

    def names(self, cls: type) -> tuple[str, ...]:
        return tuple(attrgetter("__struct_fields__")(cls))

    def default(self, cls: type, name: str, known: dict[str, object]) -> object:
        names = self.names(cls)
        defaults = attrgetter("__struct_defaults__")(cls)
        place = names.index(name) - (len(names) - len(defaults))
        if place < 0 or repr(defaults[place]) == "NODEFAULT":
            raise Required
        found = defaults[place]
        return found.factory() if type(found).__name__ == "Factory" else found

    def make(self, cls: type, known: dict[str, object], aside: dict[str, object]) -> object:
        made: object = cls(**known)
        for name, value in known.items():
            if getattr(made, name) is not value:
                setattr(made, name, value)
        return made


_FAMILIES: Final = (_Pydantic(), _Structs(), _Attrs(), _Dataclasses(), _NamedTuples())
_SCALARS: Final = (
    int,
    float,
    complex,
    str,
    bytes,
    bytearray,
    list,
    set,
    frozenset,
    dict,
    BaseException,
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked of a class again and again; it does not keep the class alive."""

    tag: str
    family: Family
    names: tuple[str, ...]
    # False when the class is also a str, a dict… whose content the fields do not hold.
    is_whole: bool

    known: ClassVar[WeakKeyDictionary[type, Shape | None]] = WeakKeyDictionary()


def tag_of(cls: type) -> str:
    """Return the name under which the class is recorded: `module:qualname`."""
    return f"{cls.__module__}:{cls.__qualname__}"


def shape_of(cls: type) -> Shape | None:
    """Return how the objects of `cls` come apart, or None when it is no record."""
    try:
        return Shape.known[cls]
    except KeyError:
        pass
    family, found = _family_of(cls), None
    if family is not None and not issubclass(cls, Enum):
        basis = (*_SCALARS, tuple) if not isinstance(family, _NamedTuples) else _SCALARS
        found = Shape(tag_of(cls), family, family.names(cls), not issubclass(cls, basis))
    Shape.known[cls] = found
    return found


def is_recordable(cls: type) -> bool:
    """Return whether objects of `cls` are recorded under its name."""
    return issubclass(cls, Enum) or _family_of(cls) is not None


def _family_of(cls: type) -> Family | None:
    if ADVICE in cls.__dict__:
        return None
    return next((family for family in _FAMILIES if family.owns(cls)), None)


def rebuild(cls: type, recorded: dict[str, object], aside: dict[str, object]) -> object:
    """Return the object of `cls` that was recorded with these fields, perhaps by older code.

    A field added since gets its default. When the recorded names are not those of today and the
    class has the classmethod `__holdfast_upgrade__(cls, fields) -> fields`, that is asked first.
    Raises `Undecodable`, naming the field, when one is missing or exists no more.
    """
    shape = shape_of(cls)
    assert shape is not None
    try:
        return shape.family.make(cls, _fitted(cls, shape, recorded), aside)
    except UsageError:
        raise
    except Exception as error:
        why = f"it raised {type(error).__name__}: {error}"
        raise Undecodable(f"a {shape.tag}", why) from error


def _fitted(cls: type, shape: Shape, recorded: dict[str, object]) -> dict[str, object]:
    if recorded.keys() != set(shape.names) and hasattr(cls, UPGRADE):
        recorded = dict(getattr(cls, UPGRADE)(dict(recorded)))
    for name in recorded:
        if name not in shape.names:
            raise Undecodable(f"a {shape.tag}", f"its field {name!r} exists no more; {_ADVICE}")
    known: dict[str, object] = {}
    for name in shape.names:
        try:
            known[name] = (
                recorded[name] if name in recorded else shape.family.default(cls, name, known)
            )
        except Required:
            why = f"the field {name!r} was not recorded and has no default; {_ADVICE}"
            raise Undecodable(f"a {shape.tag}", why) from None
    return known


_ADVICE: Final = f"convert older values in a classmethod {UPGRADE}(cls, fields)"


def _assembled(cls: type, known: dict[str, object], hook: str) -> object:
    """Return a new object with these attributes, frozen or not; `hook` has then run."""
    made: object = attrgetter("__new__")(cls)(cls)
    for name, value in known.items():
        object.__setattr__(made, name, value)
    if hook and hasattr(made, hook):
        getattr(made, hook)()
        for name, value in known.items():
            object.__setattr__(made, name, value)
    return made
