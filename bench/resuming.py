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


def resume() -> Iterator[Row]:
    """A run of so many finished steps, killed inside the next, taken up again."""
    for size, bar in SIZES.items():
        taken = _resumed(size)
        yield Row(
            f"resume to the first new step, {size:,} done",
            f"< {bar:g} s",
            f"{taken:.2f} s",
            "process start to step",
            taken < bar,
        )


def _resumed(size: int) -> float:
    with folder("/dev/shm") as place:
        script = place / "script.py"
        script.write_text(SCRIPT)
        made = place / "made"
        _life(script, made / "a.db", size)
        return statistics.median(_once(script, made, place / "copy", size) for _ in range(ROUNDS))


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
