"""Earned autonomy as a user meets it: one script, targets of different risk, no change to it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.shell import Said, Shell

SCRIPT = """
import os, signal
from pathlib import Path
from holdfast import step, workflow

HERE = Path(__file__).parent

@step("drain {node}")
def drain(node):
    if (HERE / "broken").exists():
        raise OSError("no route to host")
    if (HERE / "deadly").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return node

@step("undrain {node}")
def undrain(node):
    return node

@workflow
def upgrade(node: str = "n1"):
    drain(node)
    undrain(node)
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def run(shell: Shell, target: str, *words: str) -> Said:
    """Make a run on a target; its id is the target's name."""
    return shell("run", "script.py", "--target", target, "--id", target, *words)


def earned(shell: Shell, target: str) -> Said:
    return run(shell, target, "--mode", "earned")


def earn(shell: Shell) -> None:
    for target in ("low-1", "low-2", "low-3"):
        assert 0 == run(shell, target).code


def steps(shell: Shell, name: str) -> list[dict[str, Any]]:
    """Return the steps of a run."""
    found: list[dict[str, Any]] = json.loads(shell("show", name, "--json").out)["steps"]
    return found


def trusted(shell: Shell, *words: str) -> dict[str, Any]:
    """Return what `trust --json` knows of each step, by its name."""
    found = json.loads(shell("trust", *words, "--json").out)
    assert 1 == found["version"]
    return {known["step"]: known for known in found["steps"]}


def why(shell: Shell, name: str) -> str:
    return shell("why", name).out


def test_low_risk_runs_earn_the_way_on_a_high_risk_target(shell: Shell) -> None:
    """By itself on three targets; step by step on a fourth before that, and not after it."""
    before = earned(shell, "high-1")
    earn(shell)
    planned = shell("plan", "script.py", "--target", "high-2", "--mode", "earned")
    after = earned(shell, "high-2")

    assert 3 == before.code
    assert "drain n1?" in before.err
    assert "earned: 0 of 3 clean in a row" in why(shell, "high-1")
    assert "0 to be asked about" in planned.out
    assert "drain n1 · earned: 3 of 3 clean in a row" in planned.out
    assert 0 == after.code
    assert "step started drain n1 (earned: 3 of 3 clean in a row" in after.err
    assert {"earned: 3 of 3 clean in a row"} == {
        step["decided_by"].partition(",")[0] for step in steps(shell, "high-2")
    }
    assert "earned: 3 of 3" in shell("show", "high-2").out


def test_a_high_risk_target_earns_by_its_own_approved_runs(shell: Shell) -> None:
    """Every step is approved in three runs; the fourth asks nobody."""
    for name in ("one", "two", "three"):
        code = shell("run", "script.py", "--target", "high", "--id", name, "--mode", "earned").code
        while code == 3:
            assert 0 == shell("approve", name).code
            code = shell("resume", name).code
        assert 0 == code
    fourth = shell("run", "script.py", "--target", "high", "--id", "four", "--mode", "earned")

    assert 0 == fourth.code
    assert ["approved by", "approved by"] == [
        step["decided_by"][:11] for step in steps(shell, "three")
    ]
    assert 4 == trusted(shell)["drain {node}"]["successes"]


def test_a_failure_takes_it_back_on_every_target(shell: Shell) -> None:
    """The step that failed asks again, the other one does not."""
    earn(shell)
    (shell.folder / "broken").touch()
    assert 1 == run(shell, "low-4").code
    (shell.folder / "broken").unlink()
    said = earned(shell, "high")
    shell("approve", "high")
    shell("resume", "high")

    assert 3 == said.code
    assert "earned: started over, failed on low-4 (run low-4)" in said.err
    drain, undrain = steps(shell, "high")
    assert drain["decided_by"].startswith("approved by")
    assert undrain["decided_by"].startswith("earned: 3 of 3")
    assert 1 == trusted(shell)["drain {node}"]["successes"]
    assert "failed: OSError: no route to host" == trusted(shell)["drain {node}"]["last_bad"]["why"]


def test_an_edit_takes_it_back(shell: Shell) -> None:
    """Of the step that was edited; comments and other steps do not matter."""
    earn(shell)
    script = shell.folder / "script.py"
    script.write_text(SCRIPT.replace('raise OSError("no', 'raise OSError("there is no'))
    said = earned(shell, "high")
    script.write_text(SCRIPT + "\n# a comment\n")
    undone = earned(shell, "high-2")

    assert 3 == said.code
    assert "earned: started over, its code is not what ran before" in said.err
    assert 0 == undone.code


