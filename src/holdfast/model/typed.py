"""Commands as a person types them: each word means to a shell what it says here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile
from shlex import quote

from holdfast.model.shown import UNSAFE

_OF_BYTES = range(0xDC80, 0xDD00)
"""The surrogates that stand for bytes which are no UTF-8."""


def typed(words: Iterable[str]) -> str:
    """Return words as a line for a shell. What is unsafe to show is escaped in the way that bash,
    zsh and ksh read, `$'a\\tb'`: a label's or an item's own characters reach us as they are."""
    return " ".join(map(_quoted, words))


def behind(verb: str, names: Iterable[str], options: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a verb with the names that it is about and its options; from the first name on that
    looks like an option, names stand last, after `--`."""
    named = tuple(names)
    plain = tuple(takewhile(lambda name: not name.startswith("-"), named))
    guarded = ("--", *named[len(plain) :]) if plain != named else ()
    return (verb, *plain, *options, *guarded)


def command(verb: str, names: Iterable[str], options: Iterable[str] = ()) -> str:
    """Return what to type to do something about these names."""
    return typed(("holdfast", *behind(verb, names, options)))


def _quoted(word: str) -> str:
    if not UNSAFE.search(word):
        return quote(word)
    plain = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{UNSAFE.sub(_escaped, plain)}'"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code in _OF_BYTES:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"
