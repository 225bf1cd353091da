"""Tables for a terminal: columns as wide as what is in them, until the line is full."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from holdfast.cli.paper import Paper
from holdfast.cli.text import fit, pad, width_of

GiveWay: TypeAlias = Sequence[tuple[int, int]]
"""Columns in the order in which they give way, each with the least width; 0 lets it go."""
_COLUMNS_MIN = 4
"""Less of a text tells nothing."""


def table_lines(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    paper: Paper,
    give_way: GiveWay,
    paint: Callable[[int, int, str], str] = lambda row, column, text: text,
) -> Iterator[str]:
    """Yield a table of safe texts that fits the paper. `paint` colours a cell that is filled up
    to its width."""
    wide = [max(width_of(line[at]) for line in (heads, *rows)) for at in range(len(heads))]
    wide = _narrowed(wide, paper.columns, give_way)
    for number, line in enumerate((heads, *rows), start=-1):
        padded = [
            cell if number < 0 else paint(number, at, cell)
            for at, text in enumerate(line)
            if wide[at]
            for cell in (pad(fit(text, wide[at]), wide[at]),)
        ]
        yield "  ".join(padded).rstrip()


def _narrowed(wide: list[int], columns: int | None, give_way: GiveWay) -> list[int]:
    if columns is None:
        return wide
    for at, least in give_way:
        over = sum(wide) + 2 * (sum(1 for part in wide if part) - 1) - columns
        if over <= 0:
            break
        left = wide[at] - over
        wide[at] = left if left >= max(least, _COLUMNS_MIN) else least
    return wide
