"""Codec: python values as tagged JSON that a person can read, and exactly back.

What JSON can say is written as it is. Everything else is a dict whose "$" names its kind:
`{"$": "tuple", "v": [1, 2]}`, `{"$": "obj", "t": "module:qualname", "v": {"field": …}}`. A dict
with other keys than strings, or with the key "$", is tagged too, so no value is mistaken for a
tag. Shared parts of a value come back as copies; a part that contains itself is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from enum import Enum
from functools import reduce
from operator import or_
from typing import Final, NoReturn

from holdfast.errors import StoreCorrupt
from holdfast.model import scalars
from holdfast.model.encoding import NESTING_MAX, Unrecordable, parts_of, shortened, taken_apart
from holdfast.model.json import Json
from holdfast.model.jsontext import digest, dumps, loads
from holdfast.model.keys import is_secret_name
from holdfast.model.records import Undecodable, is_recordable, rebuild
from holdfast.model.types import NO_TYPES, Reader, Types, register

__all__ = [
    "NESTING_MAX",
    "Types",
    "Undecodable",
    "Unrecordable",
    "decode",
    "digest",
    "dumps",
    "encode",
    "fingerprint",
    "loads",
    "recordable",
    "register",
    "shown_argument",
    "shown_arguments",
]

SHOWN_CHARS_MAX: Final = 200
"""Of a call's arguments, as they are shown to a person."""

_SHOWN_PARTS_MAX: Final = 5
_SHOWN_DEPTH_MAX: Final = 3


def encode(value: object, types: Types | None = None) -> Json:
    """Return `value` as tagged JSON that shares nothing mutable with it.

    Raises Unrecordable, naming the path inside the value. A subclass of a builtin type is
    refused, unless it is a record or an Enum, because it would come back as something else. With
    `types`, by which a later life will read it, so is an object whose class is not found there,
    or that cannot be put together again.
    """
    if types is None or type(value) in _ALWAYS_READ:
        return taken_apart(value)
    reader = Reader(types)
    tree = taken_apart(value, reader)
    if reader.has_objects and (why := _unread(tree, types)):
        _refuse_unread(value, types, why)
    return tree


_ALWAYS_READ: Final = frozenset({type(None), bool, int, float, str, bytes})


def decode(tree: Json, types: Types | None = None, *, as_type: object | None = None) -> object:
    """Return the value that was encoded as `tree`, of the same types.

    Classes are found among `types` and those that the annotation `as_type` reaches; it does not
    convert. Raises StoreCorrupt for a tree that `encode` did not write, and Undecodable, with
    what to do, when it does not fit today's classes.
    """
    known = types or NO_TYPES
    if as_type is not None:
        known = Types.of(as_type, known)
    try:
        return _decode(tree, known)
    except RecursionError as error:
        raise StoreCorrupt("a stored value is nested too deeply") from error


def _unread(tree: Json, types: Types) -> str:
    """Return why nobody could put a value together again; an empty text when anybody can."""
    try:
        decode(tree, types)
    except Undecodable as error:
        return f"no later life could read {error.name} back: {error.why}"
    except StoreCorrupt as error:
        return f"no later life could read it back: {error}"
    return ""


def _refuse_unread(value: object, types: Types, why: str) -> NoReturn:
    """Raise Unrecordable for the innermost part of `value` that cannot be put together again."""
    path, inmost = "", value
    while True:
        for place, part in parts_of(inmost):
            if found := _unread(taken_apart(part), types):
                path, inmost, why = path + place, part, found
                break
        else:
            raise Unrecordable(shortened(path), why)


# --- the arguments of a call ------------------------------------------------------------------


def fingerprint(values: Mapping[str, object]) -> tuple[str, str]:
    """Return a digest over the recordable arguments, and a short text of all."""
    trees = recordable(values)
    return digest(trees), shown_arguments(values, trees)


def recordable(values: Mapping[str, object]) -> dict[str, Json]:
    """Return the arguments encoded, without those that cannot be recorded: they are not
    compared."""
    trees: dict[str, Json] = {}
    for name, value in values.items():
        try:
            trees[name] = encode(value)
        except Unrecordable:
            pass
    return trees


def shown_arguments(
    values: Mapping[str, object], trees: Mapping[str, Json], silent: Container[str] = ()
) -> str:
    """Return a short text of arguments, of which `trees` are the recordable ones.

    An argument that cannot be recorded is shown as `name=<Type>`, one whose name speaks of a
    secret as `name=***`; a None among the `silent` is left out.
    """
    shown = [
        shown_argument(name, trees[name]) if name in trees else f"{name}=<{_type_name(value)}>"
        for name, value in values.items()
        if value is not None or name not in silent
    ]
    text = ", ".join(shown)
    return text if len(text) <= SHOWN_CHARS_MAX else text[: SHOWN_CHARS_MAX - 1] + "…"


def _type_name(value: object) -> str:
    return type(value).__qualname__


def shown_argument(name: str, tree: Json) -> str:
    """Return an encoded argument as a person reads it, as `name='text'`: about as Python writes
    it, with long parts cut short. One whose name speaks of a secret is `name=***`."""
    return f"{name}={'***' if is_secret_name(name) else _shown(tree, 0)}"


