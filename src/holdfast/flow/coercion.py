"""Coercion: a value from Python, JSON or a command line as its annotation wants it.

A value is converted where that loses nothing and nobody could have meant anything else, as the
text "2026-01-31" for a date. Everything else is refused: what a run was started with is recorded
and acted upon for days. Coercing a second time changes nothing.
"""

from __future__ import annotations

import collections.abc
import json
from collections.abc import Callable, Mapping
from enum import Enum
from math import isfinite
from types import NoneType
from typing import Any, Final, Literal, NoReturn, get_args, get_origin, is_typeddict

from holdfast.errors import UsageError
from holdfast.flow.conversions import Refused, converter
from holdfast.flow.hints import UNIONS, Field, fields_of, has_fields, plain


class Mismatch(Exception):
    """`given`, found at `path` inside the value, is not what `hint` says."""

    def __init__(self, hint: object, given: object, why: str = "") -> None:
        super().__init__(why)
        self.hint, self.given, self.why, self.path = hint, given, why, ""


def coerce(value: object, hint: object) -> object:
    """Return `value` as `hint` wants it, or raise Mismatch; an unknown hint wants anything."""
    hint = plain(hint)
    convert = converter(hint)
    if convert is not None:
        return _converted(convert, value, hint)
    origin = get_origin(hint)
    if origin in UNIONS:
        return _member(value, hint)
    if origin is Literal:
        return _chosen(value, hint)
    base = origin or hint
    if not isinstance(base, type) or base is object:
        return value
    if base in _CONTAINERS:
        return _CONTAINERS[base](value, hint)
    return _record(value, base) if has_fields(base) else value


def from_text(text: str, hint: object) -> object:
    """Return what a person typed as `hint` wants it, or raise Mismatch.

    A `str` is taken as it stands, all else as JSON, or else as the type's own text.
    """
    if plain(hint) is str:
        return text
    readings: list[object] = [text]
    why = ""
    try:
        tree = read_json(text)
        readings = [tree] if isinstance(tree, str) else [tree, text]
    except ValueError as error:
        if text[:1] in ("[", "{", '"'):
            why = f"it is no JSON: {error}"
        if text in ("True", "False"):  # Python's words; nothing else is a bool on the quiet.
            readings.append(text == "True")
    refusals = []
    for reading in readings:
        try:
            return coerce(reading, hint)
        except Mismatch as refusal:
            refusals.append(refusal)
    refusals[0].why = refusals[0].why or why
    raise refusals[0]


