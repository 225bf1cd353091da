"""The lab of the etcd example as a person starts it: a process of its own, which may be killed."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.etcd import FOLDER, needs_lab, processes

pytestmark = [needs_lab, pytest.mark.slow]
DEADLINE_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A copy of the example whose Prometheus has a port of its own."""
    shutil.copytree(FOLDER, tmp_path / "it", ignore=shutil.ignore_patterns(".lab", "__pycache__"))
    inventory = tmp_path / "it" / "holdfast.toml"
    port = processes.free_ports(1)[0]
    inventory.write_text(re.sub(r"(127.0.0.1):\d+", rf"\1:{port}", inventory.read_text()))
    yield tmp_path / "it"
    lab(tmp_path / "it", "down")


def lab(folder: Path, verb: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "lab.py", verb], cwd=folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=DEADLINE_S,
    )  # fmt: skip


def test_a_lab_that_is_killed_leaves_nobody_behind(folder: Path):
    """Its members, Prometheus and client die with it; `down` says what the client saw, and the
    next `up` starts anew. A second `up` beside it is refused."""
    assert 0 == lab(folder, "up").returncode
    assert "is up already" in lab(folder, "up").stderr
    about = json.loads((folder / ".lab" / "staging" / "lab.json").read_text())
    left = processes.Processes(folder / ".lab" / "staging").left()
    os.kill(about["pid"], signal.SIGKILL)
    for pid in left:
        ended(pid)
    down = lab(folder, "down")

    assert 6 == len(left)
    assert (0, True) == (down.returncode, ", 0 failed, not read back yet" in down.stdout)
    assert 0 == lab(folder, "up").returncode
    assert ", 0 failed, 0 lost" in lab(folder, "down").stdout


def ended(pid: int) -> None:
    """Wait until a process that is no child of ours has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(handle) as file:
        assert select.select([file], [], [], DEADLINE_S)[0], f"{pid} lives on"
