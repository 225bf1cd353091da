"""Batches of trivial items, beside a bare loop and a loop that commits each item."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figure import Row, folder, in_turn

from holdfast import each, run, workflow

ROUNDS = 5
DEFAULT_MIN, CHUNKED_MIN, KEYED_MIN = 25_000, 200_000, 10_000
RSS_MB_MAX = 150
RESUME_S_MAX = 1.0


def nothing(item: object) -> None:
    """The cheapest item there is: what is left is holdfast."""


def first_new(item: object) -> None:
    """Say how old this process is, and end it."""
    born = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - born / os.sysconf("SC_CLK_TCK")
    os.write(1, str(age).encode())  # print would go to the item's log
    os._exit(0)


@workflow
def trivial(count: int, keys: str = "position", chunk: int = 1, stop: int | None = None) -> float:
    """So many items by one worker; how long they took."""
    begin = time.perf_counter()
    each(
        range(count),
        nothing,
        name="nothing",
        key="position" if keys == "position" else None,
        chunk=chunk,
        stop_after=stop,
    )
    return time.perf_counter() - begin


def items_per_second() -> Iterator[Row]:
    """Throughput on the disk, each beside what a loop that commits each item does there."""
    yield _rate('`each`, one worker, `key="position"`', 50_000, DEFAULT_MIN)
    yield _rate("`each`, the same with `chunk=100`", 500_000, CHUNKED_MIN, chunk=100)
    yield _rate("`each`, other keys", 30_000, KEYED_MIN, keys="keys")


def _rate(name: str, count: int, bar: int, **options: Any) -> Row:
    with folder() as place:
        ours, bare, _ = in_turn(
            lambda: _ours(place, count, **options) / count,
            lambda: _committing(place, 5_000) / 5_000,
            ROUNDS,
        )
    return Row(
        name,
        f"≥ {bar:,} items/s",
        f"{1 / ours:,.0f} items/s",
        f"bare sqlite3 loop, a row and a commit each (NORMAL): {1 / bare:,.0f}/s",
        1 / ours >= bar,
    )


def _ours(place: Path, count: int, **options: Any) -> float:
    store = place / "holdfast"
    shutil.rmtree(store, ignore_errors=True)
    outcome = run(trivial, {"count": count, **options}, store=str(store / "a.db"))
    assert outcome.status == "succeeded", outcome
    return float(outcome.result)


def _committing(place: Path, count: int) -> float:
    path = place / "bare.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE item (ordinal INTEGER PRIMARY KEY, state TEXT)")
    begin = time.perf_counter()
    for ordinal in range(count):
        nothing(ordinal)
        connection.execute("INSERT INTO item VALUES (?, 'done')", (ordinal,))
    took = time.perf_counter() - begin
    connection.close()
    return took


def memory() -> Iterator[Row]:
    """Peak memory of a million items, in a process of its own."""
    for keys in ("position", "keys"):
        with folder() as place:
            mb = int(_child("peak", str(place / "a.db"), keys)) // 1024
        yield Row(
            f"1,000,000 items, {'by position' if keys == 'position' else 'by key'}: peak memory",
            f"< {RSS_MB_MAX} MB",
            f"{mb} MB",
            "the whole process",
            mb < RSS_MB_MAX,
        )


def resuming_many() -> Iterator[Row]:
    """From a batch's taking up to its first new item, with ten million done."""
    done = 10_000_000
    with folder() as place:
        url = str(place / "a.db")
        made = run(
            trivial, {"count": done + 1_000, "chunk": 10_000, "stop": done}, store=url, id="r"
        )
        assert made.exit_code == 75, made
        seconds = min(float(_child("resume", url, str(done))) for _ in range(3))
    yield Row(
        'resume of 10,000,000 done items, `key="position"`',
        f"< {RESUME_S_MAX:g} s",
        f"{seconds:.2f} s",
        "process start to the first new item",
        seconds < RESUME_S_MAX,
    )


def _child(*words: str) -> str:
    command = [sys.executable, __file__, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _peak(url: str, keys: str) -> None:
    outcome = run(trivial, {"count": 1_000_000, "keys": keys, "chunk": 100}, store=url)
    assert outcome.status == "succeeded", outcome
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _resume(url: str, done: str) -> None:
    params = {"count": int(done) + 1_000, "chunk": 10_000, "stop": int(done)}
    globals()["nothing"] = first_new
    run(trivial, params, store=url, id="r")


if __name__ == "__main__":
    {"peak": _peak, "resume": _resume}[sys.argv[1]](*sys.argv[2:])
