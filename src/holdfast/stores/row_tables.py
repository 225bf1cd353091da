"""Tables of fields: how each class of fact is written to JSON text and read back strictly.

A table is made the first time its class is met and says, per field, its default, how it is
encoded and how it is decoded. Reading knows nothing but what the class declares.

A value too large for its row is written `{"$spilled": digest, "size": n}`. A user's own value
of that look is written inside `{"$plain": …}`, so the two are never mistaken for each other.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from datetime import UTC, datetime
from json.encoder import encode_basestring as _quoted
from typing import Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from holdfast.errors import StoreCorrupt
from holdfast.model.facts import Owner, Spilled, Who
from holdfast.model.json import Json
from holdfast.model.jsontext import dumps
from holdfast.model.making import annotated, declared
from holdfast.model.shell_facts import Commands
from holdfast.model.terms import Electorate, Terms
from holdfast.model.undo_facts import Owed
from holdfast.stores.row_readers import Decode, Reader, reader_of
from holdfast.stores.row_writers import MISSING, Field, Writer, writer_of
from holdfast.stores.row_writers import Spilled as Spilling

NEWER: Final = "was it written by a newer holdfast?"

_decoder: Final = json.JSONDecoder()


def dump_time(at: datetime) -> str:
    """Return a time as ISO 8601 in UTC."""
    return _quoted_time(at)[1:-1]


def _quoted_time(at: datetime) -> str:
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            raise ValueError(f"{at!r} has no time zone; a journal holds UTC only")
        at = at.astimezone(UTC)
    global _second
    start, text = _second
    past = at - start
    if past.days or past.seconds:
        start = at.replace(microsecond=0)
        text = start.isoformat()[:-6]
        _second = start, text
    fraction = at.microsecond
    return f'"{text}.{fraction:06}Z"' if fraction else f'"{text}Z"'


# The last second that was written: facts come by the thousand in one, and its text is most of
# the work. Read and replaced as a pair, so that threads may share it.
_second = datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00"


def load_time(text: str) -> datetime:
    """Return the time that `dump_time` wrote. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is not UTC:
        raise ValueError(f"{text!r} is not a time in UTC")
    return at


def dump_json(value: Json) -> str:
    """Return compact JSON text. Raises ValueError for NaN, TypeError for what is not JSON."""
    return dumps(value)


def load_json(text: str, what: str) -> Any:
    """Return the value of JSON text. Raises StoreCorrupt naming `what`."""
    try:
        return scan(text)
    except ValueError as problem:
        raise StoreCorrupt(f"{what} is not JSON: {problem}") from problem


def scan(text: str) -> Any:
    """Return the value of JSON text, which must be all of it. Raises ValueError."""
    value, end = _decoder.raw_decode(text)
    if end != len(text):
        raise ValueError(f"something follows the value at position {end}")
    return value


# --- tables ---------------------------------------------------------------------------------


class Table(NamedTuple):
    """How a class of fact is written and read; `decode` maps a field's name to its decoder."""

    kind: str
    make: type[Any]
    write: Writer
    decode: dict[str, Decode]
    defaults: dict[str, Any]
    required: frozenset[str]
    readers: dict[tuple[str, ...], Reader]


TABLES: Final[dict[type[Any], Table]] = {}


def table_for(cls: type[Any]) -> Table:
    """Return the table of a class, made on first use: start-up pays only for what it meets."""
    if (known := TABLES.get(cls)) is not None:
        return known
    defaults = declared(cls, MISSING)
    shapes = {name: _shape_called(text, cls.__module__) for name, text in annotated(cls).items()}
    table = Table(
        kind=cls.__name__,
        make=cls,
        write=_first_writer(cls, defaults, shapes),
        decode={name: shape.decode for name, shape in shapes.items()},
        defaults=defaults,
        required=frozenset(name for name in shapes if defaults[name] is MISSING),
        readers={},
    )
    TABLES[cls] = table
    return table


