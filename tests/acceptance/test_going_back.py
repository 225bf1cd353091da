"""Rolling back, settling and cancelling as a person types it, on narrow and on wide terminals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell, plain

SCRIPT = """
from pathlib import Path
from holdfast import confirm, flight, no_return, preflight, require, step, workflow

def restore(node, result):
    Path(node).write_text(result)

@step("set {node} to {version}", undo=restore)
def set_version(node, version):
    old = Path(node).read_text()
    Path(node).write_text(version)
    return old

@step("uncordon {node}")
def uncordon(node):
    Path(node + ".cordoned").unlink()

@step("cordon {node}", owes=uncordon)
def cordon(node):
    Path(node + ".cordoned").touch()

@step("mail the team")
def mail():
    pass

@step("charge the customer", once=True, undo=lambda: Path("charged").unlink())
def charge(fail):
    Path("charged").touch()
    if fail == "charge":
        raise OSError("no answer")

@workflow
def upgrade(fail: str = ""):
    for node in ("n1", "n2"):
        Path(node).write_text("3.4")
    with preflight():
        cordon("n0")
        require("ready", lambda: fail != "preflight")
        uncordon("n0")
    mail()
    with flight():
        cordon("n1")
        set_version("n1", "3.5")
        charge(fail)
        if fail == "late":
            no_return("the cluster reads 3.5 only")
        if fail:
            raise RuntimeError("n1 does not come up")
        uncordon("n1")
"""
MUCH = """
from holdfast import step, workflow

@step("give {number}")
def give(number):
    pass

@step("take {number}", owes=give)
def take(number):
    pass

@workflow
def much():
    for number in range(12):
        take(number)
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def failed(shell: Shell, fail: str = "yes", *words: str) -> str:
    """Start run r, which fails; return what it said in the end."""
    said = shell("run", "script.py", "-p", f"fail={fail}", "--id", "r", *words)
    assert said.code in (1, 6)
    return said.err


def test_every_stop_says_what_is_owed_and_how_to_go_back(shell: Shell):
    """The debt by name, and the exact commands: settle, rollback, cancel."""
    said = failed(shell)

    assert "  owed   uncordon n1\n" in said
    assert "holdfast settle r  # give back what it owes: uncordon n1" in said
    assert "holdfast rollback r  # undo what it did: 2 to undo, 1 owed" in said
    assert "holdfast cancel r --abandon -m REASON" in said


def test_a_rollback_ends_0_and_names_what_is_left(shell: Shell):
    """The files are as they were; the mail was sent, and is named."""
    failed(shell)
    said = shell("rollback", "r")

    assert 0 == said.code, said.err
    assert "r rolled back: " in said.err
    assert "  left   mail the team: it has no undo\n" in said.err
    assert "3.4" == (shell.folder / "n1").read_text()
    assert not (shell.folder / "n1.cordoned").exists()
    shown = json.loads(shell("show", "r", "--json").out)
    assert "rolled_back" == shown["run"]["status"]
    assert {"undone"} == {s["status"] for s in shown["steps"] if s["label"].startswith("set")}
    assert [True, True] == [debt["settled"] for debt in shown["debts"]]
    assert 2 == shell("rollback", "r").code


def test_a_rollback_to_a_step_is_resumed_from_there(shell: Shell):
    """Exit 0, stopped; the commands that follow are printed."""
    failed(shell)
    said = shell("rollback", "r", "--to", "set n1 to 3.5")

    assert 0 == said.code, said.err
    assert "STOPPED r  (exit 0)" in said.err
    assert "rolled back to flight/set n1 to 3.5: that runs again on `resume`" in said.err
    assert "3.4" == (shell.folder / "n1").read_text()
    assert 1 == shell("resume", "r").code
    assert "3.5" == (shell.folder / "n1").read_text()


def test_after_the_point_of_no_return_rollback_says_why_not(shell: Shell):
    """Exit 1, the reason, and where to look; every stop says it before."""
    said = failed(shell, "late")
    assert "it cannot be rolled back since 'flight/point of no return'" in said
    assert "holdfast rollback" not in said
    refused = shell("rollback", "r")

    assert (1, 1) == (refused.code, refused.err.count("\n"))
    assert "nothing was undone" in refused.err
    assert "the cluster reads 3.5 only" in refused.err
    assert "holdfast resume r" in refused.err


