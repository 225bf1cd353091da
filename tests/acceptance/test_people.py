"""One script on many targets, for many people: who is asked, whose answer counts, who has what."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.shell import Said, Shell

SCRIPT = """
from pathlib import Path
from holdfast import flight, here, step, workflow

HERE = Path(__file__).parent

@step("drain {node}")
def drain(node):
    if (HERE / "broken").exists():
        raise RuntimeError("the node does not answer")
    return node

@step("swap {node}")
def swap(node):
    return node

@workflow(target="required")
def upgrade(nodes: list[str] = ["n1", "n2"]):
    with flight():
        for node in nodes:
            drain(node)
            swap(node)
    return here().labels["tier"]
"""
INVENTORY = """
identity = "claimed"

[targets.dev]
risk = "low"
labels = { tier = "dev" }

[targets.prod]
risk = "high"
labels = { tier = "prod" }

[targets.earning]
mode = "earned"
labels = { tier = "earning" }

[targets.guarded]
risk = "critical"
labels = { tier = "guarded" }
approvers = ["@oncall"]
quorum = 2
separate = true

[groups]
oncall = ["ana", "ben", "cleo"]

[earned]
successes = { low = 1, medium = 6, high = 6, critical = "never" }
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path, SCRIPT)
    config = tmp_path / "holdfast.toml"
    config.write_text(INVENTORY, "utf-8")
    config.chmod(0o600)
    return made


def run(shell: Shell, target: str, *words: str, id: str = "r") -> Said:
    return shell("run", "script.py", "--id", id, "--target", target, *words)


def shown(shell: Shell, run: str = "r") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shell("show", run, "--json").out)
    return found


def deciders(shell: Shell, run: str = "r") -> set[str]:
    return {step["decided_by"] for step in shown(shell, run)["steps"]}


# --- the mode is policy -----------------------------------------------------------------------


@pytest.mark.slow
def test_one_script_by_itself_and_step_by_step(shell: Shell) -> None:
    """The low-risk target's run goes through; the high-risk target's asks at each step, and says
    by which rule; the script is the same."""
    low = run(shell, "dev", id="low")
    asked = []
    high = run(shell, "prod", id="high")
    while high.code == 3:
        asked.append(shown(shell, "high")["holds"][-1]["key"])
        assert "confirm: risk high" in high.err
        shell("approve", "high", "--as", "ana")
        high = shell("resume", "high")

    assert (0, '"dev"\n') == (low.code, low.out)
    assert {"auto: the default"} == deciders(shell, "low")
    assert (0, '"prod"\n') == (high.code, high.out)
    assert [f"flight/{verb} {n}" for n in ("n1", "n2") for verb in ("drain", "swap")] == asked
    assert {"approved by ana"} == deciders(shell, "high")


@pytest.mark.slow
def test_autonomy_is_earned_over_targets_and_lost_at_once(shell: Shell) -> None:
    """Clean runs on one target let the steps of another go on by themselves; one failure on any
    target takes that back everywhere."""
    first = run(shell, "earning", id="first")
    for number in range(3):
        run(shell, "dev", id=f"clean{number}")
    earned = run(shell, "earning", "--steal", "-m", "it was a trial", id="earned")
    (shell.folder / "broken").touch()
    failed = run(shell, "dev", id="failed")
    (shell.folder / "broken").unlink()
    again = run(shell, "earning", id="again")

    assert (3, 0, 1, 3) == (first.code, earned.code, failed.code, again.code)
    assert all(text.startswith("earned: ") for text in deciders(shell, "earned"))
    assert "failed on dev" in again.err
    trusted = json.loads(shell("trust", "--json").out)["steps"]
    assert {"drain {node}", "swap {node}"} == {step["step"] for step in trusted}


def test_a_flag_does_not_loosen_a_target_with_approvers(shell: Shell) -> None:
    """Neither for a new run nor for a resumed one; the rule says why."""
    refused = run(shell, "guarded", "--mode", "auto")
    resumed = shell("resume", "r", "--mode", "auto")

    assert (3, 3) == (refused.code, resumed.code)
    assert "--mode auto does not loosen it" in refused.err
    assert [] == [step for step in shown(shell)["steps"] if step["status"] == "succeeded"]


# --- whose yes counts -------------------------------------------------------------------------


def test_half_a_quorum_is_not_told_to_go_on(shell: Shell) -> None:
    """Whoever resumed then would be barred from approving; who decides is warned of that."""
    run(shell, "guarded")
    half = shell("approve", "r", "--hold", "h1", "--as", "ana")
    whole = shell("approve", "r", "--hold", "h1", "--as", "ben")

    assert (0, 0) == (half.code, whole.code)
    assert "1 more of ben, cleo must agree" in half.out and "go on with" not in half.err
    assert "resume r  # whoever resumes it may not approve what it asks" in whole.err


@pytest.mark.slow
def test_a_quorum_without_whoever_started(shell: Shell) -> None:
    """Self-approval is refused; two others let one step run, and are named as its deciders."""
    shell("run", "script.py", "--id", "r", "--target", "guarded", "--as", "ana")
    own = shell("approve", "r", "--hold", "h1", "--as", "ana")
    first = shell("approve", "r", "--hold", "h1", "--as", "ben")
    alone = shell("resume", "r", "--as", "dan")
    second = shell("approve", "r", "--hold", "h1", "--as", "cleo")
    shell("resume", "r", "--as", "dan")

    assert 2 == own.code and "ana started or resumed the run" in own.err
    assert "approved by 1 of 2" in first.out and 0 == first.code
    assert 3 == alone.code
    assert 0 == second.code
    steps = shown(shell)["steps"]
    assert ("flight/drain n1", "succeeded", "approved by ben, cleo") == (
        steps[0]["key"], steps[0]["status"], steps[0]["decided_by"],
    )  # fmt: skip


