"""Hammer a store the way that makes SQLite before 3.51.3 lose commits, through our lock.

    python tests/soak/walreset.py --seconds 60 [--directory DIR] [--unguarded]

Two processes append as fast as they can, three run checkpoints all the time, and one opens and
closes the store again and again. At the end every acknowledged fact must be there, each chain
whole and the database sound. With `--unguarded` the lock does nothing, which shows that the
hammer hits: there, loss and corruption are expected within a minute or two.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sqlite3
import sys
import tempfile
import time
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path

from holdfast.errors import HoldfastError
from holdfast.model.facts import StepSucceeded
from holdfast.stores import sqlite_health
from holdfast.stores.lockfile import LockFile
from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite_schema import connect
from holdfast.testing.samples import AT, life_started, run_created

WRITERS, CHECKPOINTERS = 2, 3
SIZES = (10, 200, 3000)

Result = tuple[str, int, str]


def open_store(path: Path, guarded: bool) -> SqliteStore:
    store = SqliteStore(path)
    lock = store._database.lock
    if not guarded and lock is not None:
        lock.acquire = lock.release = lambda: None  # type: ignore[method-assign,assignment]
    return store


def write(path: Path, run: str, guarded: bool, over: Event, told: SimpleQueue[Result]) -> None:
    """Append until told to stop; say how far the store acknowledged."""
    store, dice = open_store(path, guarded), random.Random(run)
    seq, wrong = 2, ""
    while not over.is_set() and not wrong:
        fact = StepSucceeded(AT, "k", "x" * dice.choice(SIZES))
        try:
            seq = store.append(run, [fact], after=seq, epoch=1, durable=False).seq
        except HoldfastError as problem:
            wrong = "" if "nothing was written" in str(problem) else str(problem)
    told.put((run, seq, wrong))


def checkpoint(path: Path, guarded: bool, over: Event) -> None:
    """Move the log into the database, again and again."""
    connection, lock = connect(path, "rw"), LockFile(path.with_name(path.name + ".lock"))
    while not over.is_set():
        if guarded:
            lock.acquire()
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as problem:
            if "locked" not in str(problem):
                return
        finally:
            if guarded:
                lock.release()


def reopen(path: Path, guarded: bool, over: Event) -> None:
    """Open, read and close, again and again."""
    while not over.is_set():
        try:
            store = open_store(path, guarded)
            store.rows()
            store.close()
        except HoldfastError:
            if guarded:
                raise


def judge(path: Path, told: list[Result]) -> list[str]:
    """Return what is wrong with the store; nothing, if all is well."""
    health = sqlite_health.inspect(path)
    wrong = [*health.integrity, *(f"{run}: {why}" for run, why in health.broken_chains)]
    for run, seq, error in told:
        if error:
            wrong.append(f"writer {run}: {error}")
        if not health.integrity and not health.broken_chains:
            store = SqliteStore(path, read_only=True)
            found = sum(1 for _ in store.read(run))
            store.close()
            if found < seq:
                wrong.append(f"run {run}: {seq} facts acknowledged, {found} found")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--directory", default="/dev/shm" if Path("/dev/shm").is_dir() else None)
    parser.add_argument("--unguarded", action="store_true")
    options = parser.parse_args()
    guarded = not options.unguarded
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        path, runs = Path(folder) / "s.db", [f"run-{n}" for n in range(WRITERS)]
        store = SqliteStore(path)
        for run in runs:
            store.create(run, run_created())
            store.claim(run, life_started(1), after=1, expected_epoch=0)
        over, told = spawn.Event(), spawn.SimpleQueue()
        processes = [
            *(spawn.Process(target=write, args=(path, run, guarded, over, told)) for run in runs),
            *(
                spawn.Process(target=checkpoint, args=(path, guarded, over))
                for _ in range(CHECKPOINTERS)
            ),
            spawn.Process(target=reopen, args=(path, guarded, over)),
        ]
        for process in processes:
            process.start()
        begun = time.monotonic()
        processes[0].join(options.seconds)
        over.set()
        results = [told.get() for _ in runs]
        for process in processes:
            process.join()
        store.close()
        wrong = judge(path, results)
        facts = sum(seq for _, seq, _ in results)
        print(
            f"SQLite {sqlite3.sqlite_version}, lock {'held' if guarded else 'ignored'}, "
            f"{time.monotonic() - begun:.0f} s: {facts} facts acknowledged; "
            + ("all there, sound" if not wrong else "; ".join(wrong)[:500])
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
