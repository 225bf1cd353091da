"""Scalars: the single values that JSON lacks, as text a person can read, and back.

Each is a dict whose "$" names its kind; a decoder takes the other entries as keywords, so that an
entry it does not know is an error and never ignored.

Modules that few scripts need, and that take long to load, are not loaded here: a value can only be
of a class whose module is loaded already.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from math import isfinite
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Final

from holdfast.model.json import Json
from holdfast.model.loaded import loaded
from holdfast.model.records import Undecodable

INT_BITS_PLAIN: Final = 2048
"""Longer whole numbers are written in base 16: python may refuse 640 decimal digits and more."""


class Refused(Exception):
    """This value cannot be recorded; the message says why, the codec finds out where."""


def text(value: str) -> Json:
    """Return `value` as JSON; lone surrogates, which no encoding takes, are written as escapes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        escaped = value.replace("\\", "\\\\").encode("utf-8", "backslashreplace").decode()
        return {"$": "str", "v": escaped}
    return value


def number(value: int) -> Json:
    """Return `value` as JSON, whatever its size."""
    return value if value.bit_length() <= INT_BITS_PLAIN else {"$": "int", "v": hex(value)}


def _float(value: float) -> Json:
    return value if isfinite(value) else {"$": "float", "v": repr(value)}


def _bytes(value: bytes) -> Json:
    # Most recorded bytes are the output of programs: readable when they are text.
    if b"\0" not in value:
        try:
            return {"$": "bytes", "text": value.decode()}
        except UnicodeDecodeError:
            pass
    return {"$": "bytes", "v": b64encode(value).decode()}


def _datetime(value: datetime) -> Json:
    zone = _zone(value.tzinfo, value.fold)  # First: `isoformat` would call a foreign zone.
    return {"$": "datetime", "v": value.isoformat(), **zone}


def _time(value: time) -> Json:
    zone = _zone(value.tzinfo, value.fold)  # First: `isoformat` would call a foreign zone.
    return {"$": "time", "v": value.isoformat(), **zone}


def _zone(zone: tzinfo | None, fold: int) -> dict[str, Json]:
    """Return what `isoformat` does not say: a zone's key or name, and which of two equal hours."""
    known: dict[str, Json] = {"fold": fold} if fold else {}
    if zone is None:
        return known
    named = loaded("zoneinfo", "ZoneInfo")
    if type(zone) is named and zone.key is not None:  # type: ignore[attr-defined]
        return {**known, "zone": zone.key}  # type: ignore[attr-defined]
    if type(zone) is not timezone:
        raise Refused(
            f"its time zone is a {type(zone).__qualname__}; "
            "use zoneinfo.ZoneInfo(key) or datetime.timezone"
        )
    name = zone.tzname(None)
    return known if name == timezone(zone.utcoffset(None)).tzname(None) else {**known, "name": name}


def _path(kind: str) -> Callable[[PurePath], Json]:
    return lambda value: {"$": kind, "v": text(str(value))}


def _text_of(kind: str) -> Callable[[object], Json]:
    return lambda value: {"$": kind, "v": str(value)}


ENCODE: Final[dict[type, Callable[..., Json]]] = {
    str: text,
    int: number,
    float: _float,
    bytes: _bytes,
    datetime: _datetime,
    time: _time,
    date: _text_of("date"),
    timedelta: _text_of("timedelta"),
    type(Path()): _path("path"),
    PurePosixPath: _path("posix_path"),
    PureWindowsPath: _path("windows_path"),
}
"""Exactly these types: a subclass would come back as something else."""

_RARE: Final = tuple((kind, name, _text_of(kind)) for kind, name in
                     (("decimal", "Decimal"), ("uuid", "UUID")))  # fmt: skip
"""Each in a module that is called as its kind."""


def rare(kind: type) -> Callable[..., Json] | None:
    """Return how values of a type are written that is not in `ENCODE`; None if it is no scalar."""
    for module, name, encode in _RARE:
        if kind is loaded(module, name):
            return encode
    return None


def rare_types() -> tuple[type, ...]:
    """Return the types of scalars that are not in `ENCODE`, as far as there can be any."""
    found = (loaded(module, name) for module, name, _ in _RARE)
    return tuple(kind for kind in found if kind is not None)


# --- and back -------------------------------------------------------------------------------


def _to_str(v: str) -> str:
    return re.sub(r"\\(\\|u[0-9a-f]{4})", _unescaped, v)


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    return escape if escape == "\\" else chr(int(escape[1:], 16))


def _to_int(v: str) -> int:
    return int(v, 16)


def _to_bytes(v: str | None = None, text: str | None = None) -> bytes:
    if (v is None) == (text is None):
        raise ValueError("either 'v' or 'text' is needed")
    return text.encode() if text is not None else b64decode(v or "", validate=True)


def _to_datetime(
    v: str, zone: str | None = None, name: str | None = None, fold: int = 0
) -> datetime:
    value = datetime.fromisoformat(v).replace(fold=fold)
    return value.replace(tzinfo=_to_zone(value.tzinfo, zone, name))


def _to_time(v: str, zone: str | None = None, name: str | None = None, fold: int = 0) -> time:
    value = time.fromisoformat(v).replace(fold=fold)
    return value.replace(tzinfo=_to_zone(value.tzinfo, zone, name))


def _to_zone(read: tzinfo | None, key: str | None, name: str | None) -> tzinfo | None:
    if name is not None and read is not None:
        offset = read.utcoffset(None)
        return timezone(offset, name) if offset is not None else read
    if key is None:
        return read
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(key)
    except ZoneInfoNotFoundError as error:
        why = "this machine does not know it; install the tzdata package"
        raise Undecodable(f"time zone {key!r}", why) from error


_DELTA: Final = r"(?:(-?[0-9]+) days?, )?([0-9]+):([0-9]{2}):([0-9]{2})(?:\.([0-9]{6}))?"


def _to_timedelta(v: str) -> timedelta:
    match = re.fullmatch(_DELTA, v)
    if match is None:
        raise ValueError(f"{v!r} is no timedelta")
    days, hours, minutes, seconds, micros = (int(part or 0) for part in match.groups())
    return timedelta(days, seconds, micros, minutes=minutes, hours=hours)


def _to_path(of: type[PurePath]) -> Callable[..., PurePath]:
    def decode(v: str | dict[str, str]) -> PurePath:
        return of(v if isinstance(v, str) else _to_str(v["v"]))

    return decode


def _to_float(v: str) -> float:
    return float(v)


def _to_date(v: str) -> date:
    return date.fromisoformat(v)


def _to_decimal(v: str) -> object:
    from decimal import Decimal

    return Decimal(v)


def _to_uuid(v: str) -> object:
    from uuid import UUID

    return UUID(v)


DECODE: Final[dict[str, Callable[..., object]]] = {
    "str": _to_str,
    "int": _to_int,
    "float": _to_float,
    "bytes": _to_bytes,
    "datetime": _to_datetime,
    "time": _to_time,
    "date": _to_date,
    "timedelta": _to_timedelta,
    "decimal": _to_decimal,
    "uuid": _to_uuid,
    "path": _to_path(Path),
    "posix_path": _to_path(PurePosixPath),
    "windows_path": _to_path(PureWindowsPath),
}
"""What a tag's other entries make; a TypeError, ValueError or ArithmeticError: it is corrupt."""