def read_json(text: str) -> object:
    """Return the value of a JSON text, or raise ValueError.

    Stricter than Python is: no nan, no number beyond a float, and no name given twice.
    """
    try:
        return _READ(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _finite(text: str) -> float:
    if not isfinite(float(text)):
        raise ValueError(f"{text} is too large a number")
    return float(text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} is given twice")
    return found


_READ: Final[Callable[[str], object]] = json.JSONDecoder(
    parse_float=_finite, parse_constant=_no_constant, object_pairs_hook=_unique
).decode


# --- one value --------------------------------------------------------------------------------


def _converted(convert: Callable[[Any], object], value: object, hint: object) -> object:
    try:
        return convert(value)
    except (Refused, UsageError) as error:
        raise Mismatch(hint, value, str(error)) from None
    except (ValueError, ArithmeticError):
        raise Mismatch(hint, value) from None


def _chosen(value: object, hint: object) -> object:
    for choice in get_args(hint):
        if type(choice) is type(value) and choice == value:
            return choice
    for choice in get_args(hint):
        if isinstance(choice, Enum) and type(value) is str and choice.name == value:
            return choice
    raise Mismatch(hint, value)


def _member(value: object, hint: object) -> object:
    """Return the value as the member that takes it unchanged, or else as the first that can."""
    fitting: list[object] = []
    refusals: list[Mismatch] = []
    for member in get_args(hint):
        try:
            made = coerce(value, member)
        except Mismatch as refusal:
            refusals.append(refusal)
            continue
        if _is_unchanged(made, value):
            return made
        fitting.append(made)
    if fitting:
        return fitting[0]
    deeper = [refusal for refusal in refusals if refusal.path]
    if len(deeper) == 1:
        raise deeper[0]
    likely = [refusal for refusal in refusals if refusal.hint is not NoneType]
    raise Mismatch(hint, value, likely[0].why if len(likely) == 1 else "")


def _is_unchanged(made: object, given: object) -> bool:
    if made is given:
        return True
    if type(made) is not type(given):
        return False
    if isinstance(made, list | tuple) and isinstance(given, list | tuple):
        return len(made) == len(given) and all(map(_is_unchanged, made, given))
    if isinstance(made, dict) and isinstance(given, dict):
        return _is_unchanged([*made.items()], [*given.items()])
    return isinstance(made, set | frozenset) and made == given


# --- many values ------------------------------------------------------------------------------


def _part(value: object, hint: object, path: str) -> object:
    try:
        return coerce(value, hint)
    except Mismatch as refusal:
        refusal.path = path + refusal.path
        raise


def _parts(value: object, hint: object, part: object) -> list[object]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise Mismatch(hint, value)
    if isinstance(value, set | frozenset):
        return [_part(one, part, "{…}") for one in value]
    return [_part(one, part, f"[{place}]") for place, one in enumerate(value)]


def _list(value: object, hint: object) -> object:
    if isinstance(value, set | frozenset):
        raise Mismatch(hint, value, "a set has no order")
    return _parts(value, hint, *(get_args(hint) or (Any,)))


def _tuple(value: object, hint: object) -> object:
    args = get_args(hint)
    if isinstance(value, set | frozenset):
        raise Mismatch(hint, value, "a set has no order")
    if hint is tuple or args[-1:] == (Ellipsis,):
        return tuple(_parts(value, hint, args[0] if args else Any))
    if not isinstance(value, list | tuple) or len(value) != len(args):
        raise Mismatch(hint, value, f"it has {len(args)} parts")
    pairs = enumerate(zip(value, args, strict=True))
    return tuple(_part(one, arg, f"[{place}]") for place, (one, arg) in pairs)


def _set_of(make: Callable[[list[object]], object]) -> Callable[[object, object], object]:
    def convert(value: object, hint: object) -> object:
        parts = _parts(value, hint, *(get_args(hint) or (Any,)))
        try:
            return make(parts)
        except TypeError as error:
            raise Mismatch(hint, value, str(error)) from None

    return convert


def _sequence(value: object, hint: object) -> object:
    return tuple(_list(value, hint)) if isinstance(value, tuple) else _list(value, hint)  # type: ignore[arg-type]


def _dict(value: object, hint: object) -> object:
    if not isinstance(value, Mapping):
        raise Mismatch(hint, value)
    key_hint, part_hint = get_args(hint) or (Any, Any)
    made: dict[object, object] = {}
    for key, part in value.items():
        name = _key(key, key_hint)
        if name in made:
            raise Mismatch(hint, value, f"two of its keys are {name!r}")
        made[name] = _part(part, part_hint, f"[{key!r}]")
    return made


def _key(key: object, hint: object) -> object:
    try:
        return coerce(key, hint)
    except Mismatch as refusal:
        refusal.path = f".keys()[{key!r}]"
        if not isinstance(key, str):
            raise
        try:
            return from_text(key, hint)  # The names of a JSON object are always text.
        except Mismatch:
            raise refusal from None


_CONTAINERS: Final[dict[type, Callable[[object, object], object]]] = {
    list: _list,
    tuple: _tuple,
    set: _set_of(set),
    frozenset: _set_of(frozenset),
    dict: _dict,
    collections.abc.Iterable: _sequence,
    collections.abc.Collection: _sequence,
    collections.abc.Sequence: _sequence,
    collections.abc.MutableSequence: _list,
    collections.abc.Set: _set_of(frozenset),
    collections.abc.MutableSet: _set_of(set),
    collections.abc.Mapping: _dict,
    collections.abc.MutableMapping: _dict,
}


# --- records ----------------------------------------------------------------------------------


def _record(value: object, cls: type) -> object:
    """Return an object of the class; its own constructor has the last word."""
    if not is_typeddict(cls) and isinstance(value, cls):
        return value
    if not isinstance(value, Mapping):
        raise Mismatch(cls, value)
    if hasattr(cls, "__pydantic_fields__"):
        return _made(cls, getattr(cls, "model_validate", cls), (dict(value),), {}, value)
    fields = fields_of(cls)
    _check_names(value, cls, fields)
    parts = {name: _part(part, fields[name].hint, f".{name}") for name, part in value.items()}
    return parts if is_typeddict(cls) else _made(cls, cls, (), parts, value)


def _check_names(value: Mapping[object, object], cls: type, fields: Mapping[str, Field]) -> None:
    unknown = [str(name) for name in value if name not in fields]
    missing = [name for name, field in fields.items() if field.required and name not in value]
    words = (("it has no", unknown), ("it lacks", missing))
    why = ", ".join(f"{word} {', '.join(names)}" for word, names in words if names)
    if why:
        raise Mismatch(cls, value, f"{why}; its names are {', '.join(fields)}")


def _made(
    cls: type,
    make: Callable[..., object],
    args: tuple[object, ...],
    parts: Mapping[str, object],
    value: object,
) -> object:
    try:
        return make(*args, **parts)
    except Exception as error:  # The class's own checks raise what they like.
        raise Mismatch(cls, value, f"{type(error).__name__}: {error}") from error
