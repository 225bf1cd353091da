"""No acknowledged fact is lost, whatever kills the process or fails under it.

Real processes append (`appender.py`); strace makes the system call fail, or kills at the n-th.
"""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest
from tests.crash.soaking import dice_for, struck
from tests.crash.tracing import acknowledged, appender, found, needs_strace, traced

from holdfast.errors import StoreError
from holdfast.model.facts import StepSucceeded, StopRequested
from holdfast.stores.sqlite import SqliteStore


@pytest.mark.slow
@pytest.mark.kills
def test_a_killed_process_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Killed twenty times in the middle of appends, the journal has all and is whole."""
    store, dice = tmp_path / "s.db", dice_for("appender")
    for _ in range(20):
        command = appender(store, "r", 100_000)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(dice.randrange(1, 200))]
            struck(signal.SIGKILL)
            process.kill()
            lines.append(process.stdout.read())
        told = acknowledged("".join(lines))

        assert set(told) <= set(found(store))


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "fsync", "ftruncate"])
def test_a_kill_at_any_write_loses_nothing_acknowledged(tmp_path: Path, call: str) -> None:
    """Also while the store is being made: what is left opens, and goes on."""
    for n in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 21, 27, 35, 44, 61]:
        store = tmp_path / str(n) / "s.db"
        result = traced(f"{call}:signal=SIGKILL:when={n}", appender(store, "r", 20))
        again = subprocess.run(appender(store, "r", 2), capture_output=True, text=True, check=False)

        assert (0, "") == (again.returncode, again.stderr), n
        assert set(acknowledged(result.stdout + again.stdout)) <= set(found(store))
        if result.returncode == 0:
            break


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("n", [14, 20, 40])
def test_a_failed_sync_makes_the_store_suspect(tmp_path: Path, n: int) -> None:
    """It ends with 74, refuses to open until doctor has looked, and has lost nothing then."""
    store = tmp_path / "s.db"
    result = traced(f"fdatasync:error=EIO:when={n}+", appender(store, "r", 50))
    refused = subprocess.run(appender(store, "r", 1), capture_output=True, text=True, check=False)

    assert 74 == result.returncode
    assert "SQLITE_IOERR_FSYNC" in result.stderr and "unknown until" in result.stderr
    assert 74 == refused.returncode and "holdfast doctor" in refused.stderr
    assert "SQLITE_IOERR_FSYNC" in (SqliteStore.inspect(store).suspect or "")
    SqliteStore.clear_suspect(store)
    assert SqliteStore.inspect(store).suspect is None
    assert set(acknowledged(result.stdout)) <= set(found(store))


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("n", [1, 20, 41, 60])
def test_a_full_disk_stops_cleanly(tmp_path: Path, n: int) -> None:
    """It ends with 74, says that the disk is full, and the next process goes on."""
    store = tmp_path / "s.db"
    subprocess.run(appender(store, "r", 1), check=True, capture_output=True)
    result = traced(f"pwrite64:error=ENOSPC:when={n}+", appender(store, "r", 50))
    told = acknowledged(result.stdout)

    assert 74 == result.returncode
    assert re.search("the disk is full|is the disk full", result.stderr)
    assert not (tmp_path / "s.db.suspect").exists()
    assert set(told) <= set(found(store))
    assert (n > 20) == bool(told)
    assert 0 == subprocess.run(appender(store, "r", 1), capture_output=True).returncode


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
def test_a_full_disk_while_spilling_leaves_no_row(tmp_path: Path) -> None:
    """A large value that cannot be kept is not referred to."""
    store = tmp_path / "s.db"
    SqliteStore(store).close()
    command = appender(store, "r", 9, "--size", "200000", "--pattern", "durable")
    result = traced("fsync:error=ENOSPC:when=6+", command)

    opened = SqliteStore(store)
    facts = [stored.fact for stored in opened.read("r")]
    for fact in facts:
        if isinstance(fact, StepSucceeded):
            opened.load(fact.result)  # type: ignore[arg-type]
    opened.close()
    assert 74 == result.returncode
    assert "the disk is full" in result.stderr
    assert acknowledged(result.stdout) == list(range(3, len(facts) + 1))
    assert 2 < len(facts) < 9


@needs_strace
@pytest.mark.slow
@pytest.mark.kills
def test_a_durable_append_is_one_sync(tmp_path: Path) -> None:
    """One for each durable fact and none for the others, so one for a plain step."""
    counts = {}
    for pattern in ("durable", "step", "quick"):
        for steps in (10, 30):
            trace = tmp_path / f"{pattern}{steps}"
            command = appender(trace.with_suffix(".db"), "r", steps, "--pattern", pattern)
            watch = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=fsync,fdatasync"]
            subprocess.run([*watch, *command], check=True, capture_output=True)
            counts[pattern, steps] = len(re.findall(r"sync\(", trace.read_text()))

    more = {p: counts[p, 30] - counts[p, 10] for p in ("durable", "step", "quick")}
    assert {"durable": 20, "step": 20, "quick": 0} == more


@pytest.mark.slow
@pytest.mark.kills
def test_processes_append_side_by_side(tmp_path: Path) -> None:
    """Two owners and a bystander, over many checkpoints: everything acknowledged is there."""
    store = tmp_path / "s.db"
    SqliteStore(store).close()
    commands = [
        appender(store, "r", 1200, "--pattern", "quick", "--size", "20000"),
        appender(store, "s", 1200, "--pattern", "quick", "--size", "20000"),
    ]
    owners = [subprocess.Popen(c, stdout=subprocess.PIPE, text=True) for c in commands]
    assert owners[0].stdout is not None
    assert "ready 1\n" == owners[0].stdout.readline()
    bystander = subprocess.run(
        appender(store, "r", 100, "--pattern", "control"),
        capture_output=True,
        text=True,
        check=True,
    )
    told = [acknowledged(owner.communicate()[0]) for owner in owners]

    assert [0, 0] == [owner.returncode for owner in owners]
    assert sorted(told[0] + acknowledged(bystander.stdout)) == found(store, "r")[2:]
    assert told[1] == found(store, "s")[2:]


def test_an_owner_and_a_bystander_never_refuse_each_other(tmp_path: Path) -> None:
    """A hundred control facts land between the owner's, and all of both are there."""
    store = tmp_path / "s.db"
    owner_command = appender(store, "r", 300)
    with subprocess.Popen(owner_command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert "ready 1\n" == owner.stdout.readline()
        command = appender(store, "r", 100, "--pattern", "control")
        bystander = subprocess.run(command, capture_output=True, text=True, check=True)
        told = acknowledged(owner.stdout.read())

    assert sorted(told + acknowledged(bystander.stdout)) == found(store)[2:]
    opened = SqliteStore(store)
    stops = sum(isinstance(stored.fact, StopRequested) for stored in opened.read("r"))
    opened.close()
    assert (600, 100) == (len(told), stops)


def test_a_broken_store_refuses_everything(tmp_path: Path) -> None:
    """After one write failed in the database, nothing is answered until it is opened anew."""
    store = SqliteStore(tmp_path / "s.db")
    database = store._database

    def fails(connection: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="the disk is full"):
        database.write(fails, durable=True)
    with pytest.raises(StoreError, match="unknown until the store is reopened"):
        store.row("r")
    store.close()
    reopened = SqliteStore(tmp_path / "s.db")
    assert reopened.row("r") is None
    reopened.close()
