"""Hints: what an annotation means to a person, and what its records are made of.

An annotation that cannot be resolved, or that is not known here, stands for any value.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from types import EllipsisType, NoneType, SimpleNamespace, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    NotRequired,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)
from weakref import WeakKeyDictionary

from holdfast.flow.secret import Secret
from holdfast.flow.signatures import (
    EMPTY,
    KEYWORD_ONLY,
    POSITIONAL_OR_KEYWORD,
    annotations_of,
    parameters_of,
)
from holdfast.model.json import Json
from holdfast.model.loaded import loaded
from holdfast.model.making import dataclass
from holdfast.model.records import shape_of

UNIONS: Final = (Union, UnionType)
_ALIASES_MAX: Final = 50
_EXAMPLE_DEPTH_MAX: Final = 4
_WRAPPERS: Final = (
    Annotated, Required, NotRequired, Final, getattr(typing, "ReadOnly", Annotated),
)  # fmt: skip


def resolve(annotation: object, names: Mapping[str, object], *, extras: bool = False) -> object:
    """Return what a perhaps textual annotation means, or itself when it does not resolve."""
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return get_type_hints(holder, dict(names), include_extras=extras)["it"]
    except Exception:  # Foreign code runs here, and a name may exist for the type checker alone.
        return annotation


def plain(hint: object) -> object:
    """Return the hint behind aliases, NewTypes, type variables and annotations."""
    for _ in range(_ALIASES_MAX):
        if isinstance(hint, NewType):
            hint = hint.__supertype__
        elif isinstance(hint, TypeVar):
            hint = hint.__bound__ or Any
        elif type(hint) is loaded("dataclasses", "InitVar"):
            hint = getattr(hint, "type", Any)
        elif type(hint).__name__ == "TypeAliasType":
            hint = _alias(hint)
        elif get_origin(hint) in _WRAPPERS:
            hint = get_args(hint)[0]
        elif get_origin(hint) is not None and not hasattr(hint, "__args__"):
            return get_origin(hint)  # `typing.List` and the like; `tuple[()]` stays.
        else:
            return NoneType if hint is None else hint
    return Any


def _alias(hint: object) -> object:
    try:
        return getattr(hint, "__value__", Any)
    except Exception:  # Evaluated late; see `resolve`.
        return Any


# --- for people -------------------------------------------------------------------------------


def type_text(hint: object) -> str:
    """Return a hint as it is written in source, without modules: `list[str]`, `int | None`."""
    if hint is EMPTY or hint is Any:
        return "any"
    if isinstance(hint, str):
        return hint
    if type(hint).__name__ == "TypeAliasType":
        return str(hint)  # It may be recursive.
    hint = plain(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin in UNIONS:
        return " | ".join(type_text(arg) for arg in args)
    if origin is Literal:
        return f"Literal[{', '.join(map(_literal, args))}]"
    if hint is NoneType or isinstance(hint, EllipsisType):
        return "None" if hint is NoneType else "..."
    if origin is not None:
        return f"{_name(origin)}[{', '.join(type_text(arg) for arg in args) or '()'}]"
    return _name(hint)


def _literal(value: object) -> str:
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Enum) else repr(value)


def _name(hint: object) -> str:
    if isinstance(hint, list):
        return f"[{', '.join(map(type_text, hint))}]"  # Of a Callable's parameters.
    name = getattr(hint, "__forward_arg__", None) or getattr(hint, "__name__", None)
    return name if isinstance(name, str) else repr(hint).removeprefix("typing.")


def choices(hint: object) -> tuple[str, ...]:
    """Return the texts a value is chosen from, or nothing when there are too many to name."""
    hint = plain(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(hint.__members__)
    if hint is bool:
        return ("true", "false")
    if get_origin(hint) is Literal:
        args = get_args(hint)
        return tuple(str(arg.name if isinstance(arg, Enum) else arg) for arg in args)
    return ()


_EXAMPLES: Final[dict[type, Json]] = {
    str: "text",
    int: 3,
    float: 0.5,
    bool: True,
    NoneType: None,
    date: "2026-01-31",
    datetime: "2026-01-31T09:30:00+00:00",
    time: "09:30",
    timedelta: "1h30m",
    Secret: "@env:NAME",
}
_RARE_EXAMPLES: Final = (
    ("decimal", "Decimal", "0.10"),
    ("uuid", "UUID", "12345678-1234-5678-1234-567812345678"),
)


def example(hint: object, depth: int = 0) -> Json:
    """Return a value in JSON that the hint accepts, for a person to start from."""
    hint = plain(hint)
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and hint in _EXAMPLES:
        return _EXAMPLES[hint]
    for module, name, shown in _RARE_EXAMPLES:
        if hint is loaded(module, name):
            return shown
    if origin in UNIONS:
        return example(next((arg for arg in args if arg is not NoneType), None), depth)
    if origin is Literal:
        return args[0].name if isinstance(args[0], Enum) else args[0]
    base = origin or hint
    if not isinstance(base, type) or depth > _EXAMPLE_DEPTH_MAX:
        return "text"
    if issubclass(base, Enum):
        return next(iter(base.__members__), "text")
    if issubclass(base, PurePath):
        return "some/file"
    if has_fields(base):
        fields = fields_of(base).items()
        return {name: example(field.hint, depth + 1) for name, field in fields if field.required}
    return _container_example(base, hint, depth + 1)


def _container_example(base: type, hint: object, depth: int) -> Json:
    args = get_args(hint)
    names = {parent.__name__ for parent in base.__mro__}
    if names & {"dict", "Mapping"}:
        key, value = args if len(args) == 2 else (str, str)
        written = example(key, depth)
        return {written if isinstance(written, str) else "3": example(value, depth)}
    if base is tuple and args[-1:] != (Ellipsis,) and hint is not tuple:
        return [example(arg, depth) for arg in args]
    if names & {"list", "tuple", "set", "frozenset", "Iterable"}:
        if not args:
            return ["a", "b"]
        return ["a", "b"] if plain(args[0]) is str else [example(args[0], depth)]
    return "text"


# --- records ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """A named part of a record."""

    hint: object
    required: bool


_known_fields: Final[WeakKeyDictionary[type, dict[str, Field]]] = WeakKeyDictionary()


def has_fields(cls: type) -> bool:
    """Return whether a JSON object may stand for an object of the class."""
    return is_typeddict(cls) or (shape_of(cls) is not None and not issubclass(cls, Enum))


def fields_of(cls: type) -> dict[str, Field]:
    """Return what the class is made from: the keys of a TypedDict, or its constructor's names."""
    found = _known_fields.get(cls)
    if found is None:
        hints = _class_hints(cls)
        found = _keys(cls, hints) if is_typeddict(cls) else _arguments(cls, hints)
        _known_fields[cls] = found
    return found


