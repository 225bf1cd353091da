"""Text as it may be shown: nothing of a user's or a program's steers a terminal or a message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_UNSAFE: Final = (
    "\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
"""Controls, line separators, what turns the direction of text or is invisible, and surrogates.
The joiners U+200C and U+200D stay: whole languages, and emoji, are written with them."""

UNSAFE: Final = re.compile(f"[{_UNSAFE}]")
FEW: Final = 10
"""So many of a list that may be long are named in a sentence."""
_NAMES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def safe(text: str) -> str:
    """Return text as one line in which every control and bidirectional character is escaped."""
    return text if text.isascii() and text.isprintable() else UNSAFE.sub(_escaped, text)


def safe_lines(text: str) -> list[str]:
    """Return the lines of a longer text, each safe; tabs stay, for columns depend on them."""
    lines = text.removesuffix("\n").split("\n")
    return ["\t".join(map(safe, line.removesuffix("\r").split("\t"))) for line in lines]


def few(names: Sequence[str]) -> list[str]:
    """Return the first of some names, and how many more there are."""
    more = len(names) - FEW
    return [*names[:FEW], f"and {more:,} more"] if more > 0 else [*names]


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character in _NAMES:
        return _NAMES[character]
    code = ord(character)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
