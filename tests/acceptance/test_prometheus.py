"""holdfast.ops.prometheus with a real Prometheus: silence of any kind never passes, never fails."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.prometheuses import Prometheus, needs_prometheus, prometheus
from tests.acceptance.shell import Said, Shell

from holdfast import UsageError
from holdfast.ops import prometheus as ops
from holdfast.ports.probe import Inconclusive, Probe
from holdfast.testing import ProbeSuite

pytestmark = [needs_prometheus(), pytest.mark.slow]

LINES = [
    "# TYPE put_total counter",
    'put_total{member="a"} @',
    'put_total{member="b"} @',
    "# TYPE idle_total counter",
    "idle_total 0",
    "temperature 21.5",
]
OLD = timedelta(seconds=100)
"""Too old for a gate, and not yet for Prometheus, which says the last value for five minutes."""
RATE = "sum by (member) (rate(put_total[3s]))"

SCRIPT = """
import os
from holdfast import do, gate, measure, workflow
from holdfast.ops import prometheus

@workflow
def up(expr: str, samples: int = 3, timeout: str = "1h", every: str = "1s"):
    do("change", print, "changed")
    gate("puts", prometheus.query(expr, by="member"), above=0, samples=samples, every=every,
         timeout=timeout)

@workflow
def baseline():
    puts = prometheus.query("sum(rate(put_total[3s]))")
    return measure("puts before", puts, span="1s", every="1s").mean > 0
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that nobody in this module stops."""
    with prometheus(tmp_path_factory.mktemp("served")) as made:
        long_ago = datetime.now(UTC) - OLD
        made.exporter.lines = [*LINES, f"reported 20 {long_ago.timestamp() * 1000:.0f}"]
        made.until("count(rate(put_total[3s]))", lambda value: value == 2)
        made.until("count(reported)", lambda value: value == 1)
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus to be killed."""
    with prometheus(tmp_path) as made:
        made.exporter.lines = LINES
        made.until("count(rate(put_total[3s]))", lambda value: value == 2)
        yield made


def shell_of(folder: Path, server: Prometheus) -> Shell:
    shell = Shell(folder, SCRIPT)
    plain_env = shell.env
    shell.env = lambda **more: plain_env(PROMETHEUS_URL=server.url, **more)  # type: ignore[method-assign]
    return shell


def samples(shell: Shell, run: str = "r") -> list[dict[str, Any]]:
    facts = json.loads(shell("export", run).out)["facts"]
    return [fact for fact in facts if fact["kind"] == "SampleTaken"]


class TestPromises(ProbeSuite):
    """What every probe promises."""

    @pytest.fixture(autouse=True)
    def _server(self, served: Prometheus) -> None:
        self.url = served.url

    def present(self, place: Path) -> Probe:
        return ops.query("temperature", server=self.url)

    def absent(self, place: Path) -> Probe:
        return ops.query("temperatur", server=self.url)

    def nan(self, place: Path) -> Probe:
        return ops.query("rate(idle_total[3s]) / rate(idle_total[3s])", server=self.url)

    def stale(self, place: Path) -> Probe:
        return ops.query("reported", server=self.url)

    def unreachable(self, place: Path) -> Probe:
        return ops.query("temperature", server="http://127.0.0.1:9", timeout="1s")

    def malformed(self, place: Path) -> Probe:
        return ops.query("sum(rate(temperature", server=self.url)


def test_readings_know_their_series_and_time(served: Prometheus) -> None:
    """By the label asked for, or all of them; the time is that of the newest sample."""
    by = ops.query(RATE, server=served.url, by="member")()
    whole = ops.query("put_total", server=served.url)()
    scalar = ops.query("1 + 1", server=served.url)()
    at = by["a"].at
    newest = served.value("max(timestamp(put_total))")

    assert {"a", "b"} == set(by)
    assert newest is not None and abs(newest - at.timestamp()) < 5
    assert 0 <= (datetime.now(UTC) - at).total_seconds() < 5
    assert all(name.startswith("instance=127.0.0.1:") for name in whole)
    assert {"": 2.0} == {name: each.value for name, each in scalar.items()}
    with pytest.raises(UsageError, match="two series are called ''"):
        ops.query("put_total", server=served.url, by="no_such_label")()
    with pytest.raises(UsageError, match="needs a number"):
        ops.query("put_total[3s]", server=served.url)()


def test_a_range_takes_the_past_together(served: Prometheus) -> None:
    """Each series into one value, and all values for whoever wants them."""
    probe = ops.range("temperature", over="3s", step="1s", take="max", server=served.url)
    (reading,) = probe().values()
    (points,) = probe.readings().values()

    assert 21.5 == reading.value == points[-1].value
    assert 3.0 == probe.window
    assert 1 <= len(points) <= 4


def test_a_range_is_as_old_as_the_newest_sample_behind_it(served: Prometheus) -> None:
    """Prometheus gives a value for now, and says for five minutes what it saw last."""
    (past,) = ops.range("reported", over="3s", step="1s", server=served.url)().values()
    (fixed,) = ops.range("vector(1)", over="3s", step="1s", server=served.url)().values()

    assert 20 == past.value and OLD <= datetime.now(UTC) - past.at < OLD + timedelta(minutes=2)
    assert datetime.now(UTC) - fixed.at < timedelta(seconds=5)