def test_a_guarded_target_has_the_hold_named(shell: Shell) -> None:
    """Every command that is printed carries it, and without it nothing is answered."""
    parked = run(shell, "guarded", "--as", "dan")
    unnamed = shell("approve", "r", "--as", "ana")

    assert "approve r --hold h1" in parked.err
    assert 2 == unnamed.code and "--hold h1" in unnamed.err


def test_two_people_at_once(shell: Shell) -> None:
    """Processes that answer at the same moment: one effect, and everybody is on record."""
    run(shell, "prod")
    people = [
        subprocess.Popen(
            shell.argv("approve", "r", "--as", name), cwd=shell.folder, env=shell.env(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in ("ana", "ben", "cleo", "dan")
    ]  # fmt: skip
    said = [person.communicate(timeout=30)[0] for person in people]

    assert [0, 0, 0, 0] == [person.returncode for person in people]
    assert 1 == sum(text.endswith("approved\n") for text in said)
    (hold,) = shown(shell)["holds"]
    assert "approved" == hold["status"]
    assert ["ana", "ben", "cleo", "dan"] == sorted(a["by"] for a in hold["answers"])


def test_an_edit_voids_an_approval(shell: Shell) -> None:
    """A yes to one code is none to another: it is asked again."""
    run(shell, "prod")
    shell("approve", "r")
    script = shell.folder / "script.py"
    script.write_text(
        SCRIPT.replace("    return node\n\n@step", "    return 'x'\n\n@step"), "utf-8"
    )
    resumed = shell("resume", "r")

    assert 3 == resumed.code
    assert ["void", "open"] == [hold["status"] for hold in shown(shell)["holds"]]


# --- one run per target -----------------------------------------------------------------------


def test_a_target_has_one_run(shell: Shell) -> None:
    """Also while that run is on hold; it is taken with a reason, which both journals keep."""
    run(shell, "prod", id="first")
    second = run(shell, "prod", id="second")
    stolen = run(shell, "prod", "--steal", "-m", "first is forgotten", id="second")
    robbed = shell("resume", "first")

    assert 5 == second.code
    for part in ("held by run first", "on hold", "resume first", "--steal -m REASON"):
        assert part in second.err
    assert 3 == stolen.code and "taken from run first" in stolen.err
    assert 5 == robbed.code and "held by run second" in robbed.err
    assert "first is forgotten" in shell("why", "first").out
    (prod,) = [
        target
        for target in json.loads(shell("targets", "--json").out)["targets"]
        if target["name"] == "prod"
    ]
    assert "second" == prod["run"]


def test_the_lock_of_a_killed_run_is_explained_and_can_be_taken(shell: Shell) -> None:
    """Its process is dead, its work half done: nobody goes on there by accident."""
    first = shell.begin("run", "script.py", "--id", "first", "--target", "prod", "--wait")
    first.until("waits for an answer")
    living = run(shell, "prod", "--steal", "-m", "in a hurry", id="second")
    first.signal(signal.SIGKILL)
    first.end()
    dead = run(shell, "prod", id="second")
    taken = run(shell, "prod", "--steal", "-m", "its process is gone", id="second")

    assert 5 == living.code and "never stolen from a living process" in living.err
    assert 5 == dead.code and "is dead" in dead.err
    assert 3 == taken.code


def test_of_many_starts_at_once_one_has_the_target(shell: Shell) -> None:
    """The others leave nothing behind."""
    starts = [
        subprocess.Popen(
            shell.argv("run", "script.py", "--id", f"r{number}", "--target", "prod"),
            cwd=shell.folder, env=shell.env(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for number in range(5)
    ]  # fmt: skip
    codes = sorted(start.wait(timeout=60) for start in starts)

    assert [3, 5, 5, 5, 5] == codes
    assert 1 == len(json.loads(shell("list", "--json").out)["runs"])


# --- nobody is there --------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("--no-input",)])
def test_without_a_terminal_nothing_goes_past_a_hold(shell: Shell, words: tuple[str, ...]) -> None:
    """However often it is resumed; each time it says how to answer, and leaves with exit 3."""
    codes = [run(shell, "prod", *words).code]
    codes += [shell("resume", "r", *words).code for _ in range(2)]

    assert [3, 3, 3] == codes
    assert [] == [step for step in shown(shell)["steps"] if step["status"] == "succeeded"]


def test_a_waiting_run_goes_on_by_itself(shell: Shell) -> None:
    """With --wait it stays, and goes on with an answer from another shell."""
    waiting = shell.begin("run", "script.py", "--id", "r", "--target", "prod", "--wait",
                          "--ask", "stage")  # fmt: skip
    waiting.until("waits for an answer to h1: stage flight: run 4 steps")
    shell("approve", "r", "--as", "ben")
    said = waiting.end()

    assert (0, '"prod"\n') == (said.code, said.out)
    assert {"approved by ben for flight"} == deciders(shell)
