"""What a person is told of a run as it stands: of a process that was stopped, of doubt, of a no."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance.shell import Background, Shell

SCRIPT = """
import os, signal, time
from holdfast import ask, do, each, workflow

def wait():
    open("begun", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.01)

def kill(item=None):
    os.kill(os.getpid(), signal.SIGKILL)

def fail():
    raise ValueError("x" * 3_000 + "\\nand" * 90)

@workflow
def waits():
    do("wait", wait)

@workflow
def doubts():
    do("charge", kill, once=True)

@workflow
def items():
    each(["a"], kill, name="items", once=True)

@workflow
def asks():
    ask("how many?", int)

@workflow
def lengthy():
    do("break", fail)

@workflow
def fine():
    pass
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def _next(shell: Shell, run: str = "r") -> dict[str, str]:
    """Return the commands that `why` offers, with what they do."""
    found = json.loads(shell("why", run, "--json").out)
    return {way["command"]: way["does"] for way in found["next"]}


@pytest.fixture
def stopped(shell: Shell) -> tuple[Background, Callable[[], object]]:
    """A run whose process was stopped in a step, as by Ctrl-Z; and what lets it end."""
    life = shell.begin("run", "script.py:waits", "--id", "r")
    life.until("step started wait")
    life.signal(signal.SIGSTOP)
    return life, (shell.folder / "go").touch


def test_a_process_that_was_stopped_is_woken_as_it_is_offered(
    shell: Shell, stopped: tuple[Background, Callable[[], object]]
):
    """`watch` and `stop` would wait for it for ever: what wakes it stands first."""
    life, go = stopped
    go()

    wake = next(iter(_next(shell)))
    assert f"kill -CONT {life.pid}" == wake
    subprocess.run(wake.split(), check=True)

    assert 0 == life.end().code


def test_resume_of_what_is_in_doubt_goes_on_once_that_is_decided(shell: Shell):
    """Before, it only asks: it does not just go on."""
    assert -9 == shell("run", "script.py:doubts", "--id", "r").code

    assert "go on, once that is decided" == _next(shell)["holdfast resume r"]
    assert 6 == shell("resume", "r").code
    assert 0 == shell("done", "r", "charge", "--output", "1", "-m", "seen").code
    assert 0 == shell("resume", "r").code


def test_what_a_dead_process_left_in_doubt_is_known_before_anybody_resumes(shell: Shell):
    """`retry` needs no STEP where `why` shows one in doubt, and `approve` says how it stands."""
    shell("run", "script.py:doubts", "--id", "r")

    assert "step charge of run r is in doubt: say `done`" in shell("approve", "r").err
    again = shell("retry", "r")

    assert (-9, "r: charge: runs again\n") == (again.code, again.out)


def test_what_waits_for_no_answer_is_said_to_stand_as_it_does(shell: Shell):
    """A run whose process was killed is not running."""
    shell("run", "script.py:items", "--id", "r")

    assert "run r waits for no answer: it is interrupted" in shell("approve", "r").err


def test_items_that_may_have_taken_effect_do_not_go_on(shell: Shell):
    """Of a batch that was killed: what runs at most once is not among what is repeated."""
    assert -9 == shell("run", "script.py:items", "--id", "r").code

    assert "go on, without 1 that may have taken effect: a person is asked" in (
        shell("why", "r").out
    )
    assert 6 == shell("resume", "r").code


def test_a_question_is_answered_as_it_is_said(shell: Shell):
    """`approve` names the command that is right, and the log of a no names no attempt."""
    shell("run", "script.py:asks", "--id", "r")

    assert "use holdfast answer r VALUE" in shell("approve", "r").err
    shell("reject", "r", "-m", "none at all")
    assert "ask how many? failed: Rejected: rejected by" in shell("log", "r").out


@pytest.mark.parametrize("command", ["why", "show"])
def test_a_long_error_leaves_room_for_what_to_do(shell: Shell, command: str):
    """An error may have a document for its message: `--json` has all of it."""
    shell("run", "script.py:lengthy", "--id", "r")

    shown = shell(command, "r", COLUMNS="80").out
    assert shown.count("x") < 1_200 and shown.count("    and\n") < 90
    assert "… 50 lines before; --json has all" in shown and "holdfast resume r" in shown
    whole = json.loads(shell("why", "r", "--json").out)["why"]
    assert (3_000, 90) == (whole.count("x"), whole.count("\nand"))


def test_retry_of_a_run_that_is_over_says_that_it_is(shell: Shell):
    """It does not ask for a step to name."""
    shell("run", "script.py:fine", "--id", "r")

    assert "run r has succeeded: no step of it is decided any more" in shell("retry", "r").err


def test_stop_of_a_paused_run_changes_nothing(shell: Shell):
    """It stays paused, by who paused it; `stop --all` says the same."""
    shell("run", "script.py:asks", "--id", "r")

    assert "r: asked to pause" in shell("pause", "r").out
    assert "r: asked to pause already" in shell("stop", "r").out
    assert "r: asked to pause already" in shell("stop", "--all").out
    assert "r: asked to stop" in shell("stop", "r", "--now").out
    assert "paused by" in shell("why", "r").out
