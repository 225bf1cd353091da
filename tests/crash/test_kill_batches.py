"""SIGKILL at random moments of a batch: no item is lost, at most those in flight come again."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
from tests.crash.killed_batches import BEYOND, ITEMS_PER_KILL, killed_until_done, permits
from tests.crash.lives import Site, script
from tests.crash.soaking import blows, dice_for
from tests.crash.spaces import small_disk

EXIT_STORAGE = 74
ROUNDS = 8
IN_FLIGHT = {"chunks": 5, "threads": 4, "ordered": 4, "tasks": 4, "processes": 3}


def written(folder: Path) -> list[object]:
    """Return the items of an output in its order. Raises for a line that is not whole."""
    found = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    return [row["item"] for row in found if row["text"] == "é" * (len(str(row["item"])) * 7)]


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize(
    ("mode", "kills"),
    [
        ("alone", 15),
        ("position", 15),
        ("chunks", 15),
        ("kept", 15),
        ("threads", blows(30, 100)),
        ("ordered", 15),
        ("tasks", 15),
        ("processes", blows(30, 100)),
    ],
)
def test_kills_lose_nothing_and_repeat_what_was_in_flight(
    tmp_path: Path, mode: str, kills: int
) -> None:
    """Every item took effect; the repeats are no more than the items in flight at the kills; the
    output has each item once, whole, and in the order of the input where that was asked for."""
    site, dice, items = Site(tmp_path), dice_for(mode), ITEMS_PER_KILL * kills
    words = ("run", script("batches:items"), "--id", "r", "-p", f"mode={mode}", "-p",
             f"count={items}", "--plain")  # fmt: skip
    killed_until_done(site, words, kills, dice)
    counted, output = site.counted(), written(tmp_path)
    repeated = sum(counted.values()) - items

    assert {str(n) for n in range(items)} == set(counted)
    assert repeated <= kills * IN_FLIGHT.get(mode, 1)
    assert list(range(items)) == (output if mode == "ordered" else sorted(output, key=int))
    assert [] == site.wrong()


@pytest.mark.slow
@pytest.mark.kills
def test_lines_that_move_between_lives_shift_nothing(tmp_path: Path) -> None:
    """Between the lives of a killed batch lines are put in front, removed and reordered: every
    line that was there at the end ran, and no line twice but those in flight."""
    site, dice = Site(tmp_path), dice_for("lines")
    source, names = tmp_path / "in.txt", [f"line {n}" for n in range(1_000)]
    words = ("run", script("batches:file_lines"), "--id", "r", "--plain")
    with permits(site) as give:
        for round_ in range(ROUNDS):
            source.write_text("".join(f"{name}\n" for name in names))
            give(20 + dice.randint(*BEYOND))
            with site.life(*words) as life:
                assert life.has_effects(20), life.text
                assert -signal.SIGKILL == life.kill(), life.text
            names.insert(0, f"new {round_}")
            names.pop(dice.randrange(1, len(names)))
            dice.shuffle(names) if round_ % 3 == 2 else names.insert(40, names.pop(60))
    source.write_text("".join(f"{name}\n" for name in [*names, names[3]]))
    code, text = site.holdfast(*words)
    counted, output = site.counted(), written(tmp_path)

    assert 0 == code, text
    assert set(names) <= set(output) <= set(counted)
    assert len(output) == len(set(output))
    assert sum(counted.values()) - len(output) <= 2 * ROUNDS


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("mode", ["alone", "threads", "ordered", "kept", "processes"])
def test_a_full_disk_loses_and_repeats_nothing_finished(tmp_path: Path, mode: str) -> None:
    """It stops with exit 74 and a sentence; with more room the same command goes on, and the
    output has each item once. Effects are kept elsewhere, so only items in flight come again."""
    with small_disk(tmp_path / "disk", "400k") as disk:
        site, stops = Site(disk), 0
        site.effects = tmp_path / "effects"
        site.effects.touch()
        (disk / "effects").unlink()
        site.env |= {"EFFECTS": str(site.effects), "OUT": str(disk)}
        words = ("run", script("batches:items"), "--id", "r", "-p", f"mode={mode}", "-p",
                 "count=6000", "--plain")  # fmt: skip
        for size in ("400k", "500k", "600k", "700k", "64m"):
            remount = ["mount", "-o", f"remount,size={size}", str(disk)]
            subprocess.run(remount, check=True, capture_output=True)
            code, text = site.holdfast(*words)
            assert "Traceback" not in text
            if code == 0:
                break
            assert EXIT_STORAGE == code, text
            stops += 1
        counted, output = site.counted(), written(disk)

        assert (0, True) == (code, stops > 0), text
        assert {str(n) for n in range(6000)} == set(counted)
        assert sum(counted.values()) - 6000 <= stops * IN_FLIGHT.get(mode, 1)
        assert sorted(output, key=int) == list(range(6000))
        assert [] == site.wrong()
