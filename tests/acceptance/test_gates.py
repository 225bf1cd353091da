"""Gates in real processes: what they print, what they survive, and what people decide."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.shell import Shell, plain

SCRIPT = """
import math
from pathlib import Path
from holdfast import do, gate, measure, step, workflow

HERE = Path(__file__).parent

def p99():
    text = (HERE / "p99").read_text()
    with open(HERE / "asked", "a") as log:
        log.write(text + "\\n")
    if text == "dead":
        raise OSError("connection refused")
    return {"": None, "nan": math.nan}.get(text) if text in ("", "nan") else float(text)

p99.query = "histogram_quantile(0.99, sum by (le) (rate(put_seconds_bucket{method='Put'}[15s])))"
p99.link = "https://dash.example/graph?g0.expr=histogram_quantile"

def members():
    return {f"etcd-{n}": n + float((HERE / "p99").read_text()) for n in range(3)}

@step("uncordon {node}")
def uncordon(node): pass

@step("cordon {node}", owes=uncordon)
def cordon(node): pass

@workflow
def up(samples: int = 3, every: str = "50ms", timeout: str = "1h"):
    cordon("n1")
    gate("p99", p99, below=6.5, samples=samples, every=every, timeout=timeout)
    uncordon("n1")

@workflow
def series():
    gate("members", members, below=6.5, samples=3, every="50ms")
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path, SCRIPT)
    say(shell, "5")
    return shell


def say(shell: Shell, value: str) -> None:
    """From now on the probe says this."""
    new = shell.folder / "new"
    new.write_text(value)
    new.rename(shell.folder / "p99")


def facts(shell: Shell) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = json.loads(shell("export", "r").out)["facts"]
    return kept


def asked(shell: Shell) -> list[str]:
    return (shell.folder / "asked").read_text().splitlines()


def test_a_gate_stop_says_all_that_is_needed(shell: Shell) -> None:
    """Query, values, limit, link, how things stand, what is owed, and the next commands."""
    say(shell, "9.4")
    said = shell("run", "script.py:up", "--id", "r")
    words = [
        "1 of 1 samples failed (limit 0)", "query      histogram_quantile", "9.4 is not < 6.5",
        "limit      < 6.5", "link       https://dash.example", "1 step done, left as it is",
        "owed   uncordon n1", "retry r p99", "approve r -m REASON", "settle r",
    ]  # fmt: skip

    assert 4 == said.code
    assert [] == [word for word in words if word not in said.err]


def test_retry_goes_on_when_the_world_is_well_again(shell: Shell) -> None:
    """In the foreground, with the samples of now, without naming the gate."""
    say(shell, "9.4")
    shell("run", "script.py:up", "--id", "r")
    still = shell("retry", "r")
    say(shell, "5")
    well = shell("retry", "r")

    assert [4, 0] == [still.code, well.code]
    assert ["9.4", "9.4", "5", "5", "5"] == asked(shell)


def test_approve_lets_it_pass_and_resume_goes_on(shell: Shell) -> None:
    """With a reason, which is in the record."""
    say(shell, "9.4")
    shell("run", "script.py:up", "--id", "r")
    without = shell("approve", "r")
    given = shell("approve", "r", "-m", "the backup runs")
    done = shell("resume", "r")
    log = shell("log", "r", "--all")

    assert [2, 0, 0] == [without.code, given.code, done.code]
    assert "let p99 pass all the same: the backup runs" in log.out
    assert ["9.4"] == asked(shell)


@pytest.mark.parametrize("silence", ["", "nan", "dead"])
def test_silence_ends_in_a_question_with_exit_3(shell: Shell, silence: str) -> None:
    """Never a pass, never a failure."""
    say(shell, silence)
    said = shell("run", "script.py:up", "--id", "r", "-p", "timeout=300ms")

    assert 3 == said.code
    assert "inconclusive: 0 of 3 samples said something" in said.err


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_with_the_samples_there_are(shell: Shell) -> None:
    """SIGKILL after some of twelve: the next process takes what is missing."""
    words = ("run", "script.py:up", "--id", "r", "-p", "samples=12", "-p", "every=100ms")
    run = shell.begin(*words)
    run.until("gate pass p99")
    while len(asked(shell)) < 4:
        pass
    run.signal(signal.SIGKILL)
    run.end()
    before = len(asked(shell))
    done = shell(*words)
    samples = [event for event in facts(shell) if event["kind"] == "SampleTaken"]

    assert 0 == done.code, done.err
    assert 12 == sum(fact["count"] for fact in samples)
    assert 12 <= len(asked(shell)) <= 13
    assert before > 3


@pytest.mark.slow
def test_a_failure_survives_the_process_that_saw_it(shell: Shell) -> None:
    """Killed while it waits for an answer, with good numbers since: it still holds."""
    say(shell, "9.4")
    run = shell.begin("run", "script.py:up", "--id", "r", "--wait")
    run.until("waits for an answer to h1")
    run.signal(signal.SIGKILL)
    run.end()
    say(shell, "5")

    assert 4 == shell("resume", "r").code
    assert ["9.4"] == asked(shell)


def test_without_a_terminal_a_line_for_each_sample_that_changed(shell: Shell) -> None:
    """Not for those that are alike."""
    said = shell("run", "script.py:up", "--id", "r", "-p", "samples=10", "-p", "every=10ms")

    assert 0 == said.code
    assert ["gate watching p99: < 6.5, 10 samples every 10ms", "gate pass p99 5 (1 of 10)"] == [
        line.split("Z ", 1)[1] for line in said.err.splitlines() if "Z gate" in line
    ]


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
def test_at_a_terminal_series_are_a_small_table(
    shell: Shell, columns: int, env: dict[str, str]
) -> None:
    """A line each, with its blocks, last value and name; and no line is wider than the screen."""
    code, text = shell.at_terminal(
        "run", "script.py:series", "--id", "r", "--no-input", columns=columns, **env
    ).end()
    lines = plain(text).splitlines()

    assert 4 == code
    rows = [line for line in lines if re.search(r"[▁▂▃▄▅▆▇█]  .*etcd-2", line)]
    assert rows, text
    assert [] == [x for x in lines if len(x) > columns and not x.lstrip().startswith(COPIED)]


COPIED = ("query", "link", sys.executable, "next", "20", "‖")
"""What is there to be copied, or is a log's line, is never wrapped."""


def test_a_plan_asks_each_probe_once(shell: Shell) -> None:
    """And says what it says, above all when that is nothing."""
    well = shell("plan", "script.py:up").out
    say(shell, "nan")
    silent = shell("plan", "script.py:up").out

    assert "p99 · gate: < 6.5, 3 samples every 50ms" in well
    assert "now 5" in well
    assert "says nothing now: NaN" in silent
    assert ["5", "nan"] == asked(shell)


def test_a_living_run_takes_an_answer_from_another_shell(shell: Shell) -> None:
    """With --wait it goes on within a second of a retry that passes."""
    say(shell, "9.4")
    run = shell.begin("run", "script.py:up", "--id", "r", "--wait")
    run.until("waits for an answer to h1")
    say(shell, "5")
    shell("retry", "r")
    said = run.end()

    assert 0 == said.code, said.err