def _shown(tree: Json, depth: int) -> str:
    """Return an encoded value about as its `repr`, from the tree: no code of the user's runs."""
    if isinstance(tree, str):
        return repr(tree[:SHOWN_CHARS_MAX])
    if not isinstance(tree, dict) and not isinstance(tree, list):
        return repr(tree)
    if depth >= _SHOWN_DEPTH_MAX:
        return "…"
    if isinstance(tree, list):
        return f"[{_shown_parts(tree, depth)}]"
    if "$" not in tree:
        return f"{{{_shown_pairs(tree, ': ', depth)}}}"
    return _shown_tag(tree, depth)


def _shown_tag(tree: dict[str, Json], depth: int) -> str:
    kind, value = tree["$"], tree.get("v", tree.get("text"))
    name = str(tree.get("t", "")).rpartition(":")[2].rpartition(".")[2]
    if kind == "enum":
        return f"{name}.{'|'.join(map(str, value)) if isinstance(value, list) else value}"
    if kind == "obj" and isinstance(value, dict):
        return f"{name}({_shown_pairs(value, '=', depth)})"
    if kind == "tuple" and isinstance(value, list):
        return f"({_shown_parts(value, depth)}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"{kind}({_shown_parts(value, depth)})"
    return _shown(value, depth + 1) if kind in ("path", "bytes", "str") else str(value)


def _shown_parts(parts: list[Json], depth: int) -> str:
    shown = [_shown(part, depth + 1) for part in parts[:_SHOWN_PARTS_MAX]]
    return ", ".join([*shown, "…"] if len(parts) > _SHOWN_PARTS_MAX else shown)


def _shown_pairs(parts: dict[str, Json], sign: str, depth: int) -> str:
    shown = [
        f"{name if sign == '=' else repr(name)}{sign}"
        + ("***" if is_secret_name(name) else _shown(part, depth + 1))
        for name, part in list(parts.items())[:_SHOWN_PARTS_MAX]
    ]
    return ", ".join([*shown, "…"] if len(parts) > _SHOWN_PARTS_MAX else shown)


# --- putting together -------------------------------------------------------------------------


def _decode(tree: Json, types: Types) -> object:
    if isinstance(tree, dict):
        if "$" in tree:
            return _decode_tag(tree, types)
        return {key: _decode(part, types) for key, part in tree.items()}
    if isinstance(tree, list):
        return [_decode(part, types) for part in tree]
    return tree


def _decode_tag(tree: dict[str, Json], types: Types) -> object:
    kind = tree["$"]
    entries = {name: entry for name, entry in tree.items() if name != "$"}
    try:
        if not isinstance(kind, str):
            raise TypeError("its kind is no text")
        if kind in scalars.DECODE:
            return scalars.DECODE[kind](**entries)
        if kind in _BUILDERS:
            return _BUILDERS[kind](types, **entries)
    except (TypeError, ValueError, ArithmeticError, AttributeError, KeyError) as error:
        raise StoreCorrupt(f"a stored {kind!r} does not decode: {error}") from error
    raise StoreCorrupt(f"a stored value is of the kind {kind!r}, which this holdfast does not know")


def _items(v: Json) -> list[Json]:
    if not isinstance(v, list):
        raise TypeError("a list is needed")
    return v


def _build_tuple(types: Types, v: Json) -> object:
    return tuple(_decode(part, types) for part in _items(v))


def _build_set(types: Types, v: Json) -> object:
    return {_decode(part, types) for part in _items(v)}


def _build_frozenset(types: Types, v: Json) -> object:
    return frozenset(_decode(part, types) for part in _items(v))


def _build_dict(types: Types, v: Json) -> object:
    pairs = [(key, part) for key, part in map(_items, _items(v))]
    return {_decode(key, types): _decode(part, types) for key, part in pairs}


def _class(types: Types, t: Json) -> type:
    if not isinstance(t, str):
        raise TypeError("the name of its class is no text")
    cls = types.resolve(t)
    if not is_recordable(cls):
        raise Undecodable(f"a {t}", "the class is no dataclass, Enum or other record now")
    return cls


def _build_enum(types: Types, t: Json, v: Json) -> object:
    cls = _class(types, t)
    if not issubclass(cls, Enum):
        raise Undecodable(f"a {t}", "the class is no Enum any more")
    members = cls.__members__
    names = [v] if isinstance(v, str) else _items(v)
    for name in names:
        if isinstance(name, str) and name not in members:
            raise Undecodable(f"a {t}", f"it has no member {name!r} now; an alias would do")
    if isinstance(v, str):
        return members[v]
    try:
        return cls(reduce(or_, (members[n].value if isinstance(n, str) else n for n in names), 0))
    except ValueError as error:
        raise Undecodable(f"a {t}", str(error)) from error


def _build_object(types: Types, t: Json, v: Json, **aside: Json) -> object:
    cls = _class(types, t)
    if not isinstance(v, dict):
        raise TypeError("its fields are no dict")
    if issubclass(cls, Enum):
        raise Undecodable(f"a {t}", "the class is an Enum now")
    if aside.keys() - {"unset", "extra", "private"}:
        raise TypeError(f"it has unknown entries {sorted(aside)}")
    fields = {name: _decode(part, types) for name, part in v.items()}
    return rebuild(cls, fields, {name: _decode(part, types) for name, part in aside.items()})


_BUILDERS: Final[dict[str, Callable[..., object]]] = {
    "tuple": _build_tuple,
    "set": _build_set,
    "frozenset": _build_frozenset,
    "dict": _build_dict,
    "enum": _build_enum,
    "obj": _build_object,
}
