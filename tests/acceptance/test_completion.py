"""Tab in a real bash: commands, options, and the names of runs, steps, holds and targets."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell

SCRIPT = """
from holdfast import confirm, stage, step, workflow

@step("count {table}")
def count(table):
    return 1

@workflow
def tidy():
    with stage("flight"):
        count("orders")
        count("users")
    confirm("Go on?")
"""
INVENTORY = """
[targets.east]
risk = "low"
[targets.west]
risk = "high"
"""
TYPED = """
source <(holdfast completion bash)
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_holdfast_completion holdfast
printf '%s\\n' "${COMPREPLY[@]}"
"""
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with an inventory, a run that is on hold, and the command on the path."""
    shell = Shell(tmp_path, SCRIPT)
    command = tmp_path / "bin" / "holdfast"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m holdfast "$@"\n')
    command.chmod(0o755)
    inventory = tmp_path / "holdfast.toml"
    inventory.write_text(INVENTORY)
    inventory.chmod(0o600)
    assert 3 == shell("run", "script.py", "--id", "nightly", "--no-input").code
    return shell


def tab(shell: Shell, *words: str, **env: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    env = shell.env(**env)
    env["PATH"] = f"{shell.folder / 'bin'}:{env['PATH']}"
    done = subprocess.run(
        ["bash", "-c", TYPED, "_", "holdfast", *words], cwd=shell.folder, env=env,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "" == done.stderr
    return [line for line in done.stdout.splitlines() if line]


@needs_bash
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["re"], ["resume", "reject", "retry", "rewind"]),
        (["run", "script.py", "--mode", "c"], ["confirm"]),
        (["show", "n"], ["nightly"]),
        (["show", "x"], []),
        (["retry", "nightly", "fl"], ["'flight/count orders'", "'flight/count users'"]),
        (["rewind", "nightly", "--to", "'flight/count u"], ["'flight/count users'"]),
        (["approve", "nightly", "--hold", ""], ["h1"]),
        (["run", "script.py", "--target", ""], ["east", "west"]),
    ],
    ids=" ".join,
)
def test_tab_completes(shell: Shell, words: list[str], offered: list[str]) -> None:
    """What a person may mean, in quotes where the shell needs them."""
    assert offered == tab(shell, *words)


@needs_bash
def test_tab_never_complains(shell: Shell) -> None:
    """Without a store, a sound inventory or a known run it offers nothing and is silent."""
    assert [] == tab(shell, "show", "", HOLDFAST_STORE=str(shell.folder / "none.db"))
    assert [] == tab(shell, "retry", "nobody", "")
    (shell.folder / "holdfast.toml").write_text("targets = 3")
    assert [] == tab(shell, "run", "script.py", "--target", "")
