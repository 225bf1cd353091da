"""What a command writes on: how wide it is, whether it has colour, and its glyphs."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import Final, Literal, TextIO, TypeAlias

import click

from holdfast.app.wording import status_words
from holdfast.model.making import dataclass

Colour: TypeAlias = Literal["green", "red", "yellow", "cyan", "magenta", "bright_black", ""]

COLUMNS_MIN: Final = 40
"""On anything narrower we write as if it were this wide: it wraps, and nothing is lost."""

GLYPHS: Final[dict[str, tuple[str, Colour]]] = {
    "succeeded": ("✔", "green"),
    "already_done": ("✔", "green"),
    "failed": ("✖", "red"),
    "running": ("◌", "cyan"),
    "interrupted": ("◌", "yellow"),
    "in_doubt": ("?", "magenta"),
    "skipped": ("–", "bright_black"),
    "undone": ("–", "bright_black"),
    "superseded": ("–", "bright_black"),
    "waiting": ("⏸", "yellow"),
}
STATUS_COLOURS: Final[dict[str, Colour]] = {
    "succeeded": "green", "failed": "red", "running": "cyan", "on_hold": "yellow",
    "paused": "yellow", "waiting": "yellow", "interrupted": "magenta",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Paper:
    """One output stream. `columns` is None where lines may be as long as they are."""

    columns: int | None
    has_colour: bool
    can_redraw: bool
    is_plain: bool

    def paint(self, text: str, colour: Colour, *, bold: bool = False) -> str:
        """Return text in a colour, where there are colours."""
        if not self.has_colour or not (colour or bold):
            return text
        return click.style(text, fg=colour or None, bold=bold or None)

    def glyph(self, status: str) -> str:
        """Return one glyph for a step's status; on plain paper, the word."""
        if self.is_plain:
            return f"{status_words(status):<12}"
        sign, colour = GLYPHS.get(status, ("•", ""))
        return self.paint(sign, colour)

    def wrap(self, text: str, indent: str = "") -> list[str]:
        """Return text in lines that fit; those after the first are indented. Words stay whole."""
        if self.columns is None:
            return [text]
        return textwrap.wrap(
            text,
            self.columns,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        ) or [""]


def paper(*, is_plain: bool = False, stream: TextIO | None = None) -> Paper:
    """Return what stdout (or `stream`) is like, as the environment and the person want it.

    Colour and redrawing need a terminal that is not dumb; NO_COLOR and `--plain` take colour
    away. What the stream's encoding cannot say is written escaped instead of failing.
    """
    out = stream or sys.stdout
    if hasattr(out, "reconfigure"):
        out.reconfigure(errors="backslashreplace")
    is_terminal = out.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
    speaks_unicode = (getattr(out, "encoding", "") or "").lower().replace("-", "") == "utf8"
    return Paper(
        columns=_columns(out),
        has_colour=is_terminal and not is_plain and not os.environ.get("NO_COLOR"),
        can_redraw=is_terminal and not is_plain,
        is_plain=is_plain or not speaks_unicode,
    )


def _columns(out: TextIO) -> int | None:
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return max(COLUMNS_MIN, int(given))
    if not out.isatty():
        return None
    return max(COLUMNS_MIN, shutil.get_terminal_size().columns)
