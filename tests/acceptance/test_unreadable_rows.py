"""A night's ingestion with broken rows in it, by a process that is really killed."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell

SCRIPT = """
import os, signal
from pathlib import Path
from holdfast import JsonLines, csv_rows, each, workflow

KILLED = Path(__file__).parent / "killed"

def store(row):
    if row["id"] == "700" and not KILLED.exists():
        KILLED.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return row["id"]

@workflow
def ingest():
    return each(csv_rows("rows.csv"), store, out=JsonLines("stored")).done
"""
BROKEN = {400: "400", 600: '600,"x', 800: "800,a,b"}


@pytest.mark.slow
def test_broken_rows_are_named_in_the_morning_and_the_rest_is_there(tmp_path: Path) -> None:
    """Rows behind a broken one are stored in the same night, also over a kill; once the file is
    mended the same run stores what was missing, and nothing twice."""
    shell = Shell(tmp_path, SCRIPT)
    path, stored = shell.folder / "rows.csv", shell.folder / "stored"
    rows = {number: f'{number},"a"' for number in range(1_000)}

    def write(changed: dict[int, str]) -> None:
        path.write_text("\n".join(["id,text", *{**rows, **changed}.values(), ""]))

    def ids() -> list[int]:
        return sorted(int(json.loads(line)) for line in stored.read_text().splitlines())

    write(BROKEN)
    killed = shell("run", "script.py", "--id", "r")
    night = shell("resume", "r")
    failures = json.loads(shell("failures", "r", "--json").out)["items"]
    found = ids()
    write({})
    morning = shell("resume", "r")

    assert (-signal.SIGKILL, 1, 0) == (killed.code, night.code, morning.code)
    # The missing quote of one took the next line along.
    assert ["rows.csv:402", "rows.csv:602", "rows.csv:802"] == [one["key"] for one in failures]
    assert "it ends in line 603: is a quote missing?" in failures[1]["error"]
    assert [number for number in rows if number not in (*BROKEN, 601)] == found
    assert list(rows) == ids()
