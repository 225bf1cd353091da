"""Commands of ours in processes of their own: none outlives us, and none is lost sight of."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.runtime import child
from holdfast.runtime.child import Children

DEADLINE_S = 60.0
SCRIPT = """
from pathlib import Path
from holdfast import workflow
Path("was here").touch()
@workflow
def flow(): ...
"""


def ends(pid: int) -> bool:
    """Whether that process ends in time, whoever reaps it."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(handle):
        return bool(select.select([handle], [], [], DEADLINE_S)[0])


def test_a_command_whose_parent_dies_before_it_is_guarded_does_nothing(tmp_path: Path) -> None:
    """It waits until it is known to who would end it, and ends with its parent."""
    (tmp_path / "script.py").write_text(SCRIPT)
    dies = (
        "import os; from holdfast.runtime import child\n"
        "def die(pid): print(pid, flush=True); os.kill(os.getpid(), 9)\n"
        "child.watchdog.guard = die\n"
        "child.Children().run(['--store', 'memory:', 'run', 'script.py'])\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", dies], cwd=tmp_path, stdout=subprocess.PIPE, timeout=DEADLINE_S
    )

    assert -signal.SIGKILL == parent.returncode
    assert ends(int(parent.stdout))
    assert not (tmp_path / "was here").exists()


def test_a_signal_for_a_command_that_has_ended_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It comes when the command is over and not waited for yet: its end is told all the same."""
    children, wait = Children(), os.waitid

    def wait_late(which: int, pid: int, options: int) -> Any:
        wait(which, pid, options)
        children.pass_on(signal.SIGTERM)
        return wait(which, pid, options)

    monkeypatch.setattr(child.os, "waitid", wait_late)
    _, code = children.run(["--version"])

    assert (0, signal.SIGTERM) == (code, children.signalled)
