"""Every output keeps the promises of the contract."""

from __future__ import annotations

from pathlib import Path

from holdfast import Csv, JsonLines
from holdfast.ports.outputs import OutputFile
from holdfast.testing import OutputSuite


class TestJsonLines(OutputSuite):
    """A line of JSON for each value."""

    def make(self, place: Path) -> OutputFile:
        return JsonLines(place / "out.jsonl")

    def make_appending(self, place: Path) -> OutputFile:
        return JsonLines(place / "out.jsonl", append=True)


class TestCsv(OutputSuite):
    """A row for each value, of which one may be several lines, and a header above the first."""

    def make(self, place: Path) -> OutputFile:
        return Csv(place / "out.csv")

    def make_appending(self, place: Path) -> OutputFile:
        return Csv(place / "out.csv", append=True)
