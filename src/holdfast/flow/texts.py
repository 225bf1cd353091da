"""Texts: what a person would type for a value that the program already has."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Final

from holdfast.errors import UsageError
from holdfast.flow.secret import Secret
from holdfast.model.durations import seconds, show
from holdfast.model.json import Json
from holdfast.model.keys import is_secret_name
from holdfast.model.records import shape_of

TEXT_CHARS_MAX: Final = 200
"""Of a value or a default, as it is shown to a person."""

HIDDEN: Final = "***"


def quoted(text: str) -> str:
    """Return a word as a shell needs it."""
    return text if re.fullmatch(r"[\w@%+=:,./-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def text_of(value: object) -> str:
    """Return what to type for a value: the text of a scalar, the JSON of the rest."""
    tree = _tree(value)
    text = tree if isinstance(tree, str) and tree else json.dumps(tree, ensure_ascii=False)
    return text if len(text) <= TEXT_CHARS_MAX else text[: TEXT_CHARS_MAX - 1] + "…"


def _tree(value: object) -> Json:
    """Return a value as the JSON that its annotation would take."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Secret):
        return f"@{value.reference}"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {_key(key): _tree(part) for key, part in value.items()}
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    shape = shape_of(type(value))
    if shape is not None:
        named = ((name, getattr(value, name, None)) for name in shape.names)
        return {name: HIDDEN if is_secret_name(name) else _tree(part) for name, part in named}
    if isinstance(value, list | tuple | set | frozenset):
        parts = [_tree(part) for part in value]
        return parts if isinstance(value, list | tuple) else sorted(parts, key=json.dumps)
    return _other(value)


def _key(key: object) -> str:
    tree = _tree(key)
    return tree if isinstance(tree, str) else json.dumps(tree, ensure_ascii=False)


def _duration(span: timedelta) -> str:
    shown = show(span.total_seconds())
    with suppress(UsageError):
        if timedelta(seconds=seconds(shown)) == span:
            return shown
    return f"{span.total_seconds()!r}s"


def _other(value: object) -> str:
    module = type(value).__module__
    return str(value) if module in ("pathlib", "uuid", "decimal") else f"<{type(value).__name__}>"
