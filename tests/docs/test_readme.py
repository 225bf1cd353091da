"""What the README shows is what happens: its script is run, killed with SIGKILL, and resumed."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell, plain

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SCRIPT_LINES_MAX = 13

SCRIPT = re.search(r"(?s)```python\n(.*?)```", README)
SESSION = re.search(r"(?s)```console\n(.*?)```", README)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    assert SCRIPT is not None
    shell = Shell(tmp_path, "")
    (tmp_path / "backup.py").write_text(SCRIPT[1], "utf-8")
    return shell


def shown() -> list[tuple[list[str], list[str]]]:
    """Return each command of the session, without its program, and what is printed after it."""
    assert SESSION is not None
    parts = SESSION[1].split("$ holdfast ")[1:]
    lives = [part.splitlines() for part in parts]
    return [(shlex.split(command), normal(lines)) for command, *lines in lives]


def normal(lines: list[str]) -> list[str]:
    """Return lines without what differs each time: durations, processes, people, spaces."""
    return [line for line in map(_normal, lines) if line not in ("", "Killed")]


def _normal(line: str) -> str:
    line = line.split("\r")[-1] if line.split("\r")[-1].strip() else line.strip("\r")
    line = re.sub(r"pid \d+ on \S+ \(user \S+\)", "pid # on # (user #)", line)
    line = re.sub(r"started by \S+", "started by #", line)
    line = re.sub(r"\b\d+(\.\d+)?(ms|s)\b", "#s", line)
    return " ".join(line.split())


@pytest.mark.slow
def test_the_session_is_what_happens(shell: Shell):
    """Killed in its second step, the run goes on with it: each line is printed as shown."""
    (run, before), (resume, after) = shown()

    killed = shell.at_terminal(*run)
    seen = killed.until("◌ copy orders +0")
    # At once: the step lasts a second, in which a busy machine would not even start a command.
    os.kill(killed.pid, signal.SIGKILL)
    killed.end()
    code, told = shell.at_terminal(*resume).end()

    assert before == normal(seen.split("\n"))
    assert after == normal(plain(told).split("\n"))
    assert 0 == code


@pytest.mark.slow
def test_nothing_finished_ran_twice(shell: Shell):
    """By the journal each step had one attempt, but for the one in hand."""
    (run, _), (resume, _) = shown()

    begun = shell.begin(*run)
    begun.until("started copy orders")
    begun.signal(signal.SIGKILL)
    begun.end()
    result = shell(*resume)
    steps = json.loads(shell("show", "nightly", "--json").out)["steps"]

    assert ["users.dump", "orders.dump", "events.dump"] == json.loads(result.out)
    assert [1, 2, 1] == [step["attempts"] for step in steps]


def test_the_script_is_short():
    """The first script a reader meets has at most 13 lines of code."""
    assert SCRIPT is not None
    lines = [line for line in SCRIPT[1].splitlines() if line.strip()]

    assert len(lines) <= SCRIPT_LINES_MAX


def test_figures_have_their_markers():
    """A script can put measured figures between the markers."""
    assert re.search(r"(?s)<!-- figures -->\n\|.*\|\n<!-- /figures -->", README)
