"""Play seeds of the simulator: `python3 dev sim [N] [--from SEED]`.

A failing seed is printed with what it broke and the command that plays it alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from holdfast.testing.simulate import play

SEEDS_PER_TASK = 25
BROKEN_SHOWN_MAX = 5
TEXT_CHARS_MAX = 500


def play_all(seeds: Iterable[int]) -> dict[int, list[str]]:
    """Play seeds and return what each that failed has broken."""
    broken = {}
    for seed in seeds:
        try:
            found = play(seed)
        except Exception as error:
            found = [f"{type(error).__name__}: {error}"]
        if found:
            broken[seed] = found
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=1_000, metavar="N")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="SEED")
    options = parser.parse_args()
    begun, end = time.monotonic(), options.first + options.count
    tasks = [
        range(at, min(at + SEEDS_PER_TASK, end)) for at in range(options.first, end, SEEDS_PER_TASK)
    ]
    failed = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for broken in pool.map(play_all, tasks):
            for seed, found in broken.items():
                failed += 1
                print(f"seed {seed}: play it with: python3 dev sim 1 --from {seed}")
                for text in found[:BROKEN_SHOWN_MAX]:
                    print(f"  {text[:TEXT_CHARS_MAX]}", flush=True)
    spent = time.monotonic() - begun
    print(f"{options.count} seeds from {options.first}: {failed} failed, {spent:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
