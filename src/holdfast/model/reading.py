"""What a probe sees of the world, and what that is worth: one sample of a gate.

A sample passes or fails only on what was really read, lately, and after the last change. Whatever
else comes back (nothing, NaN, an empty mapping, an old value, the same value once more, a rate
whose window reaches back before the change) is inconclusive: it never passes, and never fails.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from math import isinf, isnan
from typing import Any, Final

from holdfast.errors import HoldfastError, UsageError
from holdfast.model.called import NeverRan, has_run, name_of
from holdfast.model.durations import show
from holdfast.model.gate_facts import Verdict
from holdfast.model.making import dataclass, field

FUTURE_S_MAX: Final = 2.0
"""How far the clock of what is read may be ahead of ours: more of it, and what seems to come
after the change may have come before."""
SERIES_KEPT_MAX: Final = 8
"""Of one sample, in the journal: those that decide, and then those nearest to the limit."""
WHY_CHARS_MAX: Final = 300
NAME_CHARS_MAX: Final = 120
_DECIDES: Final[tuple[Verdict, ...]] = ("fail", "error", "inconclusive", "pass")
"""Of several series, the first verdict of these that one of them has is the sample's."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value and the time it is of, which knows its zone. A value of None is no value."""

    value: float | None
    at: datetime


class NoReading(HoldfastError):
    """A probe returned what is no reading."""


class Inconclusive(HoldfastError):
    """Raise this in a probe when nothing can be told now: the sample is inconclusive, and says
    why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a value must be to pass; without any limit it must be True."""

    below: float | None = None
    above: float | None = None
    ok: Callable[[Any], object] | None = None

    @property
    def text(self) -> str:
        """The limits as a person reads them: `> 0.9 and < 6.5`."""
        parts = [f"> {number(self.above)}"] if self.above is not None else []
        parts += [f"< {number(self.below)}"] if self.below is not None else []
        parts += [f"{getattr(self.ok, '__name__', 'ok')}(value)"] if self.ok is not None else []
        return " and ".join(parts) or "is true"

    @property
    def has_any(self) -> bool:
        return not (self.below is None and self.above is None and self.ok is None)

    def judge(
        self, value: object, ok: Callable[[Any], object] | None = None
    ) -> tuple[Verdict, str]:
        """Return the verdict on one value, and why; `ok` stands for one that was awaited. Raises
        what `ok` raises, NoReading, and NeverRan for an `ok` of which nothing ran."""
        verdict = self.judge_plainly(value)
        if verdict is not None:
            return verdict
        seen, ok = numeric(value), ok or self.ok
        said = True if ok is None else has_run(ok(value), f"ok={name_of(ok)}")
        if said is None:
            return "inconclusive", f"{number(seen)}: nobody can say whether that is well"
        if not said:
            return "fail", f"{number(seen)} is not {self.text}"
        if isinf(seen):
            return "inconclusive", f"{number(seen)} is no measure of anything"
        return "pass", ""

    def judge_plainly(self, value: object) -> tuple[Verdict, str] | None:
        """Return the verdict that needs no `ok`, and why; None when `ok` is to be asked. Raises
        NoReading."""
        if value is None:
            return "inconclusive", "no value"
        seen = numeric(value)
        if isnan(seen):
            return "inconclusive", "NaN"
        if not self.has_any:
            if not isinstance(value, bool):
                raise NoReading(f"{value!r} has no limit: give the gate below=, above= or ok=")
            return ("pass" if value else "fail"), str(value)
        if self.below is not None and not seen < self.below:
            return "fail", f"{number(seen)} is not < {number(self.below)}"
        if self.above is not None and not seen > self.above:
            return "fail", f"{number(seen)} is not > {number(self.above)}"
        return None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """When a probe was asked and had answered, and what its readings are compared with.

    A value covers the `window_s` before its time, all of which must lie after `changed_at`. It
    is stale when it is older than `fresh_s`. `read_at` is the time of the last reading that
    counted: a reading that is no newer is the same one again. `known` are the series that were
    seen before: one that is gone is no reason to go on.
    """

    asked_at: datetime
    landed_at: datetime
    changed_at: datetime | None = None
    window_s: float = 0.0
    fresh_s: float = 60.0
    read_at: datetime | None = None
    known: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """What one look at the world came to. `values` are by series (the empty name where there is
    only one) as far as they are kept, `series` is how many there were."""

    verdict: Verdict
    why: str = ""
    values: Mapping[str, float | None] = field(default_factory=dict)
    read_at: datetime | None = None
    series: int = 1
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Judged:
    name: str
    value: float | None
    verdict: Verdict
    why: str
    nearness: float = 0.0


@dataclass(frozen=True, slots=True)
class Answered:
    """A probe's answer, with what an `ok` that had to be awaited says of it: for each series that
    it was asked of, a function that says it, or raises what it raised."""

    returned: object
    oks: Mapping[str, Callable[[Any], object]]


