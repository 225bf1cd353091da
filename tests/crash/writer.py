"""A process that writes results and says which are safe, until it is killed.

    python writer.py MODE KIND FOLDER

Alone, a value counts when `write` has returned. As a batch, groups of values count when their
length was committed, which here is a small file that is synced and renamed.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import count
from pathlib import Path

from holdfast.outputs import Csv, JsonLines

BULK = 'text, "quoted"\n' * 400
GROUP = 5
MARK = "~"


def main(mode: str, kind: str, folder: Path) -> None:
    out = (JsonLines if kind == "jsonl" else Csv)(folder / "out")
    if mode == "alone":
        alone(out)
    else:
        batch(out, folder / "committed")


def alone(out: JsonLines | Csv) -> None:
    with out:
        for n in count(values_in(Path(out.path))):
            out.write({"n": n, "text": MARK + BULK[: n * 997 % len(BULK)]})
            say(n + 1)


def batch(out: JsonLines | Csv, committed: Path) -> None:
    length, done = json.loads(committed.read_text()) if committed.exists() else (None, 0)
    length = out.open(length)
    commit(committed, length, done)
    while True:
        for n in range(done, done + GROUP):
            length = out.write({"n": n, "text": MARK + BULK[: n * 997 % len(BULK)]})
        out.sync()
        done += GROUP
        commit(committed, length, done)
        say(done)


def commit(path: Path, length: int, done: int) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        file.write(json.dumps([length, done]))
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


def values_in(path: Path) -> int:
    """Return how many values the file holds, each with one mark of its own."""
    return path.read_bytes().count(MARK.encode())


def say(done: int) -> None:
    os.write(1, b"%d\n" % done)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
