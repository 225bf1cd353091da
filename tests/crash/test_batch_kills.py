"""No acknowledged item of a batch is lost, whatever kills the process or fails under it.

Real processes finish items (`batcher.py`); strace makes a system call fail, or kills at the n-th.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.crash.batcher import Known
from tests.crash.soaking import dice_for, struck
from tests.crash.spaces import small_disk
from tests.crash.tracing import acknowledged, needs_strace

from holdfast.stores.sqlite import SqliteStore

ROOT = Path(__file__).parent.parent.parent
KILLS = 50


def batcher(store: Path, count: int, *options: str) -> list[str]:
    return [sys.executable, "-m", "tests.crash.batcher", str(store), str(count), *options]


def started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def ended(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def run_traced(inject: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command while strace tampers with a system call."""
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={inject.partition(':')[0]}"]
    return ended([*strace, "-e", f"inject={inject}", *command])


def found(store: Path) -> int:
    """Return how many items the next life would know, after checking each and the whole store."""
    with closing(SqliteStore(store)) as opened:
        count = Known(opened.batches, 1 << 30).items()
    health = SqliteStore.inspect(store)

    assert ((), ()) == (health.integrity, health.broken_chains)
    return count


def lost(store: Path, output: str) -> list[int]:
    """Return the items that a process was told of and the store does not know."""
    count = found(store)
    return [n for n in acknowledged(output) if n >= count]


@pytest.mark.slow
@pytest.mark.kills
def test_a_killed_process_loses_no_acknowledged_item(tmp_path: Path) -> None:
    """At fifty random moments, between tail and checkpoint or within either."""
    store, dice, told = tmp_path / "s.db", dice_for("batcher"), 0
    for _ in range(KILLS):
        with started(batcher(store, 100_000)) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(dice.randrange(1, 200))]
            struck(signal.SIGKILL)
            process.kill()
            lines.append(process.stdout.read())
        output = "".join(lines)
        told += len(acknowledged(output))

        assert [] == lost(store, output)
    assert told > 50 * KILLS


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("call", ["pwrite64", "ftruncate", "unlink", "mkdir", "fdatasync"])
def test_a_kill_at_any_call_loses_no_acknowledged_item(tmp_path: Path, call: str) -> None:
    """Also while the tail is made, emptied or forgotten: the next life goes on."""
    for n in [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 19, 24, 31, 40, 52]:
        store = tmp_path / str(n) / "s.db"
        command = batcher(store, 30, "--each", "4")
        first = run_traced(f"{call}:signal=SIGKILL:when={n}", command)
        again = ended(batcher(store, 5, "--each", "4"))

        assert (0, "") == (again.returncode, again.stderr), n
        assert [] == lost(store, first.stdout + again.stdout)
        if first.returncode == 0:
            break


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("n", [1, 9, 30, 55])
def test_a_disk_that_fails_stops_cleanly(tmp_path: Path, error: str, n: int) -> None:
    """Exit 74 with what to do, and the next life knows every acknowledged item."""
    store = tmp_path / "s.db"
    before = ended(batcher(store, 10))
    first = run_traced(f"pwrite64:error={error}:when={n}+", batcher(store, 500))
    ended([sys.executable, "-m", "holdfast", "doctor", "--store", str(store)])

    assert (0, 74) == (before.returncode, first.returncode)
    assert "Traceback" not in first.stderr and "StoreError: " in first.stderr
    assert re.search("(goes on with|run) `holdfast |cannot be opened: ", first.stderr), first.stderr
    assert [] == lost(store, before.stdout + first.stdout)
    assert 0 == ended(batcher(store, 3)).returncode


@pytest.mark.slow
@pytest.mark.kills
def test_a_full_file_system_loses_no_acknowledged_item(tmp_path: Path) -> None:
    """A small disk of its own fills up: exit 74; with room again the batch goes on."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        store, filler = disk / "s.db", disk / "filler"
        first = ended(batcher(store, 50))
        filler.write_bytes(b"x" * (free(disk) - 256 * 1024))
        full = ended(batcher(store, 100_000, "--each", "100000"))

        assert (0, 74) == (first.returncode, full.returncode), full.stderr
        assert "the disk is full; nothing that was finished before is lost" in full.stderr
        assert "Traceback" not in full.stderr
        filler.unlink()
        assert [] == lost(store, first.stdout + full.stdout)
        assert len(acknowledged(full.stdout)) > 100
        assert 0 == ended(batcher(store, 3)).returncode


def free(disk: Path) -> int:
    """Return how many bytes fit on a disk."""
    room = os.statvfs(disk)
    return room.f_bavail * room.f_bsize
