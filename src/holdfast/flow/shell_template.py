"""A command with places for an item: its words, or the code of a shell that is given the item.

A shell does not get the item's text as code, however well quoted: where `{}` stands in quotes of
its own it would be quoted twice, and what is in it would be run. Each place becomes a parameter of
the shell, in the quotes that fit there. So the item stays one word, and is never read as code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Final

from holdfast.runtime.watchdog import SHELL

PLACES: Final = re.compile(r"\{(?:|\.|/|//|/\.|#)\}")
_COMMENT: Final = re.compile(r"(?<![^\s;&|(])#[^\n]*")
_PLAIN, _SINGLE, _DOUBLE, _TICK, _PAREN = "", "'", '"', "`", ")"
"""What a place may stand in, by what ends it."""
_OPENS: Final = {_SINGLE: _SINGLE, _DOUBLE: _DOUBLE, _TICK: _TICK, "(": _PAREN}
_NUMBER: Final = "{#}"
_BARE, _QUOTED, _BETWEEN = "${%d}", '"${%d}"', "'\"${%d}\"'"
"""A parameter: as it is, in quotes, and between two texts in single quotes."""


class Template:
    """The words of a command, with places for the item; read by a shell, or not."""

    def __init__(self, argv: Sequence[str], is_shell: bool = False) -> None:
        self._argv, self._is_shell = argv, is_shell

    @property
    def program(self) -> str:
        """The program that every item runs; empty where that is told by the item."""
        if self._is_shell:
            return SHELL
        return "" if PLACES.search(self._argv[0]) else self._argv[0]

    def words(self, item: str, number: int) -> list[str]:
        """Return the command for an item, the `number`th, from 1."""
        if self._is_shell:
            code, places = self._code
            return [SHELL, "-c", code, SHELL, *(_PLACED[place](item, number) for place in places)]
        return [_filled(word, item, number) for word in self._given]

    @cached_property
    def _given(self) -> list[str]:
        """The words with a place: without one the item comes last."""
        has_place = any(PLACES.search(word) for word in self._argv)
        return [*self._argv] if has_place else [*self._argv, "{}"]

    @cached_property
    def _code(self) -> tuple[str, list[str]]:
        """What the shell reads, and what each of its parameters is."""
        code, places = "", list[str]()
        for text, within in _parted(" ".join(self._given)):
            if within is None:
                code += text
                continue
            if text not in places:
                places.append(text)
            code += _fitting(text, within) % (places.index(text) + 1)
        return code, places


def _fitting(place: str, within: str) -> str:
    if within == _SINGLE:
        return _BETWEEN
    # A number is one word, and arithmetic takes no quotes.
    return _BARE if within == _DOUBLE or place == _NUMBER else _QUOTED


def _filled(text: str, item: str, number: int) -> str:
    if "{" not in text:
        return text
    return PLACES.sub(lambda place: _PLACED[place[0]](item, number), text)


def _without_end(path: str) -> str:
    head, dot, tail = path.rpartition(".")
    return head if dot and "/" not in tail else path


_PLACED: Final[dict[str, Callable[[str, int], str]]] = {
    "{}": lambda item, number: item,
    "{.}": lambda item, number: _without_end(item),
    "{/}": lambda item, number: item.rpartition("/")[2],
    "{//}": lambda item, number: os.path.dirname(item) or ".",
    "{/.}": lambda item, number: _without_end(item.rpartition("/")[2]),
    "{#}": lambda item, number: str(number),
}


# --- where a place stands -----------------------------------------------------------------------


def _parted(code: str) -> Iterator[tuple[str, str | None]]:
    """Yield each place with what it stands in, and what is none with None.

    Told as far as a command line goes. Where it is wrong, in a here-document say, the item may be
    in quotes that are seen, or more than one word; it is still not read as code.
    """
    within, at = [_PLAIN], 0
    while at < len(code):
        place = PLACES.match(code, at)
        if place is not None:
            yield place[0], within[-1]
            at = place.end()
            continue
        size = _followed(code, at, within)
        yield code[at : at + size], None
        at += size


def _followed(code: str, at: int, within: list[str]) -> int:
    """Note what begins or ends at a letter that begins no place; return how many belong to it."""
    letter, top = code[at], within[-1]
    if letter == top:
        within.pop()
    elif top == _SINGLE:
        return 1
    elif letter == "\\":
        return 2
    elif code.startswith("$(", at):
        within.append(_PAREN)
        return 2
    elif letter in _OPENS and (top != _DOUBLE or letter == _TICK):
        within.append(_OPENS[letter])
    elif top != _DOUBLE and (comment := _COMMENT.match(code, at)):
        return comment.end() - at
    return 1
