"""What the SQLite store costs over a bare sqlite3 loop that writes the same two rows a step.

    python bench/bench_store.py [--steps 5000] [--directory /dev/shm]

Both loops write a `started` row with synchronous=NORMAL and a `succeeded` row with FULL, with
the same pragma toggles, into the same table. Run in alternation; the median counts.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from holdfast.model.facts import LifeStarted, Owner, RunCreated, StepStarted, StepSucceeded, Who
from holdfast.stores import rows
from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite_schema import SEQ_BITS, connect, prepare

AT = datetime(2026, 11, 21, tzinfo=UTC)
WHO = Who("user", "host")


def facts_of(step: int) -> tuple[StepStarted, StepSucceeded]:
    key = f"flight/node-{step}/drain node-{step}"
    started = StepStarted(
        AT, key, 1, label=f"drain node-{step}", inputs="0123456789abcdef", shown=f"node-{step}",
        code="0123456789abcdef", location="upgrade.py:31",
    )  # fmt: skip
    return started, StepSucceeded(AT, key, {"drained": step})


def bare(folder: Path, steps: int) -> float:
    """Return the seconds a bare loop takes."""
    path = folder / "bare.db"
    path.touch()
    connection = connect(path, "rw")
    prepare(connection, path)
    values = [[rows.dump(fact) for fact in facts_of(step)] for step in range(steps)]
    seq, chain = 1 << SEQ_BITS, b"0123456789abcdef"
    insert = "INSERT INTO fact (id, epoch, kind, body, chain) VALUES (?, ?, ?, ?, ?)"
    begun = time.perf_counter()
    for pair in values:
        for pragma, (kind, body) in zip(("NORMAL", "FULL"), pair, strict=True):
            connection.execute(f"PRAGMA synchronous={pragma}")
            connection.execute("BEGIN IMMEDIATE")
            seq += 1
            connection.execute(insert, (seq, 1, kind, body, chain))
            connection.execute("COMMIT")
    taken = time.perf_counter() - begun
    connection.close()
    return taken


def stored(folder: Path, steps: int) -> float:
    """Return the seconds the store takes."""
    store = SqliteStore(folder / "store.db")
    store.create("run", RunCreated(AT, "w", "w.py", {}, "", WHO))
    life = LifeStarted(AT, 1, Owner("host", 1, "", "", "user"), WHO, "0")
    seq = store.claim("run", life, after=1, expected_epoch=0)
    assert seq is not None
    facts = [facts_of(step) for step in range(steps)]
    begun = time.perf_counter()
    for started, succeeded in facts:
        seq = store.append("run", [started], after=seq, epoch=1, durable=False).seq
        seq = store.append("run", [succeeded], after=seq, epoch=1).seq
    taken = time.perf_counter() - begun
    store.close()
    return taken


def measure(directory: Path, steps: int, rounds: int) -> str:
    """Return one line about one directory."""
    times: dict[str, list[float]] = {"bare": [], "store": []}
    for _ in range(rounds):
        for name, loop in (("bare", bare), ("store", stored)):
            with tempfile.TemporaryDirectory(dir=directory) as folder:
                times[name].append(loop(Path(folder), steps) / steps * 1e6)
    least = {name: statistics.median(taken) for name, taken in times.items()}
    over = least["store"] - least["bare"]
    return (
        f"{directory}: bare {least['bare']:.1f} us/step, store {least['store']:.1f} us/step, "
        f"{least['bare'] / least['store']:.2f} x the speed, "
        f"{over / 2:+.1f} us per append (SQLite {sqlite3.sqlite_version})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, action="append")
    options = parser.parse_args()
    for directory in options.directory or [Path("/dev/shm"), Path("/var/tmp")]:
        print(measure(directory, options.steps, options.rounds), flush=True)


if __name__ == "__main__":
    main()
