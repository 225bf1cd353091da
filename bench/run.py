"""Measure holdfast beside its baselines, in one run, and write the README's table.

    python bench/run.py            measure, print the table, keep it in bench/figures.json
    python bench/run.py --readme   and put it between the markers of README.md

Machines are shared and noisy: what counts is the ratio to a baseline that ran in turn with the
measured thing, and the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
import sys
from pathlib import Path

from batching import items_per_second, memory, resuming_many
from commanding import commanding
from resuming import resume
from scripting import scripting
from starting import start_up
from steps import fsyncs, on_disk, on_tmpfs
from storing import many_runs

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "bench" / "figures.json"
MEASURES = (
    on_disk, on_tmpfs, fsyncs, items_per_second, memory, resume, resuming_many, start_up, scripting,
    commanding, many_runs,
)  # fmt: skip
MARKS = ("<!-- figures -->", "<!-- /figures -->")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    wanted = parser.parse_args()
    rows = [row for measure in MEASURES for row in measure()]
    table = table_of(rows)
    print(table)
    machine = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    kept = {"machine": machine, "rows": [row._asdict() for row in rows]}
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n")
    if wanted.readme:
        write_into(ROOT / "README.md", table)
    missed = [row.measure for row in rows if not row.is_met]
    for measure in missed:
        print(f"bar missed: {measure}", file=sys.stderr)
    return 1 if missed else 0


def table_of(rows: list) -> str:
    lines = ["| measure | bar | measured | beside |", "|---|---|---|---|"]
    lines += [f"| {row.measure} | {row.bar} | {row.figure} | {row.beside} |" for row in rows]
    return "\n".join(lines)


def write_into(path: Path, text: str) -> None:
    whole = path.read_text()
    start, end = (whole.index(mark) for mark in MARKS)
    path.write_text(f"{whole[: start + len(MARKS[0])]}\n{text}\n{whole[end:]}")


if __name__ == "__main__":
    sys.exit(main())
