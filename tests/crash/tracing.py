"""Processes that append, under strace: what they were told, and what the store has of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.stores.sqlite import SqliteStore

APPENDER = str(Path(__file__).with_name("appender.py"))

if os.environ.get("CI") == "true":
    assert shutil.which("strace"), "strace is needed, and this machine has none"
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not here")


def appender(store: Path, run: str, count: int, *options: str) -> list[str]:
    """Return the command that appends so many facts to a run, and tells each."""
    return [sys.executable, APPENDER, str(store), run, str(count), *options]


def traced(inject: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command while strace tampers with a system call."""
    call = inject.partition(":")[0]
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    return subprocess.run(
        [*strace, "-e", f"inject={inject}", *command], capture_output=True, text=True, check=False
    )


def acknowledged(output: str) -> list[int]:
    """Return the numbers a process was told; a last line that a kill cut off does not count."""
    lines = output[: output.rfind("\n") + 1].splitlines()
    return [int(line) for line in lines if line.isdigit()]


def found(store: Path, run: str = "r") -> list[int]:
    """Return the numbers of a run's facts, after checking each of them and the whole store."""
    opened = SqliteStore(store)
    seqs = [stored.seq for stored in opened.read(run)]
    opened.close()
    health = SqliteStore.inspect(store)

    assert ((), ()) == (health.integrity, health.broken_chains)
    return seqs
