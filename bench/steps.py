"""Sequential plain steps beside a bare sqlite3 loop that writes the same two rows."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figure import Row, folder, in_turn

from holdfast import run, step, workflow

TMPFS = "/dev/shm"
ROUNDS = 7
DISK_ROUNDS = 25
"""More where the disk is: how long it takes for a sync moves by a third within a second."""
RATIO_MIN = 0.7
CPU_US_MAX = 60.0


@step
def touch(number: int) -> int:
    """The cheapest step there is: what is left is holdfast."""
    return number


@step(once=True)
def strict(number: int) -> int:
    """A step whose intent must be durable too."""
    return number


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@workflow
def many(count: int, clock: str = "wall") -> float:
    """So many steps, one after another; how long they took, as for the bare loop."""
    now = CLOCKS[clock]
    begin = now()
    for number in range(count):
        touch(number)
    return now() - begin


@workflow
def many_strict(count: int) -> None:
    """So many steps of which none may repeat."""
    for number in range(count):
        strict(number)


def on_disk() -> Iterator[Row]:
    """Speed on the disk, where the fsync is most of a step."""
    count = 2_000
    with folder() as place:
        ours, bare, slower = in_turn(
            lambda: _ours(place, count, "wall"),
            lambda: _bare(place, "wall"),
            DISK_ROUNDS,
        )
    ratio = 1 / slower
    yield Row(
        "sequential plain steps, SQLite on disk",
        f"≥ {RATIO_MIN} × bare sqlite3",
        f"{ratio:.2f} × ({count / ours:,.0f} steps/s)",
        f"bare loop, same rows and durability: {count / bare:,.0f}/s",
        ratio >= RATIO_MIN,
    )


def on_tmpfs() -> Iterator[Row]:
    """CPU time on a file system without a disk: what holdfast itself costs."""
    count = 10_000
    with folder(TMPFS) as place:
        ours, bare, _ = in_turn(
            lambda: _ours(place, count, "cpu"),
            lambda: _bare(place, "cpu"),
            ROUNDS,
        )
    extra = (ours - bare) / count * 1e6
    yield Row(
        "engine CPU per step over that loop, tmpfs",
        f"≤ {CPU_US_MAX:.0f} µs",
        f"{extra:.0f} µs",
        f"bare loop: {bare / count * 1e6:.0f} µs",
        extra <= CPU_US_MAX,
    )


def fsyncs() -> Iterator[Row]:
    """fsync and fdatasync calls per step, counted by strace."""
    for name, bar in (("many", 1), ("many_strict", 2)):
        counted = _syncs(name, 300) - _syncs(name, 100)
        per_step = counted / 200
        yield Row(
            f"fsyncs per {'plain' if bar == 1 else 'once'} step",
            str(bar),
            f"{per_step:.2f}",
            "strace",
            round(per_step, 2) == bar,
        )


def _ours(place: Path, count: int, clock: str) -> float:
    store = place / "holdfast"
    shutil.rmtree(store, ignore_errors=True)
    outcome = run(many, {"count": count, "clock": clock}, store=str(store / "a.db"))
    assert outcome.status == "succeeded", outcome
    return float(outcome.result)


def _bare(place: Path, clock: str) -> float:
    """The very rows that the last run of ours wrote, the first of each step without a sync and
    the second with one.

    What the loop does not do is ours to pay for: the lock that keeps a checkpoint away from the
    commits of other processes, the check that the run is still ours, and making the rows.
    """
    pairs = _pairs(place / "holdfast" / "a.db")
    path = place / "bare.db"
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.execute(
        "create table fact (id integer primary key, epoch integer not null, kind text not null, "
        "body text not null, chain blob not null)"
    )
    insert = "insert into fact values (?, ?, ?, ?, ?)"
    begin = CLOCKS[clock]()
    for started, succeeded in pairs:
        db.execute("pragma synchronous=normal")
        db.execute("begin immediate")
        db.execute(insert, started)
        db.execute("commit")
        db.execute("pragma synchronous=full")
        db.execute("begin immediate")
        db.execute(insert, succeeded)
        db.execute("commit")
    taken = CLOCKS[clock]() - begin
    db.close()
    return taken


def _pairs(store: Path) -> list[tuple[Any, Any]]:
    db = sqlite3.connect(store)
    found = db.execute(
        "select id, epoch, kind, body, chain from fact "
        "where kind in ('StepStarted', 'StepSucceeded') order by id"
    ).fetchall()
    db.close()
    return list(zip(found[::2], found[1::2], strict=True))


def _syncs(name: str, count: int) -> int:
    with folder() as place:
        log = place / "strace"
        code = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import steps; "
            f"from holdfast import run; "
            f"run(steps.{name}, {{'count': {count}}}, store={str(place / 'a.db')!r})"
        )
        subprocess.run(
            ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(log), sys.executable, "-c",
             code],
            check=True,
        )  # fmt: skip
        return len(re.findall(r"f(?:data)?sync\(", log.read_text()))