def _first_writer(cls: type[Any], defaults: dict[str, Any], shapes: dict[str, Shape]) -> Writer:
    """Return a writer that makes the real one, in its place: many kinds are only read."""

    def write(given: Any, spilled: Spilling | None) -> str:
        fields = [Field(n, defaults[n], s.encode, s.spills) for n, s in shapes.items()]
        made = writer_of(fields)
        TABLES[cls] = TABLES[cls]._replace(write=made)
        return made(given, spilled)

    return write


def decoded(table: Table, stored: dict[str, Any]) -> Any:
    """Return the value of a class from its stored fields. Raises StoreCorrupt."""
    try:
        names = tuple(stored)
        read = table.readers.get(names) or _reader_for(table, names)
        return read(stored)
    except StoreCorrupt:
        raise
    except (TypeError, ValueError, KeyError) as problem:
        raise StoreCorrupt(_why_not(table, stored, problem)) from problem


READERS_MAX: Final = 256
"""Of one class. A journal that somebody made up must not fill the memory."""


def _reader_for(table: Table, names: tuple[str, ...]) -> Reader:
    """Return the reader of rows with these fields. Raises KeyError: one is unknown or missing."""
    if missing := table.required - set(names):
        raise KeyError(*missing)
    reader = reader_of(table.make, table.decode, table.defaults, names)
    if len(table.readers) < READERS_MAX:
        table.readers[names] = reader
    return reader


def _why_not(table: Table, stored: dict[str, Any], problem: Exception) -> str:
    """Say which field of a stored fact is not understood."""
    if unknown := [name for name in stored if name not in table.decode]:
        return f"a {table.kind} has the unknown field {unknown[0]!r}; {NEWER}"
    if missing := sorted(table.required - stored.keys()):
        return f"a {table.kind} lacks its field {missing[0]!r}"
    for name, raw in stored.items():
        try:
            table.decode[name](raw)
        except (TypeError, ValueError, KeyError) as bad:
            return f"the field {name!r} of a {table.kind} does not decode: {bad}"
    return f"a {table.kind} does not decode: {problem}"


# --- shapes: how one type of field is written and read ------------------------------------------


class Shape(NamedTuple):
    """How values of one type are written as JSON text, and made of what JSON gives; `spills` when a
    large one is kept outside its row."""

    encode: Callable[[Any], str]
    decode: Callable[[Any], Any]
    spills: bool = False


_SHAPES: Final[dict[tuple[str, str], Shape]] = {}


def _shape_called(text: str, module: str) -> Shape:
    """Return the shape of a field by its annotation, as it is written in that module: the facts
    have hundreds of fields, and some twenty types."""
    found = _SHAPES.get((module, text))
    if found is None:
        # Our own words, evaluated where we wrote them, as `get_type_hints` would for each field.
        hint = eval(text, dict(vars(sys.modules[module])))
        found = _SHAPES[module, text] = _shape(hint)
    return found


