"""A recorded value that can be read no more: the script takes no other way for want of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.shell import Shell

SCRIPT = """
import asyncio
from dataclasses import dataclass
from pathlib import Path
from holdfast import aio, each, step, workflow

HERE = Path(__file__).parent

@dataclass
class Found:
    text: str

def find():
    return Found("x" * 100_000)

found = step(find)

@step
def guess():
    (HERE / "guessed").touch()

@step
def fix():
    if not (HERE / "fixed").exists():
        raise ValueError("not fixed")

@workflow
def careless():
    try:
        size = len(found().text)
    except Exception:
        size = guess()
    fix()
    return size

@workflow
def inner():
    return found()

@workflow
def nesting():
    try:
        size = len(inner().text)
    except Exception:
        size = guess()
    fix()
    return size

@workflow
def batched():
    batch = each([1], lambda number: "x" * 100_000, name="read", keep=True)
    try:
        size = sum(len(text) for _, text in batch.results())
    except Exception:
        size = guess()
    fix()
    return size

@aio.step
async def afind():
    return find()

@aio.step
async def afix():
    fix.function()

@aio.workflow
async def awaiting():
    try:
        size = len((await afind()).text)
    except Exception:
        (HERE / "guessed").touch()
        size = 0
    await afix()
    return size
"""
RECORDS = ("careless", "nesting", "awaiting")
"""The workflows whose way depends on a value that is of a class."""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def begun(shell: Shell, name: str) -> None:
    said = shell("run", f"script.py:{name}", "--id", "r")
    assert (1, True) == (said.code, "not fixed" in said.err), said
    (shell.folder / "fixed").touch()


def edited(shell: Shell, old: str, new: str) -> None:
    script = shell.folder / "script.py"
    text = script.read_text()
    assert old in text
    script.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", [*RECORDS, "batched"])
def test_no_other_way_is_taken_for_a_value_that_is_lost(shell: Shell, name: str) -> None:
    """Exit 74, whatever the script catches, and it goes on once the file is back."""
    begun(shell, name)
    spilled = [path for path in Path(f"{shell.store}.spill").rglob("*") if path.is_file()]
    kept = {path: path.read_bytes() for path in spilled}
    for path in spilled:
        path.unlink()

    refused = shell("resume", "r")
    for path, content in kept.items():
        path.write_bytes(content)

    assert (74, True) == (refused.code, "is gone" in refused.err), refused
    assert "100000" == shell("resume", "r").out.strip()
    assert not (shell.folder / "guessed").exists()


def test_what_is_lost_for_good_is_made_again(shell: Shell) -> None:
    """The refusal says how, and it goes on from there."""
    begun(shell, "careless")
    for path in Path(f"{shell.store}.spill").rglob("*"):
        if path.is_file():
            path.unlink()

    refused, why = shell("resume", "r"), shell("why", "r")
    again = "holdfast rewind r --to find"

    assert 74 == refused.code and again in refused.err
    assert "r has failed" in why.out and again in " ".join(why.out.split())
    assert 0 == shell(*again.split()[1:]).code
    assert "100000" == shell("resume", "r").out.strip()


@pytest.mark.parametrize("name", RECORDS)
def test_no_other_way_is_taken_for_a_class_that_is_gone(shell: Shell, name: str) -> None:
    """Exit 2 with the line of the script, and it goes on once the class is there again."""
    begun(shell, name)
    edited(shell, "Found", "Seen")

    refused = shell("resume", "r")
    edited(shell, "Seen", "Found")

    assert (2, True) == (refused.code, "cannot read back a script:Found" in refused.err), refused
    assert f"{shell.folder}/script.py:" in refused.err
    assert "100000" == shell("resume", "r").out.strip()
    assert not (shell.folder / "guessed").exists()


def test_a_rollback_goes_on_without_it(shell: Shell) -> None:
    """What the walk of the script did not reach is asked about, as after any edit."""
    begun(shell, "careless")
    edited(shell, "Found", "Seen")

    said = shell("rollback", "r")

    assert "could be walked only so far: cannot read back a script:Found" in said.err
    assert "rolled back" in said.err
    assert not (shell.folder / "guessed").exists()
