"""Secrets that were about to be kept in an inventory: found by their names and their looks.

A file that is checked in, copied and shown is no place for them. What merely tells where a secret
is (a path, `@env:NAME`, `@file:PATH`) may stand there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from holdfast.model.keys import is_secret_name

Part: TypeAlias = str | int
Place: TypeAlias = tuple[Part, ...]
"""A place in the file: the names of tables and keys, and numbers in arrays, from 0."""

REFERENCES: Final = ("@env:", "@file:")
BY_NAME: Final = "a secret, by its name"

_PASSWORD: Final = r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@:]*:[^\s/?#@]+@"
_QUERY: Final = r"[?&;]([\w.-]+)=[^&;\s]"
_KNOWN: Final = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[opsur]_[A-Za-z0-9]{20,}"
    r"|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abprs]-[\w-]{10,}"
)
"""Texts that are secrets whatever they are called: keys and tokens of well-known services."""

_TELLS_WHERE: Final = r"[_-](file|path|dir|name|id|ref)$"
_PATH: Final = r"(?:~|\.{0,2})/[\w. /-]+"


def is_reference(text: str) -> bool:
    """Return whether the text tells where a secret is found."""
    return text.startswith(REFERENCES)


def secrets_in(place: Place, value: object, named: str = "") -> Iterator[tuple[Place, str]]:
    """Yield the place and the look of each value that seems to be a secret; never the value.

    `named` is the name further out that speaks of a secret: it speaks for all that is inside.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            says = named or (name if _is_secret_name(name) else "")
            yield from secrets_in((*place, name), inner, says)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from secrets_in((*place, at), inner, named)
    else:
        look = _look(value, named)
        if look:
            yield place, look


def look_of(text: str) -> str:
    """Return what makes the text a secret, whatever its name; nothing when it seems to be none."""
    if is_reference(text):
        return ""
    if re.search(_PASSWORD, text):
        return "an address with a password in it"
    if "://" in text and any(is_secret_name(name) for name in re.findall(_QUERY, text)):
        return "an address with a secret in it"
    return "a key or token" if re.search(_KNOWN, text) else ""


def _look(value: object, named: str) -> str:
    if isinstance(value, str):
        tells_where = is_reference(value) or not value or re.fullmatch(_PATH, value)
        return BY_NAME if named and not tells_where else look_of(value)
    # A number of tokens, or how long one lives, is no secret; a number as a password is.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return BY_NAME if named and is_number and "token" not in named.lower() else ""


def _is_secret_name(name: str) -> bool:
    return is_secret_name(name) and not re.search(_TELLS_WHERE, name, re.IGNORECASE)
