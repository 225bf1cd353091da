"""The demo keeps its word: a kill half way loses nothing and repeats no finished step."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.acceptance.shell import Said, Shell


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, Said]:
    shell = Shell(tmp_path_factory.mktemp("demo"), "")
    return shell, shell("demo", "--dir", "here", "--no-input")


def test_the_demo_counts_right(played: tuple[Shell, Said]):
    """It exits 0 and says that nothing was lost and nothing finished was repeated."""
    _, said = played

    assert 0 == said.code, said.out + said.err
    assert "0 of them lost" in said.out
    assert "0 finished steps repeated" in said.out


def test_the_effects_agree(played: tuple[Shell, Said]):
    """By effects.log at most one step, the one in hand, took effect twice."""
    shell, _ = played
    effects = Counter((shell.folder / "here" / "effects.log").read_text().splitlines())

    assert 40 == len(effects)
    assert sum(effects.values()) <= 41


def test_the_demo_kills_and_resumes(played: tuple[Shell, Said]):
    """It kills a real process, goes on with the same run, and answers from another shell."""
    _, said = played

    assert "$ kill -9 " in said.out
    assert "resuming fleet" in said.err
    assert "$ holdfast approve fleet" in said.out


def test_the_next_commands_work(played: tuple[Shell, Said]):
    """What it says to try next works as it is printed."""
    shell, said = played
    lines = said.out.partition("Try next")[2].splitlines()
    commands = [line.removeprefix("$ holdfast ") for line in lines if "$ holdfast " in line]

    assert 3 == len(commands)
    inside = Shell(shell.folder / "here", "")
    store = str(shell.folder / "here" / "demo.db")
    codes = [inside(*words.split(), HOLDFAST_STORE=store).code for words in commands]
    assert [0, 3, 0] == codes


def test_the_script_is_short(played: tuple[Shell, Said]):
    """A new user reads the demo's script in a minute."""
    shell, _ = played

    assert (shell.folder / "here" / "demo.py").read_text().count("\n") < 60


def test_the_demo_overwrites_nothing(played: tuple[Shell, Said]):
    """A folder that holds a demo already is refused."""
    shell, _ = played

    again = shell("demo", "--dir", "here", "--no-input")

    assert 2 == again.code
    assert "empty folder" in again.err


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path):
    """A --dir below a file is refused in one line."""
    shell = Shell(tmp_path, "")

    said = shell("demo", "--dir", "script.py/x")

    assert 2 == said.code
    assert 1 == len(said.err.splitlines())
