"""The contract of a probe, as tests: every promise of `holdfast.ports.probe`.

    class TestMine(ProbeSuite):
        def present(self, place):
            return MyProbe(server_with_data(place).address, "a query with a value")

        def absent(self, place):
            return MyProbe(server_with_data(place).address, "a query that matches nothing")

`place` is a `pathlib.Path` of an empty directory, given by pytest. A situation that cannot be made
is left out: its tests are skipped. What a probe says is judged as a gate judges it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from holdfast.errors import UsageError
from holdfast.model.reading import Circumstances, Limits, Reading, Sample, failed_sample, sample_of
from holdfast.ports.probe import Probe, about

ANSWER_S_MAX: Final = 30.0
"""A probe that takes longer says nothing."""


def _is_well(value: object) -> bool:
    return True


ANYTHING: Final = Limits(ok=_is_well)
NOTHING: Final = Limits(ok=lambda value: False)


class ProbeSuite(ABC):
    """Every promise of `ports.probe`; subclass it, make the situations, run it with pytest."""

    @abstractmethod
    def present(self, place: Path) -> Probe:
        """Return a probe of something that has a value now."""

    @abstractmethod
    def absent(self, place: Path) -> Probe:
        """Return a probe of something that is not there: a query that matches nothing."""

    def nan(self, place: Path) -> Probe:
        """Return a probe of a value that is not a number: a rate of what had no traffic."""
        return pytest.skip("there is no NaN here")

    def stale(self, place: Path) -> Probe:
        """Return a probe of a value that was true long ago, whose time it knows."""
        return pytest.skip("nothing is old here")

    def unreachable(self, place: Path) -> Probe:
        """Return a probe whose source does not answer."""
        return pytest.skip("there is nothing to be unreachable")

    def malformed(self, place: Path) -> Probe:
        """Return a probe with a query that can never be answered."""
        return pytest.skip("no query can be wrong")

    # --- what must hold ---

    def test_what_is_there_passes_or_fails_by_its_limit(self, tmp_path: Path) -> None:
        """A value that was read now decides."""
        probe = self.present(tmp_path)

        assert "pass" == judged(probe, ANYTHING).verdict
        assert "fail" == judged(probe, NOTHING).verdict

    def test_what_is_absent_never_passes(self, tmp_path: Path) -> None:
        """And never fails: not in a gate that any value would pass, nor in one that none would."""
        probe = self.absent(tmp_path)

        assert judged(probe, ANYTHING).verdict in ("inconclusive", "error")
        assert judged(probe, NOTHING).verdict in ("inconclusive", "error")

    def test_nan_never_passes(self, tmp_path: Path) -> None:
        """And never fails."""
        probe = self.nan(tmp_path)

        assert {"inconclusive"} == {judged(probe, limits).verdict for limits in (ANYTHING, NOTHING)}

    def test_a_stale_value_never_passes(self, tmp_path: Path) -> None:
        """And never fails: the probe says of when it is."""
        probe = self.stale(tmp_path)

        assert {"inconclusive"} == {judged(probe, limits).verdict for limits in (ANYTHING, NOTHING)}

    def test_a_source_that_does_not_answer_is_an_error(self, tmp_path: Path) -> None:
        """It raises, in less time than a gate waits, and not as a mistake of the script's."""
        probe = self.unreachable(tmp_path)
        began = datetime.now(UTC)
        sample = judged(probe, ANYTHING)

        assert "error" == sample.verdict
        assert datetime.now(UTC) - began < timedelta(seconds=ANSWER_S_MAX)

    def test_a_query_that_cannot_be_is_a_mistake(self, tmp_path: Path) -> None:
        """A gate does not wait for it to become right."""
        probe = self.malformed(tmp_path)

        with pytest.raises(UsageError):
            probe()

    def test_every_time_knows_its_zone(self, tmp_path: Path) -> None:
        """And is not ahead of ours."""
        now = datetime.now(UTC)
        for reading in readings(self.present(tmp_path)()):
            assert reading.at.tzinfo is not None
            assert reading.at - now < timedelta(seconds=ANSWER_S_MAX)

    def test_it_is_asked_again_and_again(self, tmp_path: Path) -> None:
        """It changes nothing, so the second answer is as good as the first."""
        probe = self.present(tmp_path)

        assert ["pass", "pass"] == [judged(probe, ANYTHING).verdict for _ in range(2)]

    def test_what_it_says_of_itself_can_be_recorded(self, tmp_path: Path) -> None:
        """Texts and durations, or nothing; a window is no longer than a reading may be old."""
        told = about(self.present(tmp_path))

        assert told.window_s >= 0
        assert told.fresh_s is None or told.fresh_s > 0
        assert all("\x00" not in text for text in (told.query, told.link))


def readings(returned: Any) -> list[Reading]:
    """Return the readings in what a probe returned."""
    parts = returned.values() if isinstance(returned, Mapping) else [returned]
    return [part for part in parts if isinstance(part, Reading)]


def judged(probe: Callable[[], Any], limits: Limits) -> Sample:
    """Return what a gate makes of asking the probe now."""
    asked_at, told = datetime.now(UTC), about(probe)
    try:
        returned = probe()
    except Exception as error:
        return failed_sample(error)
    fresh_s = ANSWER_S_MAX if told.fresh_s is None else told.fresh_s
    seen = Circumstances(asked_at, datetime.now(UTC), fresh_s=fresh_s)
    return sample_of(returned, limits, seen)