def test_a_failed_preflight_says_that_nothing_is_committed(shell: Shell):
    """What it borrowed was given back."""
    said = failed(shell, "preflight")

    assert "nothing is committed: what its stage did is undone" in said
    assert "  owed " not in said
    assert not (shell.folder / "n0.cordoned").exists()
    assert "holdfast resume r  # run it again from the start of that stage" in said


def test_a_rollback_stops_at_a_step_in_doubt_with_the_commands(shell: Shell):
    """Exit 6; whoever looked says `done`, and `resume` goes on with the rollback."""
    failed(shell, "charge")
    said = shell("rollback", "r")
    assert 6 == said.code
    assert "holdfast done r 'flight/charge the customer' -m REASON" in said.err
    assert "began to roll it back: `resume` goes on with that" in said.err
    assert 0 == shell("done", "r", "charge the customer", "-m", "it was charged").code

    assert 0 == shell("resume", "r").code
    assert not (shell.folder / "charged").exists()


def test_owed_lists_what_all_runs_owe(shell: Shell):
    """As lines, and as JSON of the promised shape; nothing once it is settled."""
    failed(shell)
    (debt,) = json.loads(shell("owed", "--json").out)["debts"]
    assert ("r", "flight/cordon n1", "uncordon n1") == (debt["run"], debt["key"], debt["label"])
    assert "r  uncordon n1, since " in shell("owed").out
    settled = shell("settle", "r")

    assert (0, True) == (settled.code, "settled 1 of what it owed" in settled.err)
    assert not (shell.folder / "n1.cordoned").exists()
    nothing = shell("owed")
    assert (0, "", "nothing is owed\n") == (nothing.code, nothing.out, nothing.err)
    assert 2 == shell("settle", "r").code


def test_a_run_that_owes_much_names_the_first_ones(shell: Shell):
    """At a stop, and in what is asked and refused; `owed` lists all of it."""
    (shell.folder / "much.py").write_text(MUCH)
    said = shell("run", "much.py", "--id", "r", "--no-input")
    refused = shell("cancel", "r", "-m", "over")

    assert (3, 2) == (said.code, refused.code)
    assert "give 9 · and 2 more\n" in said.err
    assert "still owes 12 things: give 0, " in said.err
    assert "give 9, and 2 more: " in refused.err
    assert 0 == (said.err + refused.err).count("give 10")
    assert 12 == len(shell("owed").out.splitlines())


def test_owed_of_no_store_is_nothing(shell: Shell):
    """It makes none."""
    said = shell("owed", "--json")

    assert {"version": 1, "debts": []} == json.loads(said.out)
    assert not shell.store.exists()


def test_a_run_that_owes_is_cancelled_with_abandon_only(shell: Shell):
    """The refusal says both ways."""
    failed(shell)
    refused = shell("cancel", "r", "-m", "over")
    assert 2 == refused.code
    assert "holdfast settle r" in refused.err and "--abandon" in refused.err
    said = shell("cancel", "r", "--abandon", "-m", "over")

    assert (0, True) == (said.code, "nobody gives back: uncordon n1" in said.out)
    assert "" == shell("owed").out


def test_an_undo_asks_in_the_mode_of_the_run(shell: Shell):
    """Nobody there: exit 3, and the yes is given from elsewhere."""
    failed(shell)
    said = shell("rollback", "r", "--mode", "confirm", "--no-input")
    assert (3, True) == (said.code, "undo set n1 to 3.5?" not in said.err)
    shell("approve", "r")
    said = shell("resume", "r", "--no-input")

    assert (3, True) == (said.code, "undo set n1 to 3.5?" in said.err)


@pytest.mark.parametrize("columns", [60, 120])
def test_what_is_said_about_going_back_fits(shell: Shell, columns: int):
    """On a narrow terminal and a wide one: only commands, paths and the first line of a life's
    progress are never wrapped."""
    failed(shell)
    text = terminal(shell, columns, "show", "r")
    text += terminal(shell, columns, "rollback", "r")
    text += terminal(shell, columns, "show", "r")
    lines = text.splitlines()

    assert [] == [line for line in lines if len(line) > columns and not _may_be_wide(line)]
    said = " ".join(text.split())
    assert "owes uncordon n1, since " in said
    assert "Left as they are: mail the team: it has no undo" in said
    assert "undo set n1 to 3.5" in said


def terminal(shell: Shell, columns: int, *words: str) -> str:
    """Return all that a command shows on a terminal of this width."""
    code, text = shell.at_terminal(*words, columns=columns).end()
    assert 0 == code
    return plain(text)


def _may_be_wide(line: str) -> bool:
    return "holdfast " in line or "script.py" in line or line.startswith("resuming ")
