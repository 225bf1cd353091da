"""What a step of a shell script costs, beside a bare python that is started in turn with it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.acceptance.shells import Script

ROUNDS = 8
RATIO_MAX = 10.0
"""A step is a process that reads a journal, starts a watchdog and a command, and makes three facts
durable. Measured 7.5 times; the bar of 100 ms is kept in `bench/`, on a quiet machine."""
TIMES = """
import os, resource, subprocess, sys

def spent_s(*words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

def step(name):
    return spent_s(sys.executable, "-m", "holdfast", "step", name, "--", "true")

step("first")
bare = lambda: spent_s(sys.executable, "-c", "pass")
pairs = [(step(f"step {n}"), bare()) for n in range(int(sys.argv[1]))]
ours, least = (min(side) for side in zip(*pairs))
print(ours / least)
"""


def test_a_step_costs_a_few_times_a_bare_python(tmp_path: Path) -> None:
    """In processor time, the best of several in turn: what else the machine does is not counted,
    and slows both."""
    (tmp_path / "times.py").write_text(TIMES)
    begin = f'eval "$(holdfast begin x)"\nexec "{sys.executable}" times.py {ROUNDS}\n'
    ran = Script(tmp_path, begin).run("sh")

    assert 0 == ran.code, ran
    assert float(ran.text) < RATIO_MAX


def test_a_step_loads_few_of_our_modules(tmp_path: Path) -> None:
    """Each costs its part of the 100 ms; what a step does not need is not loaded."""
    script = Script(tmp_path, f'eval "$(holdfast begin x)"\n"{sys.executable}" -X importtime -m '
                              "holdfast step a -- true 2>imports\n")  # fmt: skip
    script.run("sh")
    lines = (tmp_path / "imports").read_text().splitlines()
    ours = [line for line in lines if "holdfast" in line.rpartition("|")[2]]

    assert 50 < len(ours) < 125
