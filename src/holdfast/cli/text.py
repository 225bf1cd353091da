"""Text as it may be shown: nothing of a user's or a program's steers the terminal."""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from datetime import datetime
from typing import Final

from holdfast.app.wording import moment
from holdfast.model import durations
from holdfast.model.json import Json
from holdfast.model.shown import UNSAFE
from holdfast.model.shown import safe as safe
from holdfast.model.shown import safe_lines as safe_lines

NAME_COLUMNS: Final = 10
"""Of a field's name, before its text."""
COPIED: Final = frozenset({"query", "link"})
"""Fields that are there to be copied: they are never wrapped."""


def json_text(tree: Json) -> str:
    """Return a value as one line of JSON; what is unsafe to show is escaped there too."""
    text = json.dumps(tree, ensure_ascii=False, separators=(", ", ": "))
    return text if text.isascii() and text.isprintable() else UNSAFE.sub(_escaped_in_json, text)


def _escaped_in_json(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]


# --- fitting into a width ---------------------------------------------------------------------


def width_of(text: str) -> int:
    """Return how many columns of a terminal a safe text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character in "\u200c\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, columns: int) -> str:
    """Return a safe text cut to so many columns, with an ellipsis where something is missing."""
    if width_of(text) <= columns:
        return text
    if columns <= 1:
        return "…"[:columns]
    kept, used = [], 1
    for character in text:
        used += _columns(character)
        if used > columns:
            break
        kept.append(character)
    return "".join(kept) + "…"


def field_lines(name: str, text: str, columns: int | None, indent: int = 2) -> list[str]:
    """Return a named text in lines that fit, the name on the left; its control characters are
    escaped."""
    line = f"{'':{indent}}{name:<{NAME_COLUMNS}} {safe(text)}"
    if columns is None or width_of(line) <= columns or name in COPIED:
        return [line]
    following = " " * (indent + NAME_COLUMNS + 1)
    return textwrap.wrap(line, columns, subsequent_indent=following, break_on_hyphens=False)


def pad(text: str, columns: int) -> str:
    """Return a safe text filled up with spaces to so many columns."""
    return text + " " * max(0, columns - width_of(text))


# --- times ------------------------------------------------------------------------------------


def when(at: datetime | None) -> str:
    """Return a moment as a person reads it, in UTC."""
    return "" if at is None else moment(at)


def ago(at: datetime | None, now: datetime) -> str:
    """Return a moment with how long ago it was, or how soon it comes."""
    if at is None:
        return ""
    return f"{when(at)} ({since(at, now)})"


def since(at: datetime, now: datetime) -> str:
    """Return how long ago a moment was, or how soon it comes, in whole seconds."""
    span_s = round((now - at).total_seconds())
    if span_s == 0:
        return "just now"
    return f"{durations.show(span_s)} ago" if span_s > 0 else f"in {durations.show(-span_s)}"


def took(start: datetime | None, end: datetime | None) -> str:
    """Return how long something took, or nothing while that is not known."""
    if start is None or end is None:
        return ""
    return durations.show(max(0.0, (end - start).total_seconds()))
