"""A process that appends to a store and says, line by line, what was acknowledged.

    python appender.py STORE RUN COUNT [--pattern step|durable|quick|control] [--size BYTES]

Takes the run up under the next epoch, prints "ready EPOCH", and then the number of each fact
once the store has it. Ends like holdfast: with the exit code of the error, said on stderr.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from holdfast.errors import HoldfastError
from holdfast.model.facts import (
    Fact,
    LifeStarted,
    Owner,
    RunCreated,
    StepStarted,
    StepSucceeded,
    StopRequested,
    Who,
)
from holdfast.stores.sqlite import SqliteStore

AT = datetime(2026, 11, 21, tzinfo=UTC)
WHO = Who("user", "host")


def take(store: SqliteStore, run: str) -> tuple[int, int]:
    """Become the owner; return the epoch and the end of the journal."""
    store.create(run, RunCreated(AT, "w", "w.py", {}, "", WHO))
    while True:
        row = store.row(run)
        assert row is not None
        end = sum(1 for _ in store.read(run))
        life = LifeStarted(AT, row.epoch + 1, Owner("host", 1, "", "", "user"), WHO, "0")
        seq = store.claim(run, life, after=end, expected_epoch=row.epoch)
        if seq is not None:
            return life.epoch, seq


def own(store: SqliteStore, run: str, count: int, pattern: str, size: int) -> None:
    """Append as the owner."""
    epoch, seq = take(store, run)
    print("ready", epoch, flush=True)
    for n in range(count):
        started = StepStarted(AT, f"step {n}", epoch)
        succeeded = StepSucceeded(AT, f"step {n}", "x" * size + str(n))
        steps: list[tuple[Fact, bool]] = [(succeeded, pattern != "quick")]
        if pattern == "step":
            steps.insert(0, (started, False))
        for fact, durable in steps:
            seq = store.append(run, [fact], after=seq, epoch=epoch, durable=durable).seq
            print(seq, flush=True)


def control(store: SqliteStore, run: str, count: int) -> None:
    """Append control facts to somebody else's run, looking again as often as it takes."""
    print("ready", flush=True)
    seq = 0
    for _ in range(count):
        while True:
            done = store.append(run, [StopRequested(AT, WHO)], after=seq, epoch=None)
            seq = done.seq
            if done.written:
                break
        print(seq, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("run")
    parser.add_argument("count", type=int)
    parser.add_argument("--pattern", default="step")
    parser.add_argument("--size", type=int, default=10)
    options = parser.parse_args()
    try:
        store = SqliteStore(options.store)
        if options.pattern == "control":
            control(store, options.run, options.count)
        else:
            own(store, options.run, options.count, options.pattern, options.size)
        store.close()
    except HoldfastError as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
