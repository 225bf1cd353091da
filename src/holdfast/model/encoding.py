"""Encoding: taking a value apart into tagged JSON, and saying where it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum, Flag
from functools import reduce
from operator import or_
from typing import Final, NoReturn

from holdfast.errors import HoldfastError
from holdfast.model import scalars
from holdfast.model.called import yet_to_run
from holdfast.model.json import Json
from holdfast.model.jsontext import canonical
from holdfast.model.records import ADVICE, Shape, shape_of, tag_of
from holdfast.model.scalars import Refused
from holdfast.model.types import READER, Reader, remember

NESTING_MAX: Final = 100
"""Containers and records within one another; deeper is refused, and so is a cycle."""

_PATH_CHARS_MAX: Final = 200
_REPR_CHARS_MAX: Final = 40


class Unrecordable(HoldfastError):
    """A value has a part, at `path`, that cannot be recorded; nothing was written."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"cannot record {path or 'the value'}: {why}")
        self.path, self.why = path, why


def taken_apart(value: object, reader: Reader | None = None) -> Json:
    """Return `value` as tagged JSON that shares nothing mutable with it.

    Raises Unrecordable, naming the path inside the value, for what cannot be recorded, and for
    an object whose class the reader does not find.
    """
    if reader is None:
        return _encoded(value)
    token = READER.set(reader)
    try:
        return _encoded(value)
    finally:
        READER.reset(token)


def _encoded(value: object) -> Json:
    try:
        return _encode(value, 0)
    except Refused:
        _refuse(value)
    except RecursionError:
        raise Unrecordable("", "the stack is too deep to take it apart here") from None
    except RuntimeError as error:  # "dictionary changed size during iteration"
        raise Unrecordable("", f"it changed while it was recorded: {error}") from error


def _encode(value: object, depth: int) -> Json:
    # The order is that of frequency: most results and arguments end in the first lines.
    if type(value) is str:
        return value if value.isascii() else scalars.text(value)
    if value is None or type(value) is bool:
        return value
    if type(value) is int and -_SMALL < value < _SMALL:
        return value
    kind = type(value)
    scalar = scalars.ENCODE.get(kind) or scalars.rare(kind)
    if scalar is not None:
        return scalar(value)
    if depth >= NESTING_MAX:
        raise Refused(f"it is nested more than {NESTING_MAX} deep")
    container = _CONTAINERS.get(kind)
    return _encode_object(value, depth) if container is None else container(value, depth + 1)


_SMALL: Final = 2**63


def _encode_dict(value: dict[object, object], depth: int) -> Json:
    plain: dict[str, Json] = {}
    for key, part in value.items():
        if type(key) is not str or key == "$" or not (key.isascii() or scalars.text(key) is key):
            pairs: list[Json] = [[_encode(k, depth), _encode(v, depth)] for k, v in value.items()]
            return {"$": "dict", "v": pairs}
        plain[key] = _encode(part, depth)
    return plain


def _encode_list(value: list[object], depth: int) -> Json:
    return [_encode(part, depth) for part in value]


def _encode_tuple(value: tuple[object, ...], depth: int) -> Json:
    return {"$": "tuple", "v": [_encode(part, depth) for part in value]}


def _encode_set(value: set[object] | frozenset[object], depth: int) -> Json:
    parts = sorted((_encode(part, depth) for part in value), key=canonical)
    return {"$": type(value).__name__, "v": parts}


_CONTAINERS: Final[dict[type, Callable[..., Json]]] = {
    dict: _encode_dict,
    list: _encode_list,
    tuple: _encode_tuple,
    set: _encode_set,
    frozenset: _encode_set,
}


def _encode_object(value: object, depth: int) -> Json:
    cls = type(value)
    if isinstance(value, Enum):
        return _encode_enum(value)
    shape = shape_of(cls)
    if shape is None or not shape.is_whole:
        raise Refused(_why_not(value))
    remember(shape.tag, cls)
    parts: dict[str, Json] = {}
    for name, part in _fields(value, shape):
        parts[name] = _encode(part, depth + 1)
    tree: dict[str, Json] = {"$": "obj", "t": shape.tag, "v": parts}
    for name, part in shape.family.aside(value).items():
        tree[name] = _encode(part, depth + 1)
    return tree


