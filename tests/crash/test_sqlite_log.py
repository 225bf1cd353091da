"""Room in the database's log: commits find it, and neither a kill nor a full disk costs a fact."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.crash.appender import AT, take
from tests.crash.tracing import acknowledged, appender, found, needs_strace, traced

from holdfast.model.facts import StepSucceeded
from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite_connection import LOOK_EVERY
from holdfast.stores.sqlite_log import FIRST_BYTES

PAGES_MANY = 50
"""More writes without a sync between them than any commit here makes."""


def lengths_after(store: Path, counts: list[int]) -> list[int]:
    """Append, and return how long the log was after so many durable facts."""
    opened = SqliteStore(store)
    epoch, seq = take(opened, "r")
    lengths = []
    for n in range(max(counts)):
        seq = opened.append("r", [StepSucceeded(AT, f"s {n}", n)], after=seq, epoch=epoch).seq
        if n + 1 in counts:
            lengths.append(store.with_name(f"{store.name}-wal").stat().st_size)
    opened.close()
    return lengths


def test_commits_find_room_in_the_log(tmp_path: Path) -> None:
    """Once a log grows it is made longer at one time, and the database stays as small as it is."""
    store = tmp_path / "s.db"
    few, looked, later = lengths_after(store, [5, 3 * LOOK_EVERY, 5 * LOOK_EVERY])

    assert few < looked - FIRST_BYTES // 2
    assert looked == later
    assert store.stat().st_size < FIRST_BYTES
    assert list(range(1, 5 * LOOK_EVERY + 3)) == found(store)


def test_the_log_is_made_longer_before_it_is_full(tmp_path: Path) -> None:
    """After the first time no commit finds its end: each growth is a doubling, and no page."""
    store = tmp_path / "s.db"
    lengths = lengths_after(store, list(range(1, 501)))[3 * LOOK_EVERY :]
    growths = [later - before for before, later in itertools.pairwise(lengths) if later > before]

    assert 2 <= len(growths)
    assert min(growths) > FIRST_BYTES // 2
    assert list(range(1, 503)) == found(store)


def test_a_log_that_does_not_grow_is_left_alone(tmp_path: Path) -> None:
    """A process that commits a few times, as a step of a shell script does, pays for nothing."""
    store = tmp_path / "s.db"
    (length,) = lengths_after(store, [LOOK_EVERY // 2])

    assert length < FIRST_BYTES


def making_room(store: Path, count: int) -> list[range]:
    """Return the pwrite64 calls, counted from 1, by which an appender makes its log longer: each
    time it does."""
    log = store.parent / "calls"
    calls = ["strace", "-f", "-qq", "-e", "trace=pwrite64,fdatasync", "-o", str(log)]
    subprocess.run([*calls, *appender(store, "r", count)], check=True, capture_output=True)
    written, stretches = 0, []
    names = re.findall(r"^\d+ +(pwrite64|fdatasync)\(", log.read_text(), re.MULTILINE)
    for name, group in itertools.groupby(names):
        if name == "pwrite64":
            length = sum(1 for _ in group)
            stretches.append(range(written + 1, written + length + 1))
            written += length
    return [stretch for stretch in stretches if len(stretch) >= PAGES_MANY]


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize(("time", "count"), [(0, 40), (1, 80)], ids=["grown", "nearly full"])
def test_a_kill_while_room_is_made_loses_nothing(tmp_path: Path, time: int, count: int) -> None:
    """What the log holds beyond its last commit is never read: the first time, when commits have
    made it longer, and the second, when they are about to."""
    writes = making_room(tmp_path / "first.db", count)[time]
    for n in sorted({*writes[:: len(writes) // 8], writes[-1], writes[-1] + 1}):
        store = tmp_path / str(n) / "s.db"
        killed = traced(f"pwrite64:signal=SIGKILL:when={n}", appender(store, "r", count))
        again = subprocess.run(appender(store, "r", count), capture_output=True, text=True)

        assert killed.returncode != 0 and len(acknowledged(killed.stdout)) >= LOOK_EVERY
        assert (0, "") == (again.returncode, again.stderr), n
        assert set(acknowledged(killed.stdout + again.stdout)) <= set(found(store))


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_room_that_cannot_be_made_costs_nothing(tmp_path: Path, error: str) -> None:
    """The run goes on with the log as it is; only a commit may say that the disk is full."""
    writes = making_room(tmp_path / "first.db", 40)[0]
    store = tmp_path / "s.db"
    n = writes[len(writes) // 2]
    result = traced(f"pwrite64:error={error}:when={n}", appender(store, "r", 40))

    assert (0, "") == (result.returncode, result.stderr)
    assert set(acknowledged(result.stdout)) <= set(found(store))
    assert 80 == len(acknowledged(result.stdout))


def test_the_last_of_a_disk_is_not_taken_for_room(tmp_path: Path) -> None:
    """On a disk with little left the log grows by what is committed, and by nothing else."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        looked, later = lengths_after(disk / "s.db", [3 * LOOK_EVERY, 5 * LOOK_EVERY])
    finally:
        subprocess.run(["umount", str(disk)], check=True)

    assert looked < later < looked + FIRST_BYTES
