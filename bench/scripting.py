"""A step of a shell script: a whole process, beside a bare python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from figure import Row, folder

ROUNDS = 15
STEP_MS_MAX = 100.0
DONE = 1_000
DONE_MS_MAX = 60.0
"""What so many finished steps may cost the next one: it folds their journal."""

_HERE = Path(__file__).resolve()


def scripting() -> Iterator[Row]:
    """In one shell, in turn with a bare python; bytecode is compiled by the first round."""
    with folder() as place:
        step, bare = _measured(place / "few", 0)
        after, _ = _measured(place / "many", DONE)
    yield Row(
        "holdfast step x -- true",
        f"≤ {STEP_MS_MAX:.0f} ms",
        f"{step:.0f} ms",
        f"bare python: {bare:.0f} ms, {step / bare:.1f} times that",
        step <= STEP_MS_MAX,
    )
    yield Row(
        f"the same after {DONE:,} done steps, more",
        f"≤ {DONE_MS_MAX:.0f} ms",
        f"{after - step:.0f} ms",
        f"{step:.0f} ms without them",
        after - step <= DONE_MS_MAX,
    )


def _measured(place: Path, done: int) -> tuple[float, float]:
    """Return the milliseconds of a step and of a bare python, medians, with so many done before."""
    place.mkdir()
    command = place / "holdfast"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m holdfast "$@"\n')
    command.chmod(0o755)
    script = f'eval "$(holdfast begin bench)"; exec "{sys.executable}" "{_HERE}" {done}'
    env = {
        **os.environ, "PATH": f"{place}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "",
        "HOLDFAST_STORE": str(place / "store.db"),
    }  # fmt: skip
    found = subprocess.run(
        ["sh", "-c", script], env=env, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    step, bare = json.loads(found.stdout)
    return step * 1e3, bare * 1e3


def _within(done: int) -> None:
    """Measure in the life that the shell, which is this process now, owns."""
    from figure import in_turn
    from starting import _BARE, _timed

    if done:
        _pretend(done)
    step = [sys.executable, "-m", "holdfast", "step"]
    numbers = iter(range(10 * ROUNDS))
    _timed([*step, "first", "--", "true"])
    ours, bare, _ = in_turn(
        lambda: _timed([*step, f"step {next(numbers)}", "--", "true"]),
        lambda: _timed(_BARE),
        ROUNDS,
    )
    print(json.dumps([ours, bare]))


def _pretend(done: int) -> None:
    """Append what so many steps leave behind, without running them."""
    from holdfast.model.facts import Commands, Fact, PlaceReached, StepStarted, StepSucceeded
    from holdfast.runtime.clock import SystemClock
    from holdfast.runtime.journal import Journal
    from holdfast.runtime.ownership import this_process
    from holdfast.wiring import open_store

    store, by, clock = open_store(), this_process(), SystemClock()
    journal = Journal(store, os.environ["HOLDFAST_RUN"], int(os.environ["HOLDFAST_LIFE"]))
    journal.refresh()
    facts: list[Fact] = []
    for number in range(done):
        key, at = f"done {number}", clock.now()
        facts += [
            PlaceReached(at, key, "step", by),
            StepStarted(at, key, 1, key, "inputs", "true", commands=Commands(("true",), "/tmp")),
            StepSucceeded(at, key, "a line of output\n"),
        ]
    journal.append(facts)
    store.close()


if __name__ == "__main__":
    _within(int(sys.argv[1]))
