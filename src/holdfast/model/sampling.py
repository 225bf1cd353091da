"""Where a gate stands: its samples so far, and what they come to.

A failure stays one: more of them than the limit and the gate has failed, whatever comes later.
What is inconclusive is taken again until the gate's time is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from math import ceil, floor
from typing import Final, Literal, TypeAlias

from holdfast.model.codec import decode
from holdfast.model.gate_facts import GateOpened, GateOverridden, SampleTaken, Verdict
from holdfast.model.json import Json
from holdfast.model.making import dataclass, field

Standing: TypeAlias = Literal["", "pass", "fail", "inconclusive"]
"""What the samples come to; empty while more are wanted."""

KEPT_EACH_MAX: Final = 60
"""Samples of a gate that have a fact each. A soak of hours goes on with one fact for those that
are alike, at most one a minute: four hours at ten seconds are 291 facts of 140 bytes, not 1,441.
Failures always have their own."""
ALIKE_S_MAX: Final = 60.0


@dataclass(slots=True)
class GateState:
    """The samples of one gate since it was `opened`, which the fact number `seq` says. `counts`
    are by verdict."""

    opened: GateOpened
    seq: int
    counts: dict[Verdict, int] = field(default_factory=dict)
    samples: list[SampleTaken] = field(default_factory=list)
    overridden: GateOverridden | None = None

    @property
    def last_at(self) -> datetime | None:
        return self.samples[-1].at if self.samples else None

    @property
    def read_at(self) -> datetime | None:
        """The time of the last reading that counted."""
        counted = (s.read_at for s in reversed(self.samples) if s.verdict in ("pass", "fail"))
        return next(counted, None)

    def add(self, sample: SampleTaken) -> None:
        """Count a sample, or the many alike that it stands for."""
        self.counts[sample.verdict] = self.taken(sample.verdict) + sample.count
        self.samples.append(sample)

    def taken(self, verdict: Verdict) -> int:
        return self.counts.get(verdict, 0)

    @property
    def conclusive(self) -> int:
        """How many samples passed or failed."""
        return self.taken("pass") + self.taken("fail")

    def standing(self, at: datetime) -> Standing:
        """Return what the samples come to at a moment."""
        opened, passed = self.opened, self.taken("pass")
        if opened.measures:
            if sum(self.counts.values()) < opened.wants:
                return ""
            return "pass" if passed else "inconclusive"
        if self.taken("fail") > opened.failure_limit:
            return "fail"
        missing = opened.wants - self.conclusive
        if missing <= 0:
            return "pass" if passed else "inconclusive"
        if opened.until is None or at < opened.until:
            return ""
        return "pass" if passed and missing <= opened.inconclusive_limit else "inconclusive"

    def due(self, at: datetime) -> datetime:
        """Return when the next sample is to be taken. A clock that was set back delays none."""
        if self.last_at is None:
            return self.opened.first_at or at
        step = timedelta(seconds=self.opened.every_s)
        return min(self.last_at, at) + step

    def numbers(self) -> Iterator[tuple[str, float]]:
        """Yield every value that counted, with the name of its series."""
        for sample in self.samples:
            if sample.verdict in ("pass", "fail"):
                for name, recorded in sample.values.items():
                    value = decode(recorded)
                    if isinstance(value, int | float):
                        yield name, float(value)


@dataclass(frozen=True, slots=True)
class Stats:
    """What a number was over a time. `span` is from the first sample to the last; `series` has
    the same of each series, where there are several."""

    mean: float
    min: float
    max: float
    p50: float
    p95: float
    p99: float
    count: int
    span: timedelta = timedelta()
    series: dict[str, Stats] = field(default_factory=dict)


def stats_of(gate: GateState) -> Stats:
    """Return what a gate has seen; NaN throughout when that is nothing."""
    by_name: dict[str, list[float]] = {}
    for name, value in gate.numbers():
        by_name.setdefault(name, []).append(value)
    span = timedelta()
    if gate.samples:
        span = gate.samples[-1].at - gate.samples[0].at
    every = [value for values in by_name.values() for value in values]
    parts = {} if len(by_name) < 2 else {n: _stats(v, span) for n, v in by_name.items()}
    return _stats(every, span, parts)


def _stats(values: list[float], span: timedelta, series: dict[str, Stats] | None = None) -> Stats:
    if not values:
        nan = float("nan")
        return Stats(nan, nan, nan, nan, nan, nan, 0, span)
    values = sorted(values)
    mean = sum(values) / len(values)
    return Stats(
        # The sum of many may round to a hair beyond the greatest of them.
        mean=min(max(mean, values[0]), values[-1]),
        min=values[0],
        max=values[-1],
        p50=_percentile(values, 50),
        p95=_percentile(values, 95),
        p99=_percentile(values, 99),
        count=len(values),
        span=span,
        series=series or {},
    )


def _percentile(values: list[float], percent: int) -> float:
    """Return the value with so many percent of them below it, between two in proportion."""
    place = (len(values) - 1) * percent / 100
    low, high = values[floor(place)], values[ceil(place)]
    if low == high:
        return low
    return low + (high - low) * (place - floor(place))


def series_of(samples: Iterable[SampleTaken]) -> dict[str, list[Json]]:
    """Return each series' values in the order of the samples, None where it was not there."""
    kept = list(samples)
    names = dict.fromkeys(name for sample in kept for name in sample.values)
    return {name: [sample.values.get(name) for sample in kept] for name in names}
