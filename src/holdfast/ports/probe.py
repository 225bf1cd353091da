"""What reads the world for a gate: any callable, and what it may say of itself beside that."""

from __future__ import annotations

from math import isfinite
from typing import Final, Protocol

from holdfast.errors import UsageError
from holdfast.model.durations import Duration, seconds
from holdfast.model.making import dataclass
from holdfast.model.reading import Inconclusive

__all__ = ["TEXT_CHARS_MAX", "About", "Inconclusive", "Probe", "about", "doubts"]

TEXT_CHARS_MAX: Final = 2_000
"""Of a query or a link, in the journal."""


class Probe(Protocol):
    """A callable without arguments that reads the world and changes nothing.

    It returns a number, a bool, a `Reading(value, at)`, None for no value, or a mapping of these
    by the name of their series, which are judged one by one; an empty mapping is no data. It
    raises when it cannot tell: `Inconclusive(why)` when there is nothing to be told now, UsageError
    when it can never be. What it returns as a bare number is of the moment it was asked.

    It may carry attributes, each of which is optional:

        query   what it asks, as a person would type it elsewhere
        link    where a person can look at the same
        window  how much of the past a value covers, such as "15s" for a rate over 15 seconds:
                all of it must lie after the last change
        fresh   how old a reading may be before it is stale; else three times the gate's `every`,
                and at least 30 s
        inspect a function without arguments that gives texts: what is doubtful about it today, such
                as a name that matches nothing. `plan` calls it, and shows them as warnings
    """

    def __call__(self) -> object: ...


@dataclass(frozen=True, slots=True)
class About:
    """What a probe says of itself. `fresh_s` is None when that is left to the gate."""

    query: str = ""
    link: str = ""
    window_s: float = 0.0
    fresh_s: float | None = None


def about(probe: object) -> About:
    """Return what a probe says of itself. Raises UsageError for a `window` or `fresh` that is no
    duration."""
    fresh = getattr(probe, "fresh", None)
    return About(
        _text(getattr(probe, "query", "")),
        _text(getattr(probe, "link", "")),
        _span(probe, "window", getattr(probe, "window", None) or 0),
        None if fresh is None else _span(probe, "fresh", fresh),
    )


def doubts(probe: object) -> tuple[str, ...]:
    """Return what a probe says is doubtful about it. Raises UsageError when it can never answer;
    that it cannot be asked now is a doubt like any other."""
    inspect = getattr(probe, "inspect", None)
    if not callable(inspect):
        return ()
    try:
        return tuple(str(text)[:TEXT_CHARS_MAX] for text in inspect())
    except UsageError:
        raise
    except Exception as error:
        return (f"cannot be asked now: {error}"[:TEXT_CHARS_MAX],)


def _text(value: object) -> str:
    return value[:TEXT_CHARS_MAX] if isinstance(value, str) else ""


def _span(probe: object, name: str, value: Duration) -> float:
    try:
        span_s = seconds(value)
    except UsageError as error:
        raise UsageError(f"the probe {probe!r:.80} has a {name} that is none: {error}") from None
    assert isfinite(span_s)
    return span_s
