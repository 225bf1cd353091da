"""Tokens for the header of a request: secrets that are one word."""

from __future__ import annotations

from holdfast.errors import UsageError
from holdfast.flow.inside import secret

VERSION = "1"
"""Part of the code hash of steps that use this: it changes when what it does does."""


def token_of(name: str) -> str:
    """Return the token that the secret `name` holds, without the newline that a file, or whoever
    filled the variable from one, has put after it. Raises UsageError, which tells nothing of it."""
    text = secret(name).strip("\r\n")
    if not (text and text.isascii() and text.isprintable()):
        raise UsageError(
            f"the secret {name!r} is no token: it is empty, or has what no header may hold"
        )
    return text