def sample_of(answer: object, limits: Limits, seen: Circumstances) -> Sample:
    """Return the sample that a probe's answer is. Raises NeverRan for a probe or an `ok` of which
    nothing ran, and nothing else."""
    returned, oks = answer, dict[str, Callable[[Any], object]]()
    if isinstance(answer, Answered):
        returned, oks = answer.returned, dict(answer.oks)
    has_run(returned, "the probe")
    try:
        series, read_at = series_of(returned)
    except Exception as error:
        return failed_sample(error)
    judged = [_judged(name, part, limits, seen, oks.get(name)) for name, part in series.items()]
    gone = [name for name in seen.known if name not in series]
    judged += [_Judged(name, None, "inconclusive", "gone: it was there before") for name in gone]
    if not judged:
        return Sample("inconclusive", "no series: nothing matches", series=0)
    verdict = next(word for word in _DECIDES if any(part.verdict == word for part in judged))
    kept = sorted(judged, key=lambda part: (_DECIDES.index(part.verdict), -part.nearness))
    return Sample(
        verdict,
        _why(verdict, kept),
        {part.name: part.value for part in kept[:SERIES_KEPT_MAX]},
        read_at,
        len(judged),
        tuple(series),
    )


def failed_sample(error: BaseException) -> Sample:
    """Return the sample of a probe that raised: it says nothing of the world."""
    if isinstance(error, Inconclusive):
        return Sample("inconclusive", str(error)[:WHY_CHARS_MAX], series=0)
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return Sample("error", text[:WHY_CHARS_MAX], series=0)


def _why(verdict: Verdict, judged: list[_Judged]) -> str:
    """Return the reason of the series that decide, the first of them by name."""
    deciding = [part for part in judged if part.verdict == verdict and part.why]
    if verdict == "pass" or not deciding:
        return ""
    first, more = deciding[0], len(deciding) - 1
    text = f"{first.name}: {first.why}" if first.name else first.why
    return text[:WHY_CHARS_MAX] + (f"; and {more} more" if more else "")


def series_of(returned: object) -> tuple[dict[str, Reading | object], datetime | None]:
    """Return the readings by series, and the time of the oldest. Raises NoReading."""
    parts = returned if isinstance(returned, Mapping) else {"": returned}
    found = {str(name)[:NAME_CHARS_MAX]: part for name, part in parts.items()}
    if len(found) < len(parts):
        raise NoReading("two series have the same name")
    dated = [part.at for part in found.values() if isinstance(part, Reading)]
    for at in dated:
        if at.tzinfo is None:
            raise NoReading("a reading's time knows no time zone: use datetime.now(UTC)")
    return found, min(dated, default=None)


def value_in(part: object) -> object:
    """Return the value of one series, also of a dated one."""
    return part.value if isinstance(part, Reading) else part


def _judged(
    name: str,
    part: object,
    limits: Limits,
    seen: Circumstances,
    ok: Callable[[Any], object] | None,
) -> _Judged:
    reading, value = part if isinstance(part, Reading) else None, value_in(part)
    try:
        verdict, why = limits.judge(value, ok)
        number = None if value is None else numeric(value)
    except NeverRan:
        raise
    except Exception as error:
        return _Judged(name, None, "error", f"{type(error).__name__}: {error}")
    doubt = _doubt(reading, seen) if verdict in ("pass", "fail") else ""
    if doubt:
        return _Judged(name, number, "inconclusive", doubt)
    return _Judged(name, number, verdict, why, _nearness(number, limits))


def _doubt(reading: Reading | None, seen: Circumstances) -> str:
    """Return why a value says nothing of the world as it is since the change, or nothing."""
    at = seen.asked_at if reading is None else reading.at
    age_s = (seen.landed_at - at).total_seconds()
    if age_s < -FUTURE_S_MAX:
        return f"its time is {show(-age_s)} ahead: the clocks differ"
    if seen.changed_at is not None and at - timedelta(seconds=seen.window_s) < seen.changed_at:
        return f"it covers time before the last change, at {seen.changed_at:%H:%M:%S} UTC"
    if age_s > seen.fresh_s:
        return f"stale: it is {show(age_s)} old"
    if reading is not None and seen.read_at is not None and at <= seen.read_at:
        return "the same reading as before"
    return ""


def _nearness(value: float | None, limits: Limits) -> float:
    """Return how near a value is to failing; greater is nearer."""
    if value is None or isnan(value):
        return 0.0
    return -value if limits.above is not None and limits.below is None else value


def numeric(value: object) -> float:
    """Return a value as a number. Raises NoReading for what is none."""
    if not isinstance(value, str | bytes) and hasattr(value, "__float__"):
        return float(value)
    raise NoReading(
        f"a probe returned {value!r:.80}, which is no number, Reading, None or mapping of these"
    )


def number(value: object) -> str:
    """Return a number as a person reads it, in at most five digits."""
    if isinstance(value, int | float) and value == value and abs(value) < 1e5:
        if float(value).is_integer():
            return str(int(value))
    return f"{value:.5g}" if isinstance(value, int | float) else f"{value}"


def check_limit(name: str, value: object) -> float | None:
    """Return a limit as a number. Raises UsageError for one that nothing can be compared with."""
    if value is None:
        return None
    try:
        found = numeric(value)
    except NoReading:
        raise UsageError(f"{name}={value!r}: a limit is a number") from None
    if isnan(found):
        raise UsageError(f"{name}=NaN: nothing can be compared with it; was there no baseline?")
    return found