def test_no_series_hides_behind_another_of_its_name(served: Prometheus) -> None:
    """By a label that tells them apart no more, a range is refused as a query is; those of several
    metrics with the same labels have the metric in their names."""
    with pytest.raises(UsageError, match="two series are called 'lab' by the label 'job'"):
        ops.range("put_total", over="3s", step="1s", by="job", server=served.url)()
    both = '{__name__=~"up|temperature"}'
    names = sorted(ops.query(both, server=served.url, timeout="1500ms")())
    past = sorted(ops.range(both, over="3s", step="1s", server=served.url)())

    assert names == past
    assert ["temperature: ", "up: "] == [name[: name.index("instance=")] for name in names]
    (whole,) = ops.query(f"count({both})", server=served.url)().values()
    (scraped,) = ops.query("up", server=served.url)().values()
    assert 2 == whole.value and abs((scraped.at - whole.at).total_seconds()) < 5


def test_a_gate_waits_for_a_window_after_the_change_and_passes(
    served: Prometheus, tmp_path: Path
) -> None:
    """The rate covers three seconds, all of which lie after the change; the baseline is one."""
    shell = shell_of(tmp_path, served)
    said = shell("run", "script.py:up", "--id", "r", "-p", f"expr={RATE}")
    facts = json.loads(shell("export", "r").out)["facts"]
    changed = next(f["at"] for f in facts if f["kind"] == "StepSucceeded")
    first = next(f for f in facts if f["kind"] == "SampleTaken" and f["verdict"] == "pass")
    after_s = _time(first["read_at"]) - _time(changed)
    base = shell("run", "script.py:baseline")

    assert 0 == said.code, said.err
    assert after_s >= 3.0
    assert {"a", "b"} == set(first["values"])
    assert (0, "true") == (base.code, base.out.strip()), base.err


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ("rate(idle_total[2s]) / rate(idle_total[2s])", "NaN"),
        ("rate(put_totals[2s])", "no series"),
    ],
    ids=["nan", "empty"],
)
def test_silence_holds_with_exit_3(served: Prometheus, tmp_path: Path, expr: str, why: str) -> None:
    """Never a pass, never a failure; the hold says what was said, and shows the graph."""
    shell = shell_of(tmp_path, served)
    options = ["-p", f"expr={expr}", "-p", "timeout=3s"]
    said = shell("run", "script.py:up", "--id", "r", *options)

    assert 3 == said.code, said.err
    assert why in said.err and f"{served.url}/graph?g0.expr=rate" in said.err
    assert {"inconclusive"} == {each["verdict"] for each in samples(shell)}


def test_a_plan_warns_of_what_matches_nothing(served: Prometheus, tmp_path: Path) -> None:
    """A renamed metric with its new name, an unreachable server; a syntax error stops the plan."""
    shell = shell_of(tmp_path, served)
    renamed = plan(shell, "sum(rate(put_count_total[30s])) or vector(1)")
    labels = plan(shell, 'sum(rate(put_total{member="z"}[30s]))')
    fine = plan(shell, RATE)
    wrong = plan(shell, "sum(rate(put_total[30s])")
    shell.env = lambda **more: Shell.env(shell, PROMETHEUS_URL="http://127.0.0.1:9", **more)  # type: ignore[method-assign]
    away = plan(shell, RATE)

    assert (
        "no series matches put_count_total now: was it renamed? There is put_total" in renamed.out
    )
    assert 'no series matches put_total{member="z"} now: the metric is there' in labels.out
    assert "Warnings" not in fine.out and "now a " in fine.out, fine.out
    assert "Today the run would stop here" in wrong.out and "cannot read the query" in wrong.out
    assert "Prometheus at http://127.0.0.1:9 does not answer" in away.out
    assert [0] * 5 == [said.code for said in (renamed, labels, fine, wrong, away)]
    found = json.loads(shell("plan", "script.py:up", "-p", f"expr={RATE}", "--json").out)
    assert ["puts"] == [each["key"] for each in found["warnings"]]


def plan(shell: Shell, expr: str) -> Said:
    return shell("plan", "script.py:up", "-p", f"expr={expr}")


def test_what_no_sample_stands_behind_is_no_reading(own: Prometheus) -> None:
    """When the exporter is gone, a rate and a constant still say something: of the past."""
    rate = ops.query("sum(rate(put_total[1m]))", server=own.url)
    constant = ops.query("sum(rate(put_total[3s])) or vector(1)", server=own.url)
    assert all(not math.isnan(each.value or 0.0) for each in rate().values())
    own.exporter.stop()
    own.until("sum(rate(put_total[3s])) or vector(1)", lambda value: value == 1.0)
    still = own.value("sum(rate(put_total[1m]))")

    assert still is not None and own.value("count(put_total)") is None
    for probe in (rate, constant):
        with pytest.raises(Inconclusive, match="no sample stands behind it any more"):
            probe()


def test_a_prometheus_that_is_killed_in_mid_soak_decides_nothing(
    own: Prometheus, tmp_path: Path
) -> None:
    """What comes after is an error, never a pass or a failure; the run holds, and with Prometheus
    back `retry` goes on."""
    shell = shell_of(tmp_path, own)
    options = ["-p", f"expr={RATE}", "-p", "samples=4", "-p", "timeout=8s", "-p", "every=500ms"]
    life = shell.begin("run", "script.py:up", "--id", "r", *options)
    life.until("pass")
    own.kill()
    said = life.end()
    verdicts = [each["verdict"] for each in samples(shell)]
    own.start_again()
    own.until("count(rate(put_total[3s]))", lambda value: value == 2)
    done = shell("retry", "r")

    assert 3 == said.code, said.err
    assert "does not answer" in said.err
    assert "fail" not in verdicts and "error" == verdicts[-1]
    assert 1 <= verdicts.count("pass") < 4
    assert 0 == done.code, done.err
