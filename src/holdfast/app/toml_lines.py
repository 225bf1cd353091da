"""On which line of a TOML file a key stands; for texts that Python's own parser has accepted.

That parser keeps no positions. Here the text is walked once more: headers, keys, and values just
far enough to find where they end and which keys are inside.
"""

from __future__ import annotations

import re
import tomllib
from typing import Final

from holdfast.model.inventory_secrets import Place

_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_NAME: Final = r"""(?:[\w-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_KEY: Final = re.compile(rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*")
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' r"'''.*?'{3,5}|" r'"(?:\\.|[^"\\\n])*"|' r"'[^'\n]*'", re.DOTALL
)
_BARE: Final = re.compile(r"[^,\]}\n#]*")


def lines_of(text: str) -> dict[Place, int]:
    """Return the line, from 1, of each table, key and array element, by its place.

    Of a table that several headers make up it is the first one's.
    """
    return _Walk(text.replace("\r\n", "\n")).lines


def nearest(lines: dict[Place, int], place: Place) -> int:
    """Return the line of `place`, or of what is next around it."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


class _Walk:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self.lines: dict[Place, int] = {}
        self._counts: dict[Place, int] = {}
        self._seen, self._seen_lines = 0, 1
        table: Place = ()
        while self._skip() < len(text):
            if text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)

    def _skip(self) -> int:
        """Go past blanks, line ends and comments."""
        match = _BLANK.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._at

    def _line(self) -> int:
        self._seen_lines += self._text.count("\n", self._seen, self._at)
        self._seen = self._at
        return self._seen_lines

    def _note(self, place: Place, line: int) -> None:
        """Note the line of a place, and of the tables around it that had none."""
        while place and place not in self.lines:
            self.lines[place] = line
            place = place[:-1]

    def _header(self) -> Place:
        line = self._line()
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        self._skip()
        path = self._key()
        self._skip()
        self._at += 2 if is_array else 1
        place: Place = ()
        for depth, name in enumerate(path, start=1):
            place = (*place, name)
            if is_array and depth == len(path):
                self._note(place, line)
                self._counts[place] = self._counts.get(place, -1) + 1
            if place in self._counts:
                place = (*place, self._counts[place])
        self._note(place, line)
        return place

    def _key(self) -> list[str]:
        match = _KEY.match(self._text, self._at)
        assert match is not None, self._text[self._at : self._at + 40]
        self._at = match.end()
        names: list[str] = []
        # The parser itself takes quotes, escapes and dots apart.
        inner: object = tomllib.loads(f"{match[0]}=0")
        while isinstance(inner, dict):
            name, inner = next(iter(inner.items()))
            names.append(name)
        return names

    def _pair(self, table: Place) -> None:
        line = self._line()
        place = (*table, *self._key())
        self._note(place, line)
        self._skip()
        self._at += 1  # The =.
        self._skip()
        self._value(place)

    def _value(self, place: Place) -> None:
        opening = self._text[self._at]
        if opening == "[":
            self._inside("]", place, is_array=True)
        elif opening == "{":
            self._inside("}", place, is_array=False)
        else:
            match = _STRING.match(self._text, self._at) or _BARE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()

    def _inside(self, closing: str, place: Place, *, is_array: bool) -> None:
        self._at += 1
        number = 0
        while self._text[self._skip()] != closing:
            if self._text[self._at] == ",":
                self._at += 1
            elif is_array:
                self._note((*place, number), self._line())
                self._value((*place, number))
                number += 1
            else:
                self._pair(place)
        self._at += 1
