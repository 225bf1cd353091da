"""Conversions: single values that JSON lacks, from the text that stands for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from types import NoneType
from typing import Any, Final, TypeVar

from holdfast.flow.secret import FORMS, Secret
from holdfast.model.durations import seconds
from holdfast.model.loaded import loaded

T = TypeVar("T")


class Refused(ValueError):
    """This is no such value; the message, if any, is for the person who gave it."""


def converter(hint: object) -> Callable[[Any], object] | None:
    """Return what makes such a value, or raises ValueError or UsageError; None for other hints."""
    if not isinstance(hint, type):
        return None
    if issubclass(hint, Enum):
        return _enum(hint)
    if issubclass(hint, PurePath):
        return _path(hint)
    found = _SCALARS.get(hint)
    rare = (convert for module, name, convert in _RARE if hint is loaded(module, name))
    return next(rare, None) if found is None else found


def _instance(cls: type[T], *but: type) -> Callable[[object], T]:
    def convert(value: object) -> T:
        if isinstance(value, cls) and not isinstance(value, but):
            return value
        raise Refused

    return convert


def _or_text(cls: type[T], read: Callable[[str], T], *but: type) -> Callable[[object], T]:
    def convert(value: object) -> T:
        if isinstance(value, cls) and not isinstance(value, but):
            return value
        if not isinstance(value, str):
            raise Refused
        return read(value)

    return convert


def _float(value: object) -> float:
    if isinstance(value, int) and not isinstance(value, bool):
        if int(float(value)) != value:
            raise Refused("a float cannot hold it exactly")
        return float(value)
    return _instance(float)(value)


def _decimal(value: object) -> object:
    from decimal import Decimal

    def finite(text: str) -> Decimal:
        found = Decimal(text)
        if not found.is_finite():
            raise Refused
        return found

    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, float):
        raise Refused("a float is not exact; give it as text")
    return _or_text(Decimal, finite)(value)


def _uuid(value: object) -> object:
    from uuid import UUID

    return _or_text(UUID, UUID)(value)


def _timedelta(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return timedelta(seconds=seconds(value))
    raise Refused


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    raise Refused("bytes come from Python alone; annotate it str, or give a Path to a file")


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and value.startswith("@"):
        return Secret.parse(value)
    raise Refused(
        f"a secret never stands in a command line, a file or the journal: give {FORMS}, and take "
        "what was given for known to others"
    )


_SCALARS: Final[dict[type, Callable[[Any], object]]] = {
    str: _instance(str),
    int: _instance(int, bool),
    bool: _instance(bool),
    float: _float,
    NoneType: _instance(NoneType),
    bytes: _bytes,
    # A datetime is a date to Python, and its time would be lost to whoever expects a date.
    date: _or_text(date, date.fromisoformat, datetime),
    datetime: _or_text(datetime, datetime.fromisoformat),
    time: _or_text(time, time.fromisoformat),
    timedelta: _timedelta,
    Secret: _secret,
}
_RARE: Final = (("decimal", "Decimal", _decimal), ("uuid", "UUID", _uuid))
"""Of modules that are not loaded for the few scripts which need them."""


def _enum(cls: type[Enum]) -> Callable[[object], Enum]:
    def read(name: str) -> Enum:
        if name not in cls.__members__:
            raise Refused
        return cls[name]

    return _or_text(cls, read)


def _path(cls: type[PurePath]) -> Callable[[object], PurePath]:
    def read(text: str) -> PurePath:
        if not text or "\0" in text:  # An empty path would be the current directory.
            raise Refused
        return cls(text)

    return _or_text(cls, read)
