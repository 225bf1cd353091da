"""Budget: how many failures a batch may have before it stops and asks."""

from __future__ import annotations

import re
from math import isfinite
from typing import Final

from holdfast.errors import UsageError
from holdfast.model.making import dataclass

WINDOW_MAX: Final = 10_000
"""Outcomes of attempts that are remembered, a character each, with every checkpoint."""
PERCENT_TRIED_MIN: Final = 100
"""Of a percentage without a window: it is judged from so many tried items on. Below, one unlucky
item would be a large share."""

FAILED: Final = "x"
"""A failed attempt in `recent`; anything else is one that went well."""

_ALLOWED: Final = 'give a number of failed items, "1%", or a Budget'


@dataclass(frozen=True, slots=True)
class Budget:
    """How much failure a batch bears.

    `count` items may fail in all. `percent` of the last `window` attempts may fail; without a
    window, `percent` of all tried items. One more than either breaches it: nothing new starts and
    the run holds. Approving grants both anew.
    """

    count: int | None = None
    percent: float | None = None
    window: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work, while the script is loaded and nothing has run."""
        if self.count is None and self.percent is None:
            raise UsageError("Budget: give count=, percent=, or both")
        if self.count is not None and (not _is_whole(self.count) or self.count < 0):
            raise UsageError(f"Budget: count is {self.count!r}; give a whole number, 0 or more")
        if self.percent is not None and not _is_percentage(self.percent):
            raise UsageError(f"Budget: percent is {self.percent!r}; give a number from 0 to 100")
        if self.window is None:
            return
        if self.percent is None:
            raise UsageError("Budget: window= goes with percent=; give percent= too")
        if not _is_whole(self.window) or not 1 <= self.window <= WINDOW_MAX:
            raise UsageError(
                f"Budget: window is {self.window!r}; give 1 to {WINDOW_MAX:,} attempts"
            )

    @classmethod
    def of(cls, given: int | str | Budget | None) -> Budget | None:
        """Return what `budget=` means: 5 or "5" is a count, "1%" a percentage, None no budget.

        No budget is not a budget of 0: without one every item is tried, whatever fails.
        """
        if given is None or isinstance(given, Budget):
            return given
        if _is_whole(given):
            return cls(count=int(given))
        match = re.fullmatch(r"([0-9]{1,9})|([0-9]{1,3}(?:\.[0-9]+)?) ?%", str(given).strip())
        if not isinstance(given, str) or match is None:
            raise UsageError(f"budget is {given!r}; {_ALLOWED}")
        return cls(count=int(match[1])) if match[1] else cls(percent=float(match[2]))


def is_breached(
    budget: Budget, failed: int, granted: int, recent: str, tried: int, *, total: int | None = None
) -> str:
    """Return why the budget is breached, as a sentence, or "" while it is not.

    `failed` items count that are dead letters or quarantined, `granted` of them were there when a
    person last granted the budget anew. `recent` has a character for each of the last attempts
    since that grant, "x" for a failed one: whoever grants empties it. `tried` items have ended, of
    `total` when that is known: a window that is not full is judged only at the end.
    """
    beyond = failed - granted
    if budget.count is not None and beyond > budget.count:
        return f"{_items(beyond)} failed{_since(granted)}; the budget is {budget.count}"
    if budget.percent is None:
        return ""
    is_whole = total is not None and tried >= total
    if budget.window is not None:
        return _of_window(budget.percent, recent[-budget.window :], budget.window, is_whole)
    if (is_whole or tried >= PERCENT_TRIED_MIN) and beyond * 100 > budget.percent * tried:
        return (
            f"{beyond} of {_items(tried)} tried failed{_since(granted)} "
            f"({_share(beyond, tried)}); the budget is {budget.percent:g}%"
        )
    return ""


def _of_window(percent: float, last: str, window: int, is_whole: bool) -> str:
    if not last or (len(last) < window and not is_whole):
        return ""
    bad = last.count(FAILED)
    if bad * 100 <= percent * len(last):
        return ""
    return (
        f"{bad} of the last {len(last)} attempts failed ({_share(bad, len(last))}); "
        f"the budget is {percent:g}% of {window}"
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3g}%"


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _since(granted: int) -> str:
    return " since it was granted anew" if granted else ""


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_percentage(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
        and 0 <= value <= 100
    )
