"""Plain functions, and readings with their times, keep every promise of a probe."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from holdfast import Reading, UsageError
from holdfast.ports.probe import Probe
from holdfast.testing import ProbeSuite


class TestPlainFunctions(ProbeSuite):
    """Functions that return numbers and None."""

    def present(self, place: Path) -> Probe:
        return lambda: 4.5

    def absent(self, place: Path) -> Probe:
        return lambda: None

    def nan(self, place: Path) -> Probe:
        return lambda: math.nan

    def stale(self, place: Path) -> Probe:
        return Remembered()

    def unreachable(self, place: Path) -> Probe:
        return lambda: int((place / "absent").read_text())

    def malformed(self, place: Path) -> Probe:
        return refuse


class Remembered:
    """A probe that knows its value from ten minutes ago, and says how long one is good."""

    fresh = "1m"

    def __call__(self) -> Reading:
        return Reading(4.5, datetime.now(UTC) - timedelta(minutes=10))


class Sensor:
    """A probe in the shape of an adapter's: an object with a query, series and times."""

    query, link, window, fresh = "up", "https://dash/up", "15s", "1m"

    def __init__(self, series: dict[str, float | None], age_s: float = 0.0) -> None:
        self.series, self.age = series, timedelta(seconds=age_s)

    def __call__(self) -> Any:
        at = datetime.now(UTC) - self.age
        return {name: Reading(value, at) for name, value in self.series.items()}


class Unplugged(Sensor):
    """One that does not answer."""

    def __call__(self) -> Any:
        raise ConnectionRefusedError("nobody listens there")


def refuse() -> float:
    raise UsageError("no such query")


class TestSeries(ProbeSuite):
    """Objects that return readings by series."""

    def present(self, place: Path) -> Probe:
        return Sensor({"a": 1.0, "b": 2.0})

    def absent(self, place: Path) -> Probe:
        return Sensor({})

    def nan(self, place: Path) -> Probe:
        return Sensor({"b": math.nan})

    def stale(self, place: Path) -> Probe:
        return Sensor({"a": 1.0}, age_s=600)

    def unreachable(self, place: Path) -> Probe:
        return Unplugged({"a": 1.0})

    def malformed(self, place: Path) -> Probe:
        return refuse
