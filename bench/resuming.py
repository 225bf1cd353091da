"""Resume after a kill: from the start of the process to the first new step."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from figure import Row, folder

SIZES = {10_000: 0.3, 100_000: 2.0}
ROUNDS = 5
SCRIPT = """
import os, sys, time
from holdfast import run, step, workflow

@step
def touch(number: int) -> int:
    if number == LAST:
        born = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19])
        taken = time.clock_gettime(time.CLOCK_BOOTTIME) - born / os.sysconf("SC_CLK_TCK")
        os.write(1, str(taken).encode())  # print would go to the step's log
        os._exit(9)
    return number

@workflow
def many():
    for number in range(LAST + 1):
        touch(number)

LAST = int(sys.argv[2])
run(many, id="bench", store=sys.argv[1])
"""


BARE = """
import hashlib, json, os, sqlite3, sys, time

chain, steps, seen = b"", {}, 0
connection = sqlite3.connect(sys.argv[1])
rows = connection.execute("SELECT id, epoch, kind, body, chain FROM fact ORDER BY id")
while page := rows.fetchmany(1000):
    for _, _, kind, body, link in page:
        digest = hashlib.blake2b(chain + (kind + body).encode(), digest_size=16).digest()
        seen += digest == link  # From another beginning: what counts is that it is computed.
        chain = link
        fact = json.loads(body)
        steps.setdefault(fact.get("key"), {}).update(fact)
born = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19])
taken = time.clock_gettime(time.CLOCK_BOOTTIME) - born / os.sysconf("SC_CLK_TCK")
os.write(1, str(taken).encode())
os._exit(9)
"""
"""Reads, checks and parses the same rows, and decides nothing: what no resume can do without."""


def resume() -> Iterator[Row]:
    """A run of so many finished steps, killed inside the next, taken up again."""
    for size, bar in SIZES.items():
        taken, bare = _resumed(size)
        yield Row(
            f"resume to the first new step, {size:,} done",
            f"< {bar:g} s",
            f"{taken:.2f} s",
            f"process start to step; reading, checking and parsing the rows alone: {bare:.2f} s",
            taken < bar,
        )


def _resumed(size: int) -> tuple[float, float]:
    """Return the median seconds of a resume, and of the bare loop over the same journal."""
    with folder("/dev/shm") as place:
        script, bare = place / "script.py", place / "bare.py"
        script.write_text(SCRIPT)
        bare.write_text(BARE)
        made = place / "made"
        _life(script, made / "a.db", size)
        taken = [
            (_once(script, made, place / "copy", size), _once(bare, made, place / "copy", size))
            for _ in range(ROUNDS)
        ]
    ours, bares = zip(*taken, strict=True)
    return statistics.median(ours), statistics.median(bares)


def _once(script: Path, made: Path, copy: Path, size: int) -> float:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(made, copy)
    return float(_life(script, copy / "a.db", size))


def _life(script: Path, store: Path, last: int) -> str:
    done = subprocess.run(
        [sys.executable, str(script), str(store), str(last)],
        stdout=subprocess.PIPE, text=True, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )  # fmt: skip
    assert done.returncode == 9, done
    return done.stdout