def _shape(hint: Any) -> Shape:
    """Return how a field of this type is written and read.

    Raises TypeError for a type that no fact has had so far: extend this, and the suite finds out.
    """
    if hint in _LEAVES:
        return _LEAVES[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _choice(args)
    if origin is tuple:
        return _tuple(args)
    if origin in (Union, types.UnionType):
        return _union(args)
    if origin is dict:
        return Shape(dump_json, _expect(dict))
    raise TypeError(f"facts cannot have a field of type {hint!r} yet; see stores.rows")


def _union(members: tuple[Any, ...]) -> Shape:
    """`Json`, `Json | Spilled`, or one type that may be absent."""
    if list in [get_origin(member) for member in members]:
        if Spilled in members:
            return Shape(json_or_spilled, _read_json_or_spilled, spills=True)
        return Shape(dump_json, _same)
    (present,) = (member for member in members if member is not type(None))
    inner = _shape(present)
    return Shape(
        lambda value: "null" if value is None else inner.encode(value),
        lambda raw: None if raw is None else inner.decode(raw),
    )


def _tuple(args: tuple[Any, ...]) -> Shape:
    """A tuple of one type, of any length or of as many as are written out."""
    inner, many = _shape(args[0]), args[-1] is Ellipsis

    def encode(value: Any) -> str:
        return "[" + ",".join([inner.encode(one) for one in value]) + "]"

    def decode(raw: Any) -> Any:
        if raw.__class__ is not list or not (many or len(raw) == len(args)):
            raise TypeError(f"expected a list, found {raw!r}")
        return tuple([inner.decode(one) for one in raw])

    if not many and len(set(args)) != 1:
        raise TypeError("facts cannot have tuples of mixed types yet; see stores.rows")
    return Shape(encode, decode)


def _choice(allowed: tuple[Any, ...]) -> Shape:
    def decode(raw: Any) -> Any:
        if raw not in allowed:
            raise ValueError(f"{raw!r} is not one of {', '.join(allowed)}; {NEWER}")
        return raw

    return Shape(_quoted, decode)


def _expect(cls: type[Any]) -> Callable[[Any], Any]:
    def decode(raw: Any) -> Any:
        if raw.__class__ is not cls:
            raise TypeError(f"expected {cls.__name__}, found {raw!r}")
        return raw

    decode.by_type = cls  # type: ignore[attr-defined]
    return decode


def _same(raw: Any) -> Any:
    return raw


def _number(raw: Any) -> float:
    if raw.__class__ not in (int, float):
        raise TypeError(f"expected a number, found {raw!r}")
    return float(raw)


def nested(value: Any) -> str:
    """Return an object within a fact as JSON text."""
    table = TABLES.get(value.__class__) or table_for(value.__class__)
    return table.write(value, None)


def _nests(cls: type[Any]) -> Shape:
    def decode(raw: Any) -> Any:
        if raw.__class__ is not dict:
            raise TypeError(f"expected an object, found {raw!r}")
        return decoded(table_for(cls), dict(raw))

    return Shape(nested, decode)


def json_or_spilled(value: Any) -> str:
    """Return any JSON, or a reference to what is kept outside the row, as JSON text."""
    if (scalar := _SCALARS.get(value.__class__)) is not None:
        return scalar(value)
    if value.__class__ is Spilled:
        return f'{{"$spilled":{_quoted(value.digest)},"size":{value.size_bytes:d}}}'
    text = dump_json(value)
    if value.__class__ is dict and ("$spilled" in value or "$plain" in value):
        return f'{{"$plain":{text}}}'
    return text


def _read_json_or_spilled(raw: Any) -> Any:
    if raw.__class__ is not dict:
        return raw
    if "$spilled" in raw:
        digest, size = raw["$spilled"], raw.get("size")
        if len(raw) != 2 or digest.__class__ is not str or size.__class__ is not int:
            raise ValueError("a reference to a spilled value is malformed")
        return Spilled(digest, size)
    if "$plain" in raw:
        if len(raw) != 1:
            raise ValueError(f"a value has the unknown form $plain; {NEWER}")
        return raw["$plain"]
    return raw


def _truth(value: bool) -> str:
    return "true" if value else "false"


_SCALARS: Final[dict[type[Any], Callable[[Any], str]]] = {
    str: _quoted,
    int: int.__repr__,
    bool: _truth,
    type(None): lambda value: "null",
}
"""What `dump_json` writes of the values that most steps return, without its detours."""

_LEAVES: Final[dict[Any, Shape]] = {
    str: Shape(_quoted, _expect(str)),
    int: Shape(int.__repr__, _expect(int)),
    bool: Shape(_truth, _expect(bool)),
    datetime: Shape(_quoted_time, load_time),
    float: Shape(repr, _number),
    Owner: _nests(Owner),
    Who: _nests(Who),
    Electorate: _nests(Electorate),
    Terms: _nests(Terms),
    Owed: _nests(Owed),
    Commands: _nests(Commands),
}
