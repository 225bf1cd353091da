"""How a shell's run begins and ends: its traps, where `begin` stands, and one run at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell, plain
from tests.acceptance.shells import BEGIN, Script, every_shell


@every_shell
def test_an_earlier_trap_is_kept(shell: str, tmp_path: Path) -> None:
    """It finds the script's status in `$?`, and runs before the run ends; the status stays."""
    script = Script(
        tmp_path,
        "trap 'echo \"it'\\''s $?\"; holdfast step late -- true' EXIT\n" + BEGIN + "exit 9\n",
    )
    ran = script.run(shell)

    assert 9 == ran.code and b"it's 9\n" == ran.out, ran
    assert "failed" == script.state().status
    assert "late" in script.state().steps


@every_shell
def test_begun_in_a_function(shell: str, tmp_path: Path) -> None:
    """The run ends with the script, not with the function; what was trapped before is kept."""
    script = Script(
        tmp_path,
        "trap 'echo \"mine $?\"' EXIT\nstart() {\n" + BEGIN + "}\nstart\n"
        "holdfast step a -- echo a\nexit 9\n",
    )
    ran = script.run(shell)

    assert 9 == ran.code and b"a\nmine 9\n" == ran.out, ran
    assert ["a"] == [*script.state().steps] and "failed" == script.state().status
    assert str(tmp_path / "script.sh") == script.state().lives[0].file


def test_a_later_trap_is_told_of(tmp_path: Path) -> None:
    """It replaces what ends the run, which is then left as it is: nobody finds out by himself."""
    script = Script(tmp_path, "holdfast step a -- true\ntrap 'echo mine' EXIT\n")
    ran = script.type("run", script.name, PATH=script.env()["PATH"])

    assert (0, b"mine\n") == (ran.code, ran.out), ran
    assert "script.sh:2: this trap on EXIT replaces the one that ends the run" in ran.err


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_traps_that_are_functions_are_kept(tmp_path: Path) -> None:
    """zsh calls TRAPEXIT before the run ends, and TRAPUSR1 stays the script's own."""
    script = Script(
        tmp_path,
        "TRAPEXIT() { echo \"exit $?\" >&2; return }\nTRAPUSR1() { echo \"it's mine\" }\n"
        + BEGIN + "kill -USR1 $$\nholdfast step a -- echo a\nexit 9\n",
    )  # fmt: skip
    ran = script.run("zsh")

    assert 9 == ran.code and b"it's mine\na\n" == ran.out, ran
    assert "exit 9\n" in ran.err and "failed" == script.state().status


@every_shell
def test_a_shell_is_in_one_run(shell: str, tmp_path: Path) -> None:
    """A second `begin` is refused and begins nothing, so that the first run has an end; once that
    has ended, another may begin."""
    script = Script(
        tmp_path,
        'eval "$(holdfast begin work)"\nholdfast step a -- true\n'
        'test -z "$1" || holdfast end "$1"\n'
        'eval "$(holdfast begin other)"\nholdfast step b -- true\n',
    )
    refused, left = script.run(shell, ""), script.state()
    ended = script.run(shell, "0")

    assert 2 == refused.code and "`holdfast end 0`" in refused.err, refused
    assert ("failed", ["a"]) == (left.status, [*left.steps])
    assert 0 == ended.code, ended
    assert ["succeeded"] * 2 == [script.state(run).status for run in script.runs]


@every_shell
def test_a_subshell_may_be_in_a_run_of_its_own(shell: str, tmp_path: Path) -> None:
    """It has an end of its own: one for each target, say, beside the run of the script."""
    script = Script(
        tmp_path,
        'eval "$(holdfast begin work)"\n'
        '( eval "$(holdfast begin inner)"; holdfast step b -- echo in; exit 3 )\n'
        "holdfast step a -- echo out\n",
    )
    ran = script.run(shell)
    stand = {state.created.workflow: state.status for state in map(script.state, script.runs)
             if state.created is not None}  # fmt: skip

    assert (0, b"in\nout\n") == (ran.code, ran.out), ran
    assert {"work": "succeeded", "inner": "failed"} == stand


def test_begin_is_not_typed_at_a_terminal(tmp_path: Path) -> None:
    """There nobody evaluates what it prints: it says how it is written, and begins nothing."""
    code, text = Shell(tmp_path, "").at_terminal("begin", "work").end()

    assert 2 == code
    assert 'eval "$(holdfast begin work)"' in plain(text)
    assert not (tmp_path / "state").exists()


@every_shell
def test_what_begin_prints_is_clean(shell: str, tmp_path: Path) -> None:
    """ShellCheck has nothing to say of it, as POSIX shell; a refusal ends the script."""
    script = Script(tmp_path, BEGIN + "echo never\n")
    printed = script.type("begin", "name with 'quotes'", "-p", "a=it's $(echo)")
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    checked = subprocess.run(
        ["shellcheck", "-s", "sh", "-e", "SC1090,SC1091", "-"],
        input=b"#!/bin/sh\n" + printed.out, capture_output=True,
    )  # fmt: skip
    refused = script.run(shell, "--id", "no/such id")

    assert b"" == checked.stdout and 0 == checked.returncode, checked.stdout.decode()
    assert 2 == refused.code and b"" == refused.out and "no run id" in refused.err


def test_what_a_killed_shell_left_of_its_beginning_is_removed(tmp_path: Path) -> None:
    """The file for its traps, by a later `begin`; one that may be in use stays."""
    left, used = (tmp_path / f"holdfast-traps-{name}" for name in ("left", "used"))
    left.touch()
    used.touch()
    os.utime(left, (0, 0))
    ran = Script(tmp_path, BEGIN + "holdfast step a -- echo a\n").run("sh", TMPDIR=str(tmp_path))

    assert (0, b"a\n") == (ran.code, ran.out), ran
    assert [used] == list(tmp_path.glob("holdfast-traps-*"))
