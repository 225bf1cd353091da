"""Durations: the ways to write a span of time, and one way to show it."""

from __future__ import annotations

import re
from datetime import timedelta
from math import isfinite
from typing import Final, TypeAlias

from holdfast.errors import UsageError

Duration: TypeAlias = str | int | float | timedelta

DURATION_S_MAX: Final = 100 * 366 * 86_400.0
"""A century; nobody waits longer on purpose, and dates beyond it overflow."""

ALLOWED: Final = (
    'give "500ms", "90s", "5m", "1h30m", "2d" or "1w", a number of seconds, or a timedelta'
)
_NUMBER: Final = r"([0-9]+(?:\.[0-9]+)?)"
_FORM: Final = r"\s*".join(f"(?:{_NUMBER} ?{unit})?" for unit in ("w", "d", "h", "m", "s", "ms"))
"""Compiled when it is first needed: that costs a step of a shell script a millisecond."""
_UNITS_S: Final = (604_800.0, 86_400.0, 3_600.0, 60.0, 1.0, 0.001)


def seconds(value: Duration) -> float:
    """Return a duration in seconds; a bare number is seconds already.

    Raises UsageError, with the forms there are, for any other text, for negative and endless
    spans and for more than a century.
    """
    try:
        found = _seconds(value)
    except (OverflowError, ValueError):
        found = None
    if found is None or not isfinite(found):
        raise UsageError(f"{_named(value)} is no duration; {ALLOWED}")
    if found < 0:
        raise UsageError(f"the duration {_named(value)} is negative; {ALLOWED}")
    if found > DURATION_S_MAX:
        raise UsageError(f"the duration {_named(value)} is longer than a century")
    return found


def _seconds(value: object) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if re.fullmatch(f"-?{_NUMBER}", text):
        return float(text)
    match = re.fullmatch(_FORM, text)
    if match is None or not text:
        return None
    return sum(float(n) * unit for n, unit in zip(match.groups(), _UNITS_S, strict=True) if n)


def _named(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of that size"  # Python may refuse to write it in decimal.
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:59] + "…"


def show(span_s: float) -> str:
    """Return a span as a person reads it, in at most two units: `1h 30m`, `12s`, `0.3s`, `40ms`."""
    if not isfinite(span_s):
        return "unknown"
    if span_s < 0:
        return f"-{show(-span_s)}"
    if span_s < 9.95:
        return _below_ten(span_s)
    whole = round(span_s)
    # The smaller of the two units is rounded too, so that 59 min 59.7 s is an hour.
    for unit_s, smaller_s, names in ((86_400, 3_600, "dh"), (3_600, 60, "hm"), (60, 1, "ms")):
        rounded = round(whole / smaller_s) * smaller_s
        if rounded >= unit_s:
            rest = rounded % unit_s // smaller_s
            return f"{rounded // unit_s}{names[0]}" + (f" {rest}{names[1]}" if rest else "")
    return f"{whole}s"


def _below_ten(span_s: float) -> str:
    if span_s < 0.0995:
        return f"{round(span_s * 1000)}ms" if span_s >= 0.0005 else "0s"
    return (f"{span_s:.2g}" if span_s < 0.995 else f"{span_s:.1f}".removesuffix(".0")) + "s"
