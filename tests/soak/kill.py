"""Kill real processes and fail real disks for a while: `python3 dev kill [--minutes M]`.

Three things in turn, each on dice of its own. Workflows of tests/crash/scripts run to their end
under random SIGKILL, SIGTERM, SIGSTOP and SIGCONT, failing syncs and full disks; what really
happened, in a file that each effect is written to, is compared with what the journal says. Then
some of the tests that strike: every example, batches, rollbacks, shell scripts. And the hammer
that makes SQLite lose commits where nothing guards it. The last line tells it all; any violation
fails, and says with which seed it is played again.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.killing import Tally, fail_until_done, kill_until_done
from tests.crash.lives import Site
from tests.soak import etcd

ROOT = Path(__file__).parent.parent.parent
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
WORKFLOWS_PER_ROUND, TESTS_PER_ROUND, HAMMER_S = 6, 12, 10


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
    tests: int = 0
    hammered_s: int = 0
    blows: Counter[str] = field(default_factory=Counter)

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

    @property
    def is_clean(self) -> bool:
        return not (self.violations or self.repeated or self.lost or self.corrupt)

    def lines(self) -> str:
        blows = ", ".join(f"{count} {name}" for name, count in self.blows.most_common())
        return (
            f"{self.runs} workflows: {self.kills} kills, {self.resumes} resumes, "
            f"{self.decisions} decisions, {self.in_hand} repeats of the step in hand, "
            f"{self.repeated} finished steps repeated, {self.lost} items lost, "
            f"{self.corrupt} corrupt stores\n"
            f"{self.tests} tests of examples, batches, rollbacks and shell scripts, "
            f"{self.hammered_s} s of the hammer\n"
            f"blows in all: {blows}\n{self.violations} violations"
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


def play_workflows(total: Total, seed: str) -> None:
    for number in range(WORKFLOWS_PER_ROUND):
        with tempfile.TemporaryDirectory() as folder:
            tally, corrupt = play(Path(folder), f"{seed}.{number}")
        total.add(tally, corrupt)
        for text in tally.wrong:
            print(text, flush=True)


def striking_tests() -> list[str]:
    """Return the names of all tests that strike real processes."""
    # As in the soak: how often a test strikes is in its name.
    said = _pytest("--collect-only", "-q", "-m", "kills", "tests", SOAK_SEED="names").stdout
    found = sorted(line for line in said.splitlines() if "::" in line)
    assert found, said
    return found


def play_tests(total: Total, names: list[str], seed: str) -> None:
    """Play some tests with the dice of `seed`; a failed one is printed and counts."""
    chosen = random.Random(seed).sample(names, TESTS_PER_ROUND)
    done = _pytest("-q", "-n", "2", "-p", "no:cacheprovider", *chosen, SOAK_SEED=seed)
    total.tests += len(chosen)
    if done.returncode:
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        total.violations += max(1, len(failed))
        print(f"{done.stdout}\nplay it with: SOAK_SEED={seed} pytest ...", flush=True)


def hammer(total: Total) -> None:
    """Append, checkpoint, open and close at once from many processes."""
    command = [sys.executable, "tests/soak/walreset.py", "--seconds", str(HAMMER_S)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    total.hammered_s += HAMMER_S
    if done.returncode:
        total.corrupt += 1
        print(done.stdout, done.stderr, flush=True)


def _pytest(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", *words]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.0, help="at least this long")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--etcd", action="store_true", help="kill one upgrade of a real cluster")
    options = parser.parse_args()
    if options.etcd:
        return etcd.sweep()
    total, begun, number, names = Total(), time.monotonic(), 0, striking_tests()
    print(f"seed {options.seed}", flush=True)
    with tempfile.NamedTemporaryFile("r") as blows:
        os.environ["SOAK_BLOWS"] = blows.name
        while total.kills < KILLS_LEAST or time.monotonic() - begun < options.minutes * 60:
            seed = f"{options.seed}.{number}"
            number += 1
            play_workflows(total, seed)
            play_tests(total, names, seed)
            hammer(total)
            total.blows = Counter(Path(blows.name).read_text().splitlines())
            print(f"{time.monotonic() - begun:.0f} s\n{total.lines()}", flush=True)
    spent = time.monotonic() - begun
    print(f"seed {options.seed}, {spent:.0f} s\n{total.lines()}")
    return 0 if total.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