def test_a_kill_takes_it_back_at_once(shell: Shell) -> None:
    """Before anybody went on with the run that was killed, and after; a cancel does not help."""
    earn(shell)
    (shell.folder / "deadly").touch()
    assert -signal.SIGKILL == run(shell, "low-4").code
    assert -signal.SIGKILL == run(shell, "low-5").code
    (shell.folder / "deadly").unlink()
    said = earned(shell, "high")
    shell("cancel", "low-4", "-m", "abandoned")
    resumed = shell("resume", "low-5")
    known = trusted(shell, "drain")["drain {node}"]

    assert 3 == said.code
    assert "earned: started over, interrupted on low-5 (run low-5)" in said.err
    assert 0 == resumed.code
    assert 1 == known["successes"]
    assert ["low-5"] == [trial["run"] for trial in known["runs"]]
    assert {"run": "low-5", "target": "low-5", "why": "interrupted"}.items() <= (
        known["last_bad"].items()
    )


def test_trust_shows_which_runs_earned_it(shell: Shell) -> None:
    """Newest first, with their targets, and how often it was clean; nothing bad is null."""
    earn(shell)
    known = trusted(shell)
    (one,) = trusted(shell, "undrain").values()
    shown = shell("trust", "drain {node}")

    assert ["drain {node}", "undrain {node}"] == list(known)
    assert known["undrain {node}"] == one
    assert {
        "workflow", "step", "code", "successes", "latest_at", "runs", "last_bad",
    } == set(one)  # fmt: skip
    assert ("upgrade", 3, None) == (one["workflow"], one["successes"], one["last_bad"])
    assert ["low-3", "low-2", "low-1"] == [trial["target"] for trial in one["runs"]]
    assert one["latest_at"] == one["runs"][0]["at"]
    assert "3 of 3 clean in a row, goes on by itself" in shown.out
    assert "run low-2 on low-2" in shown.out
    assert "undrain" not in shown.out


def test_a_person_takes_it_back_with_a_reason(shell: Shell) -> None:
    """From the very next decision on, on every target; who and why stay on record."""
    earn(shell)
    without = shell("trust", "--revoke", "drain")
    said = shell("trust", "--revoke", "drain", "-m", "a new kernel", "--as", "ana")
    asked = earned(shell, "high")
    known = trusted(shell)["drain {node}"]

    assert 2 == without.code
    assert "-m REASON" in without.err
    assert 0 == said.code
    assert "drain {node} of upgrade: revoked" in said.out
    assert 3 == asked.code
    assert "earned: started over, revoked" in asked.err
    assert 0 == known["successes"]
    assert known["last_bad"]["run"] is None
    assert known["last_bad"]["why"].startswith("revoked: ana (")
    assert known["last_bad"]["why"].endswith("a new kernel")


def test_trust_says_what_it_cannot_find(shell: Shell) -> None:
    """No store, no step of that name, a name that may be several, and options at odds."""
    empty = shell("trust", "--json")
    earn(shell)
    script = shell.folder / "script.py"
    script.write_text(SCRIPT.replace("def upgrade", "def other"))
    run(shell, "low-9")
    unknown = shell("trust", "drift")
    several = shell("trust", "--revoke", "drain {node}", "-m", "why not")
    one = shell("trust", "--revoke", "drain {node}", "-m", "why not", "--workflow", "other")

    assert 0 == empty.code
    assert {"version": 1, "steps": []} == json.loads(empty.out)
    assert "holdfast run FILE" in empty.err
    assert 2 == unknown.code
    assert "no step called 'drift' was on trial" in unknown.err
    assert 2 == several.code
    assert "--workflow NAME" in several.err
    assert 0 == one.code
    assert 2 == shell("trust", "drain", "--revoke", "drain", "-m", "x").code
    assert 2 == shell("trust", "-m", "x").code


def test_what_trust_draws_fits(shell: Shell) -> None:
    """The table and the page of one step, on a terminal and on paper of any width."""
    earn(shell)
    (shell.folder / "broken").touch()
    run(shell, "a-target-with-a-long-name")
    for columns in (40, 60, 120):
        table = shell("trust", COLUMNS=str(columns)).out
        page = shell("trust", "drain", COLUMNS=str(columns)).out

        assert max(map(len, (table + page).splitlines())) <= columns
        assert "0 of 3" in table
        assert "STEP" in table.splitlines()[0]
        assert "drain" in table.splitlines()[1]


def test_a_prompt_shows_why_it_asks(shell: Shell) -> None:
    """How many are missing, and which runs there were."""
    run(shell, "low-1")
    terminal = shell.at_terminal(
        "run", "script.py", "--target", "high", "--id", "high", "--mode", "earned"
    )
    shown = terminal.until("> $")
    terminal.type("a\n")
    code, _ = terminal.end()

    assert "earned: 1 of 3 clean in a row" in shown
    assert "clean on low-1 (run low-1)" in shown
    assert 0 == code
    assert 2 == trusted(shell)["undrain {node}"]["successes"]


def test_a_run_without_a_target_leaves_no_trace(shell: Shell) -> None:
    """Only where somebody may judge by it later is a step on trial."""
    shell("run", "script.py", "--id", "plain")

    assert {} == trusted(shell)
