"""What an error is called among many: the same text for all that differ only in numbers and ids.

`ValueError: id 17 is bad` and `ValueError: id 18 is bad` are one kind of failure, and a thousand
of them one line. What is replaced by `#` is whatever names one case: numbers, hexadecimal ids and
addresses, UUIDs. Words stay, also in quotes: they often say what is wrong; so does the number of an
exit status.
"""

from __future__ import annotations

import re
from typing import Final

CHARS_MAX: Final = 200

_CASE: Final = re.compile(
    r"""
    \b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b   # a UUID
    | \b0x[0-9a-fA-F]+\b
    | \b(?=[a-fA-F]*[0-9])[0-9a-fA-F]{8,}\b                   # an id with a digit in it
    | (?<![0-9])(?<!exit\ status\ )[0-9]+(?:[.,:][0-9]+)*     # a number, a time, an address
    """,
    re.VERBOSE,
)


def error_text(error_type: str, error: str) -> str:
    """Return an error in one line: its type and the first line of its message."""
    first = error.strip().partition("\n")[0].rstrip()
    if not error_type:
        return first
    return f"{error_type}: {first}" if first else error_type


def signature(error_type: str, error: str) -> str:
    """Return what errors of this kind have in common."""
    text = _CASE.sub("#", error_text(error_type, error)[: 4 * CHARS_MAX])
    return text if len(text) <= CHARS_MAX else text[: CHARS_MAX - 1] + "…"


def matches(where: str, error_type: str, error: str) -> bool:
    """Whether a person means this error by `where`: a part of its text, or of its signature."""
    return where in f"{error_type}: {error}" or where in signature(error_type, error)