def _keys(cls: type, hints: dict[str, object]) -> dict[str, Field]:
    required: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
    found = {}
    for name, hint in hints.items():
        # As text these words were not seen when the class was made.
        word = get_origin(hint)
        found[name] = Field(
            hint, word is Required or (name in required and word is not NotRequired)
        )
    return found


def _arguments(cls: type, hints: dict[str, object]) -> dict[str, Field]:
    return {
        p.name: Field(hints.get(p.name, hints.get(f"_{p.name}", Any)), p.is_required)
        for p in parameters_of(cls)
        if p.kind in (POSITIONAL_OR_KEYWORD, KEYWORD_ONLY)
    }


def _class_hints(cls: type) -> dict[str, object]:
    hints: dict[str, object] = {}
    # A TypedDict forgets its bases, but carries their annotations itself.
    for base in reversed(cls.__mro__):
        names = vars(sys.modules[base.__module__]) if base.__module__ in sys.modules else {}
        for name, annotation in annotations_of(base).items():
            hints[name] = resolve(annotation, {**names, base.__name__: base}, extras=True)
    return hints


def holds_secret(hint: object, above: tuple[object, ...] = ()) -> bool:
    """Return whether a Secret may be part of such a value, which is then never shown."""
    hint = plain(hint)
    if hint is Secret or any(hint is one for one in above):
        return hint is Secret
    parts = [*get_args(hint)]
    if isinstance(hint, type) and has_fields(hint):
        parts = [field.hint for field in fields_of(hint).values()]
    return any(holds_secret(part, (*above, hint)) for part in parts)
