"""Text as it may be shown: nothing of a user's or a program's steers the terminal."""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from datetime import UTC, datetime
from typing import Final

from holdfast.model import durations
from holdfast.model.json import Json

NAME_COLUMNS: Final = 10
"""Of a field's name, before its text."""

_UNSAFE: Final = (
    "\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
"""Controls, line separators, what turns the direction of text or is invisible, and surrogates.
The joiners U+200C and U+200D stay: whole languages, and emoji, are written with them."""

_ONE: Final = re.compile(f"[{_UNSAFE}]")
_NAMES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def safe(text: str) -> str:
    """Return text as one line in which every control and bidirectional character is escaped."""
    return text if text.isascii() and text.isprintable() else _ONE.sub(_escaped, text)


def safe_lines(text: str) -> list[str]:
    """Return the lines of a longer text, each safe; tabs stay, for columns depend on them."""
    lines = text.removesuffix("\n").split("\n")
    return ["\t".join(map(safe, line.removesuffix("\r").split("\t"))) for line in lines]


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character in _NAMES:
        return _NAMES[character]
    code = ord(character)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def json_text(tree: Json) -> str:
    """Return a value as one line of JSON; what is unsafe to show is escaped there too."""
    text = json.dumps(tree, ensure_ascii=False, separators=(", ", ": "))
    return text if text.isascii() and text.isprintable() else _ONE.sub(_escaped_in_json, text)


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
    if columns is None or width_of(line) <= columns:
        return [line]
    following = " " * (indent + NAME_COLUMNS + 1)
    return textwrap.wrap(line, columns, subsequent_indent=following, break_on_hyphens=False)


def pad(text: str, columns: int) -> str:
    """Return a safe text filled up with spaces to so many columns."""
    return text + " " * max(0, columns - width_of(text))


# --- times ------------------------------------------------------------------------------------


def when(at: datetime | None) -> str:
    """Return a moment as a person reads it, in UTC."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


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
