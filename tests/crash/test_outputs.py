"""Results that are written while their process is killed, and while the disk is full."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.crash.lives import Site, script
from tests.crash.soaking import blows, dice_for, struck
from tests.crash.spaces import small_disk
from tests.crash.writer import BULK, MARK

from holdfast.errors import StoreError
from holdfast.outputs import Csv, JsonLines

KILLS = blows(20, 50)
LOOK_EVERY = 10
ACKS_MOST = 12
WRITER = Path(__file__).with_name("writer.py")


def killed_life(mode: str, kind: str, folder: Path, acks: int) -> int:
    """Run a writer, kill it after so many acknowledgements, return the last one it gave."""
    command = [sys.executable, str(WRITER), mode, kind, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(acks)]
        struck(signal.SIGKILL)
        process.kill()
        said += process.stdout.read().splitlines(keepends=True)
    assert process.returncode == -signal.SIGKILL
    return max((int(line) for line in said if line.endswith("\n")), default=0)


def numbers(path: Path, kind: str) -> list[int]:
    """Return the numbers of a file's values. Raises for a line that is not whole."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = map(json.loads, file) if kind == "jsonl" else csv.DictReader(file, strict=True)
        found = []
        for row in rows:
            n = int(row["n"])
            assert MARK + BULK[: n * 997 % len(BULK)] == row["text"]
            found.append(n)
        return found


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("mode", ["alone", "batch"])
def test_kills_lose_repeat_and_tear_nothing(mode: str, kind: str, tmp_path: Path) -> None:
    """20 kill -9 for each kind and mode: every acknowledged value is there once, and whole."""
    dice, safe = dice_for(mode, kind), 0
    for life in range(1, KILLS + 1):
        safe = max(safe, killed_life(mode, kind, tmp_path, dice.randrange(ACKS_MOST)))
        if mode == "alone" and safe and life % LOOK_EVERY == 0:
            with (JsonLines if kind == "jsonl" else Csv)(tmp_path / "out"):
                pass  # A kill may tear a line; opening cuts it off.
            found = numbers(tmp_path / "out", kind)
            assert list(range(len(found))) == found and len(found) >= safe
    if mode == "batch":
        length, done = json.loads((tmp_path / "committed").read_text())
        out = (JsonLines if kind == "jsonl" else Csv)(tmp_path / "out")
        out.open(length)
        out.close()
        assert done >= safe
        assert list(range(done)) == numbers(tmp_path / "out", kind)

    assert safe > KILLS


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_full_disk_tears_no_line(kind: str, tmp_path: Path) -> None:
    """The line that had no room is not there; with room again the same output goes on."""
    with small_disk(tmp_path / "disk", "256k") as disk:
        filler = disk / "filler"
        filler.write_bytes(b"x" * 120 * 1024)
        out = (JsonLines if kind == "jsonl" else Csv)(disk / "out")
        written = 0
        with out:
            with pytest.raises(StoreError, match=r"the disk is full; nothing of this line") as full:
                for n in range(10_000):
                    out.write({"n": n, "text": MARK + BULK[: n * 997 % len(BULK)]})
                    written += 1
            assert list(range(written)) == numbers(disk / "out", kind)
            filler.unlink()
            out.write({"n": written, "text": MARK + BULK[: written * 997 % len(BULK)]})

        assert 74 == full.value.exit_code
        assert list(range(written + 1)) == numbers(disk / "out", kind)


@pytest.mark.slow
@pytest.mark.kills
def test_a_killed_batch_destroys_nothing_of_a_later_one(tmp_path: Path) -> None:
    """Two runs append to one file, and the first is killed before the second begins: of neither a
    line is lost, and whose lines had to be cut off is told."""
    site = Site(tmp_path)
    words = ("run", script("batches:appended"), "-p", "count=300", "--plain")
    with site.life(*words, "--id", "r", "-p", "first=0") as life:
        assert life.has_effects(100), life.text
        life.kill()
    later = site.holdfast(*words, "--id", "later", "-p", "first=1000")
    code, text = site.holdfast("resume", "r", "--plain")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    kept = (tmp_path / "out.jsonl.cut").read_text().split("\n")
    own, others = [], []
    for line in lines:
        item = json.loads(line)["item"]
        (own if item < 1000 else others).append(item)
    others += [json.loads(line)["item"] for line in kept if line and json.loads(line)["item"] > 999]

    assert (0, 0) == (later[0], code), text
    assert f"are in {tmp_path}/out.jsonl.cut now" in text
    assert list(range(300)) == sorted(own)
    assert list(range(1000, 1300)) == sorted(others)


@pytest.mark.kills
@pytest.mark.parametrize("append", ["true", "false"])
def test_lines_whose_turn_comes_as_a_life_begins_are_its_own(append: str, tmp_path: Path) -> None:
    """Killed before any checkpoint has them, they are cut off and written again: the file that an
    earlier life has closed is not taken for somebody else's."""
    site = Site(tmp_path)
    words = ("run", script("turns:turns"), "--id", "r", "--plain", "-p", f"append={append}")
    site.holdfast(*words, "--for", "5s")
    site.holdfast("skip", "r", "numbers/0", "-m", "it never will be")
    site.env["DIES"] = "1"
    killed = site.holdfast("resume", "r", "--plain")
    del site.env["DIES"]
    code, text = site.holdfast("resume", "r", "--plain")

    assert (-signal.SIGKILL, 0) == (killed[0], code), text
    assert [1, 2, 3] == [*map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())]
