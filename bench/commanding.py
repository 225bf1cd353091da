"""`holdfast each` beside GNU parallel and xargs, in one run: jobs a second of `true`."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from figure import Row, folder

ROUNDS = 5
JOBS, JOBS_OF_PARALLEL = 2_000, 400
"""Parallel is slower: so many take about as long, and its start counts for as little."""
RATIO_MIN = 3.0


def commanding() -> Iterator[Row]:
    """In turn; the ratio is that of each round, and its median counts."""
    measure = f"holdfast each -j2 -- true, over parallel -j2 --joblog ({JOBS:,} jobs)"
    bar = f"≥ {RATIO_MIN:.0f} ×"
    missing = [name for name in ("parallel", "xargs") if shutil.which(name) is None]
    if missing:
        reason = f"{' and '.join(missing)} not installed: not measured"
        yield Row(measure, bar, "skipped", reason, True)
        return
    with folder() as place:
        rounds = [_round(place, number) for number in range(ROUNDS)]
    ours, parallel, xargs = (statistics.median(side) for side in zip(*rounds, strict=True))
    ratio = statistics.median(a / b for a, b, _ in rounds)
    beside = statistics.median(a / c for a, _, c in rounds)
    yield Row(
        measure,
        bar,
        f"{ratio:.1f} ×",
        f"{ours:.0f} jobs/s; parallel: {parallel:.0f}, xargs -P2, which keeps nothing: {xargs:.0f} "
        f"({beside:.2f} ×)",
        ratio >= RATIO_MIN,
    )


def _round(place: Path, number: int) -> tuple[float, float, float]:
    """Return the jobs a second of all three, each with its start and its end."""
    items, few = place / "items", place / "few"
    for path, jobs in ((items, JOBS), (few, JOBS_OF_PARALLEL)):
        path.write_text("".join(f"{n}\n" for n in range(jobs)))
    each = [sys.executable, "-m", "holdfast", "each", f"bench {next(_NAMES)}"]
    return (
        _per_second(JOBS, place, [*each, "--items", str(items), "-j", "2", "--", "true"], None),
        _per_second(
            JOBS_OF_PARALLEL, place,
            ["parallel", "-j2", "--joblog", str(place / f"log-{number}"), "true"], few,
        ),
        _per_second(JOBS, place, ["xargs", "-P2", "-n1", "true"], items),
    )  # fmt: skip


_NAMES = count()


def _per_second(jobs: int, place: Path, command: list[str], items: Path | None) -> float:
    env = {
        **os.environ, "PYTHONDONTWRITEBYTECODE": "", "HOLDFAST_STORE": str(place / "store.db"),
        "PARALLEL_HOME": str(place),
    }  # fmt: skip
    begin = time.perf_counter()
    with open(os.devnull if items is None else items) as given:
        subprocess.run(
            command, check=True, stdin=given, env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return jobs / (time.perf_counter() - begin)


if __name__ == "__main__":
    print(*commanding(), sep="\n")