def _fields(value: object, shape: Shape) -> Iterator[tuple[str, object]]:
    for name in shape.names:
        try:
            yield name, getattr(value, name)
        except AttributeError:
            raise Refused(f"its field {name!r} was never set") from None
        except Exception as error:  # A field may be a property of the user's.
            raise Refused(f"its field {name!r} raised {type(error).__name__}: {error}") from error


def _encode_enum(value: Enum) -> Json:
    cls = type(value)
    tag = tag_of(cls)
    remember(tag, cls)
    if value.name in cls.__members__:
        return {"$": "enum", "t": tag, "v": value.name}
    if not isinstance(value, Flag):
        raise Refused(f"it is no named member of {cls.__qualname__}")
    single = [flag for flag in cls.__members__.values() if flag.value & (flag.value - 1) == 0]
    chosen: list[Json] = [flag.name for flag in single if flag.value and flag.value & value.value]
    rest = value.value & ~reduce(or_, (flag.value for flag in single), 0)
    return {"$": "enum", "t": tag, "v": [*chosen, rest] if rest else chosen}


def _why_not(value: object) -> str:
    cls = type(value)
    name = f"{cls.__module__}.{cls.__qualname__}"
    bases = (bool, *scalars.ENCODE, *scalars.rare_types(), *_CONTAINERS)
    base = next((base for base in bases if isinstance(value, base)), None)
    if base is not None:
        return f"{name} is a {base.__name__} and more, which would be lost; give a plain one"
    if late := yet_to_run(value):
        return late
    advice = getattr(cls, ADVICE, "give plain data, a dataclass, or what you need of it")
    return f"a {name} has no recorded form; {advice}"


# --- why not, and where: the slow way, once it is known to fail -------------------------------


def _refuse(value: object) -> NoReturn:
    """Raise Unrecordable for the first part of `value` that cannot be recorded."""
    path, above = "", [value]
    while True:
        part = next((p for p in parts_of(above[-1]) if not _is_fine(p[1], len(above))), None)
        if part is None:
            break
        path += part[0]
        if any(part[1] is holder for holder in above):
            raise Unrecordable(path, "it contains itself")
        above.append(part[1])
    try:
        _encode(above[-1], len(above) - 1)
    except Refused as error:
        raise Unrecordable(shortened(path), str(error)) from None
    raise Unrecordable(path, "it changed while it was recorded")


def shortened(path: str) -> str:
    """Return a path inside a value as a message shows it."""
    half = _PATH_CHARS_MAX // 2
    return path if len(path) <= _PATH_CHARS_MAX else f"{path[:half]}…{path[-half:]}"


def _is_fine(value: object, depth: int) -> bool:
    try:
        _encode(value, depth)
    except Refused:
        return False
    return True


def parts_of(value: object) -> Iterator[tuple[str, object]]:
    """Yield the parts of a container or record with the path to each."""
    if type(value) is dict:
        for key, part in value.items():
            yield f".keys()[{_named(key)}]", key
            yield f"[{_named(key)}]", part
    elif type(value) in (list, tuple) and isinstance(value, list | tuple):
        yield from ((f"[{place}]", part) for place, part in enumerate(value))
    elif type(value) in (set, frozenset) and isinstance(value, set | frozenset):
        yield from ((f"{{{_named(part)}}}", part) for part in value)
    elif (shape := shape_of(type(value))) is not None and shape.is_whole:
        try:
            yield from ((f".{name}", part) for name, part in _fields(value, shape))
        except Refused:
            return  # The record itself is what cannot be recorded.
        yield from ((f".<{name}>", part) for name, part in shape.family.aside(value).items())


def _named(key: object) -> str:
    if type(key) not in (bool, type(None), *scalars.ENCODE, *scalars.rare_types()):
        return f"<{type(key).__qualname__}>"
    shown = repr(key)
    return shown if len(shown) <= _REPR_CHARS_MAX else shown[: _REPR_CHARS_MAX - 1] + "…"
