"""A script that is somewhere else now: what is said, and how its runs go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.shell import Shell

SCRIPT = """
from pathlib import Path
from holdfast import do, step, workflow

@step(undo=lambda: Path("made").unlink())
def make():
    Path("made").write_text("x")

def check():
    if not Path("ok").exists():
        raise ValueError("not yet")
    return "ok"

@workflow
def first():
    return "another one"

@workflow
def work():
    make()
    return do("check", check)
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def _moved(shell: Shell) -> None:
    """Have a run fail, and its script go somewhere else."""
    assert 1 == shell("run", "script.py:work", "--id", "one").code
    (shell.folder / "script.py").rename(shell.folder / "moved.py")


def test_a_run_finds_its_workflow_in_a_moved_script_of_several(shell: Shell):
    """The run knows which of them it is of: nobody has to say it again."""
    _moved(shell)
    (shell.folder / "ok").touch()

    resumed = shell("resume", "one", "moved.py")

    assert (0, '"ok"\n') == (resumed.code, resumed.out)


def test_a_script_that_is_gone_is_said_with_what_takes_its_new_path(shell: Shell):
    """Each verb that goes on takes it; what a `retry` without it recorded stays."""
    _moved(shell)

    for verb in ("resume", "rollback", "retry"):
        refused = shell(verb, "one")
        assert 2 == refused.code
        assert f"no file {shell.folder / 'script.py'}, where the script of run one was" in (
            refused.err
        )
        assert "take its path behind one, retry behind the step" in refused.err

    again = shell("retry", "one", "check", "moved.py")
    assert 1 == again.code and "ValueError: not yet" in again.err
    assert 0 == shell("rollback", "one", "moved.py").code
    assert not (shell.folder / "made").exists()


def test_a_folder_with_a_colon_in_its_name_is_no_workflow(tmp_path: Path):
    """`FILE:workflow` is parted at the last colon, and a recorded path at none."""
    folder = tmp_path / "a:b"
    folder.mkdir()
    shell = Shell(folder, SCRIPT)
    shell("run", f"{folder}/script.py:work", "--id", "one")
    (folder / "ok").touch()

    assert (0, '"ok"\n') == ((done := shell("resume", "one")).code, done.out)
