"""Kill real processes and fail real disks for a while: `python3 dev kill [--minutes M]`.

Workflows of tests/crash/scripts run to their end under random SIGKILL, SIGTERM, SIGSTOP and
SIGCONT, failing syncs and full disks. What really happened, in a file that each effect is
written to, is compared with what the journal says. One line tells it all; any violation fails.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.crash.killing import Tally, fail_until_done, kill_until_done
from tests.crash.lives import Site
from tests.soak import etcd

WORKFLOWS = (
    ("steps:sequence", 200, 1),
    ("steps:branches", 80, 2),
    ("steps:children", 40, 1),
    ("steps:cursors", 300, 1),
    ("steps:retries", 25, 1),
    ("awaited:tasks", 60, 2),
)
"""Each with its number of steps, and how many of them may be in hand at once."""
KILLS_PER_RUN = 20
KILLS_LEAST = 200


@dataclass(slots=True)
class Total:
    """What all runs together came to."""

    runs: int = 0
    kills: int = 0
    resumes: int = 0
    decisions: int = 0
    in_hand: int = 0
    repeated: int = 0
    lost: int = 0
    corrupt: int = 0
    violations: int = 0

    def add(self, tally: Tally, corrupt: int) -> None:
        excused = sum(tally.allowed.values())
        self.runs += 1
        self.kills += tally.kills
        self.resumes += tally.lives - 1
        self.decisions += tally.decisions
        self.in_hand += min(tally.repeated, excused)
        self.repeated += max(0, tally.repeated - excused)
        self.lost += tally.lost
        self.corrupt += bool(corrupt)
        self.violations += len(tally.wrong)

    def line(self) -> str:
        return (
            f"{self.kills} kills, {self.runs} runs, {self.resumes} resumes, "
            f"{self.decisions} decisions, {self.in_hand} repeats of the step in hand, "
            f"{self.repeated} finished steps repeated, {self.lost} items lost, "
            f"{self.corrupt} corrupt stores, {self.violations} violations"
        )


def play(folder: Path, seed: str) -> tuple[Tally, int]:
    """Play one run; return what happened, and what is wrong with its store."""
    dice, site = random.Random(seed), Site(folder)
    workflow, steps, in_hand = dice.choice(WORKFLOWS)
    if dice.random() < 0.25 and shutil.which("strace"):
        tally = fail_until_done(site, "steps:sequence", steps=12, seed=seed)
    else:
        blows = dice.choice((("kill",), ("kill",), ("kill", "term", "twice", "stop")))
        tally = kill_until_done(
            site, workflow, steps=steps, kills=KILLS_PER_RUN, seed=seed, in_hand_most=in_hand,
            blows=blows,
        )  # fmt: skip
    return tally, len(site.wrong())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.0, help="at least this long")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--etcd", action="store_true", help="kill one upgrade of a real cluster")
    options = parser.parse_args()
    if options.etcd:
        return etcd.sweep()
    total, begun, number = Total(), time.monotonic(), 0
    while total.kills < KILLS_LEAST or time.monotonic() - begun < options.minutes * 60:
        seed = f"{options.seed}.{number}"
        number += 1
        with tempfile.TemporaryDirectory() as folder:
            tally, corrupt = play(Path(folder), seed)
        total.add(tally, corrupt)
        for text in tally.wrong:
            print(text, flush=True)
    spent = time.monotonic() - begun
    print(f"seed {options.seed}, {spent:.0f} s: {total.line()}")
    return 1 if total.violations or total.repeated or total.lost or total.corrupt else 0


if __name__ == "__main__":
    sys.exit(main())
