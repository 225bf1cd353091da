"""Rollouts in real processes: kills between units and in a soak, budgets, and the picture."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell, plain

SCRIPT = """
import os, signal, time
from pathlib import Path
from holdfast import Gate, rollout, step, workflow

HERE = Path(__file__).parent

@step("uncordon {node}")
def uncordon(node): pass

@step("cordon {node}", owes=uncordon)
def cordon(node): note("cordon", node)

@step("image {node}", undo=lambda node: note("back", node))
def image(node):
    if (HERE / "slow").exists():
        time.sleep(0.1)
    while (HERE / "block").exists() and node == "n2":
        time.sleep(0.02)
    if node == "n3" and (HERE / "broken").exists():
        raise OSError("image not found\\nin any registry")
    note("image", node)

def note(what, node):
    with open(HERE / "log", "a") as log:
        log.write(f"{what} {node}\\n")

def one(node):
    cordon(node)
    image(node)
    uncordon(node)

def calm():
    with open(HERE / "samples", "a") as log:
        log.write("x")
    return True

@workflow
def up(count: int = 6, soak: str = "", at_once: int = 1, budget: int = 0):
    nodes = [f"n{n}" for n in range(1, count + 1)]
    gates = [Gate("calm", calm, every="50ms")] if soak else []
    return rollout(nodes, one, waves=[1, "rest"], soak=soak or None, gates=gates, at_once=at_once,
                   budget=budget)
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def log(shell: Shell) -> list[str]:
    file = shell.folder / "log"
    return file.read_text().splitlines() if file.exists() else []


def units(shell: Shell) -> dict[str, str]:
    (rollout,) = json.loads(shell("show", "r", "--json").out)["rollouts"]
    return {unit["unit"]: unit["status"] for wave in rollout["waves"] for unit in wave}


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 3])
def test_killed_again_and_again_every_unit_is_done_once(shell: Shell, at_once: int) -> None:
    """SIGKILL at any moment, in and between units: finished steps are not repeated."""
    (shell.folder / "slow").touch()
    words = ("run", "script.py", "--id", "r", "-p", "count=8", "-p", f"at_once={at_once}")
    for kill in range(1, 5):
        run = shell.begin(*words)
        seen = len(log(shell))
        while len(log(shell)) < seen + kill:
            if run._process.poll() is not None:
                break
        run.signal(signal.SIGKILL)
        run.end()
    done = shell(*words)

    assert 0 == done.code, done.err
    assert [f"n{n}" for n in range(1, 9)] == sorted(json.loads(done.out)["v"]["done"])
    times = Counter(log(shell))
    assert {f"image n{n}" for n in range(1, 9)} <= set(times)
    # What was in hand at a kill may run again, at most once for each of the four.
    assert sum(count - 1 for count in times.values()) <= 4 * at_once
    assert {"done"} == set(units(shell).values())


@pytest.mark.slow
def test_killed_in_a_soak_it_goes_on_watching_what_is_missing(shell: Shell) -> None:
    """The first wave is not repeated, the second not begun before the gate has passed."""
    words = ("run", "script.py", "--id", "r", "-p", "count=2", "-p", "soak=2s")
    run = shell.begin(*words)
    samples = shell.folder / "samples"
    while not samples.exists() or len(samples.read_text()) < 10:
        pass
    assert ["cordon n1", "image n1"] == log(shell)
    run.signal(signal.SIGKILL)
    run.end()
    assert {"n1": "done", "n2": "not reached"} == units(shell)
    done = shell(*words)

    assert 0 == done.code, done.err
    assert 80 <= len(samples.read_text()) <= 83
    assert ["cordon n1", "image n1", "cordon n2", "image n2"] == log(shell)


def test_a_used_up_budget_says_who_failed_and_who_was_not_reached(shell: Shell) -> None:
    """Exit 4, with the debt, and the command that takes the unit up again."""
    (shell.folder / "broken").touch()
    said = shell("run", "script.py", "--id", "r")
    words = [
        "1 of 6 units failed (budget 0): n3", "2 done · 1 failed · 3 not reached",
        "not begun  n4, n5, n6", "owed   uncordon n3", "retry r 'n3/image n3'", "image not found",
    ]  # fmt: skip
    (shell.folder / "broken").unlink()
    retried = shell("retry", "r")

    assert 4 == said.code
    assert [] == [word for word in words if word not in said.err], said.err
    assert 0 == retried.code, retried.err
    assert {f"image n{n}": 1 for n in range(1, 7)} == {
        key: n for key, n in Counter(log(shell)).items() if key.startswith("image")
    }


def test_a_used_up_budget_is_rolled_back_in_reverse(shell: Shell) -> None:
    """What was done is taken back, the last unit first; the debt is settled."""
    (shell.folder / "broken").touch()
    shell("run", "script.py", "--id", "r")
    back = shell("rollback", "r")

    assert 0 == back.code, back.err
    assert ["back n2", "back n1"] == [line for line in log(shell) if line.startswith("back")]


@pytest.mark.parametrize("columns", [60, 120])
def test_the_picture_moves_at_a_terminal(shell: Shell, columns: int) -> None:
    """A line about the wave at work, below the steps that run."""
    block = shell.folder / "block"
    block.touch()
    terminal = shell.at_terminal("run", "script.py", "--id", "r", columns=columns)
    terminal.until(r"wave 2 of 2  0/5  ◌\.\.\.\.")
    block.unlink()
    code, text = terminal.end()

    assert 0 == code
    assert "r succeeded" in plain(text)


def test_show_and_status_draw_the_waves(shell: Shell) -> None:
    """Every unit has its sign; without signs, the words."""
    (shell.folder / "broken").touch()
    shell("run", "script.py", "--id", "r")
    drawn = shell("fleet", "status", "r")
    words = shell("fleet", "status", "r", "--plain")
    shown = shell("show", "r")
    report = shell("export", "r", "--md").out

    assert "| 2 | n4 | not reached |" in report
    assert "wave 2      1/5  ✔✖..." in drawn.out
    assert "wave 2      1/5  ✔✖..." in shown.out
    assert "1 done · 1 failed · 3 not reached" in words.out
    assert "n3: failed: image n3: OSError: image not found\n" in drawn.out


def test_a_run_that_succeeds_without_a_unit_says_so(shell: Shell) -> None:
    """A budget lets it go on, and whoever looks at the last line only is told."""
    (shell.folder / "broken").touch()
    shell("run", "script.py", "--id", "r", "-p", "budget=1", "-p", "count=4")
    shell("approve", "r", "-m", "n3 is gone, and with it what it owed")
    ran = shell("resume", "r")
    why = shell("why", "r").out

    assert 0 == ran.code, ran.err
    assert "1 unit failed: " in ran.err and ran.err.endswith(" fleet status r\n")
    assert "fleet status r" in why and "1 unit failed: which, and why" in why


@pytest.mark.slow
def test_the_status_is_live_on_a_terminal(shell: Shell) -> None:
    """Drawn again while the run moves; the last picture stays."""
    block = shell.folder / "block"
    block.touch()
    run = shell.begin("run", "script.py", "--id", "r", "-p", "count=12")
    run.until("unit closed n1")
    status = shell.at_terminal("fleet", "status", "r", columns=80)
    status.until("wave 2     0/11  ◌..........")
    block.unlink()
    code, text = status.end()
    run.end()

    assert 0 == code
    assert "r: succeeded" in plain(text)
    assert "wave 2    11/11  ✔✔✔✔✔✔✔✔✔✔✔" in plain(text)
