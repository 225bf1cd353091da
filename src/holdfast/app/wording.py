"""Words of many sentences: how a run, a step or a hold stands, how many there are, and names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

Field: TypeAlias = tuple[str, str]
"""A name of at most nine letters, and what there is to say under it."""

ANSWERED: Final[Mapping[str, str]] = {
    "approve": "approved", "reject": "rejected", "skip": "skipped", "value": "answered",
    "done": "decided", "retry": "decided",
}  # fmt: skip
"""What was done to a hold, by the answer it was given."""

SHOWN_MAX: Final = 5
"""So many of some names stand in a sentence."""


def stands(status: str) -> str:
    """Return `has succeeded`, `was skipped`, `is on hold`, …"""
    match status:
        case "succeeded" | "failed":
            return f"has {status}"
        case "already_done":
            return "was done"
        case "skipped" | "cancelled" | "superseded" | "undone" | "rolled_back":
            return f"was {status_words(status)}"
        case _:
            return f"is {status_words(status)}"


def status_words(status: str) -> str:
    """Return a status as words: `on hold`."""
    return status.replace("_", " ")


def moment(at: datetime) -> str:
    """Return a moment as people read it, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def count(number: int, noun: str) -> str:
    """Return `1 step` or `1,000 steps`."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def some_of(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return ", ".join(names[:SHOWN_MAX]) + more


def latest_of(names: Iterable[str]) -> str:
    """Return the last of what a run has reached so far, or `none yet`."""
    return ", ".join([*names][-SHOWN_MAX:]) or "none yet"
