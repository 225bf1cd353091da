"""`holdfast each` that is killed at random, and the ways in which other tools lose or repeat items.

GNU parallel: a line put on top of the input, a torn log, orphans.
"""

from __future__ import annotations

import json
import os
import random
import re
import select
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.acceptance.shells import DEADLINE_S, Script, descendants, is_gone, kill
from tests.crash.soaking import dice_for
from tests.crash.spaces import small_disk

from holdfast.ports.slots import unpacked

EFFECT = """
echo "start $1 $$" >>effects
n=0; while [ $n -lt 40 ]; do n=$((n + 1)); sleep 0.0005; done
echo "end $1 $$" >>effects
echo "out $1"
"""
AT_ONCE = 3
ITEMS = 40
KILLS = 5
LIVES_MAX = 60


def started(folder: Path, *more: str) -> tuple[Script, list[str]]:
    """Return a folder with items and a command, and the words that do it."""
    script = Script(folder, "")
    (folder / "effect.sh").write_text(EFFECT)
    (folder / "items").write_text("".join(f"item {n}\n" for n in range(ITEMS)))
    command = [str(folder / "bin" / "holdfast"), "each", "work", "--items", "items"]
    return script, [*command, "-j", str(AT_ONCE), *more, "--", "sh", "effect.sh"]


def begin(script: Script, words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words, cwd=script.folder, env=script.env(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def effects(folder: Path) -> list[tuple[str, str, int]]:
    """Return what the commands did, in its order: start or end, the item, the process."""
    path = folder / "effects"
    lines = path.read_text().splitlines() if path.exists() else []
    parts = [line.split() for line in lines]
    return [(what, f"{word} {n}", int(pid)) for what, word, n, pid in parts]


def refuse_two_at_once(found: list[tuple[str, str, int]]) -> None:
    """No item is begun while another command works at it: when it ends later, it did."""
    at: dict[str, int] = {}
    for what, item, pid in found:
        if what == "start":
            at[item] = pid
        else:
            assert pid == at[item], f"{item} ran twice at the same time"


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("victim", ["driver", "guard", "all", "any"])
def test_nothing_is_lost_and_only_what_is_in_hand_repeats(victim: str, tmp_path: Path) -> None:
    """However often it is killed: every item ends, none twice but those that were in hand, none
    beside its own orphan, and the output has each once."""
    script, words = started(tmp_path, "--out", "out.jsonl")
    dice, kills, lives = dice_for(victim), 0, 0
    while lives < LIVES_MAX:
        lives += 1
        process = begin(script, words)
        if kills < KILLS:
            kills += _killed(process.pid, victim, dice)
        _, err = process.communicate(timeout=DEADLINE_S)
        if re.search(rb"^work-\S+ succeeded", err, re.MULTILINE):
            break  # It may still be killed after that, with nothing left to do.
    found = effects(tmp_path)
    ends = Counter(item for what, item, _ in found if what == "end")
    starts = Counter(item for what, item, _ in found if what == "start")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()

    assert process.returncode in (0, -signal.SIGKILL), err
    assert {f"item {n}" for n in range(ITEMS)} == set(ends)
    assert sum(starts.values()) - ITEMS <= (lives - 1) * AT_ONCE
    assert 1 == len(script.runs)
    assert ITEMS == len(lines) == len(set(lines))
    refuse_two_at_once(found)


def _killed(pid: int, victim: str, dice: random.Random) -> int:
    """Kill what is meant after a while; return whether there was anything."""
    select.select([], [], [], dice.uniform(0.2, 0.8))
    below = descendants(pid)
    guards = [each for each in below if b"\0each\0" in _cmdline(each)]
    victims = {
        "driver": [pid],
        "guard": [*guards, pid],
        "all": [*below, pid],
        "any": [dice.choice([pid, *below])],
    }[victim]
    for each in victims:
        kill(each)
    return 1


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


UNTOLD = """
import os, signal, sys
from holdfast.cli import each_alone, living, main

def die(*given, **more):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv.pop(1) == "report":
    living.ending = die
else:
    each_alone.note_told = die
sys.exit(main())
"""
"""Dies before it says how the run ended, or before it notes that it has said so."""


@pytest.mark.kills
@pytest.mark.parametrize("at", ["report", "told"])
def test_an_end_that_nobody_heard_of_is_told_by_the_next_call(at: str, tmp_path: Path) -> None:
    """Killed after its last item was recorded, and before it had ended in order: the same call
    does nothing twice. Told, the run is over, and one more call begins another."""
    script, words = started(tmp_path, "--out", "out.jsonl")
    (tmp_path / "dies.py").write_text(UNTOLD)
    dying = [sys.executable, "dies.py", at, *words[1:]]
    first = begin(script, dying)
    first.communicate(timeout=DEADLINE_S)
    second = begin(script, words)
    _, err = second.communicate(timeout=DEADLINE_S)
    runs = script.runs
    (tmp_path / "out.jsonl").unlink()
    third = begin(script, words)
    third.communicate(timeout=DEADLINE_S)
    starts = Counter(item for what, item, _ in effects(tmp_path) if what == "start")

    assert [-signal.SIGKILL, 0, 0] == [first.returncode, second.returncode, third.returncode], err
    assert b"had done all" in err
    assert 1 == len(runs) and 2 == len(script.runs)
    assert {2} == set(starts.values()) and ITEMS == len(starts)


# --- what GNU parallel loses or repeats -------------------------------------------------------


def _in_the_middle(script: Script, words: list[str], *, ends: int = 5) -> None:
    """Kill it when some items are done."""
    process = begin(script, words)
    while sum(what == "end" for what, _, _ in effects(script.folder)) < ends:
        select.select([], [], [], 0.005)
    kill(process.pid)
    process.communicate(timeout=DEADLINE_S)


@pytest.mark.slow
@pytest.mark.kills
def test_lines_put_anywhere_shift_nothing(tmp_path: Path) -> None:
    """Items inserted on top, removed and moved between two lives: each that is there is done, and
    no more is repeated than was in hand. (`parallel --resume` goes by number.)"""
    script, words = started(tmp_path)
    _in_the_middle(script, words)
    kept = [f"item {n}" for n in range(ITEMS) if n != ITEMS - 1]
    dice_for("order").shuffle(kept)
    (tmp_path / "items").write_text("".join(f"{item}\n" for item in ["item 900", *kept]))
    done = begin(script, words)
    _, err = done.communicate(timeout=DEADLINE_S)
    starts = Counter(item for what, item, _ in effects(tmp_path) if what == "start")

    assert 0 == done.returncode, err
    assert {"item 900", *kept} == set(starts)
    assert sum(starts.values()) <= ITEMS + AT_ONCE


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("cut", [1, 13])
def test_a_torn_log_is_read_to_its_last_whole_record(cut: int, tmp_path: Path) -> None:
    """What is noted of the last items ends within a record: that item is done again, those before
    it are not, and none is taken for done. (`parallel --resume` skips it for ever.)"""
    script, words = started(tmp_path)
    _in_the_middle(script, words)
    torn = 0
    for tail in tmp_path.glob("state/*.batches/*/tail-*"):
        size = tail.stat().st_size
        if size > 100:
            os.truncate(tail, size - cut)
            torn += 1
    done = begin(script, words)
    _, err = done.communicate(timeout=DEADLINE_S)
    found = effects(tmp_path)
    starts = Counter(item for what, item, _ in found if what == "start")

    assert 0 == done.returncode, err
    assert {f"item {n}" for n in range(ITEMS)} == {item for what, item, _ in found if what == "end"}
    assert sum(starts.values()) <= ITEMS + AT_ONCE + torn


LONG = 'echo "start $1 $$" >>effects; sleep 60 & wait; echo "end $1 $$" >>effects'


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("way", ["driver", "both", "env"])
def test_no_command_outlives_its_driver(way: str, tmp_path: Path) -> None:
    """Killed, its commands end at once, also those without the environment; where the guard was
    killed beside it, the next life ends them before it begins. (Under GNU parallel they live on,
    and run beside themselves on resume.)"""
    script = Script(tmp_path, "")
    before = ["env", "-i", os.environ.get("SHELL", "/bin/sh")] if way == "env" else ["sh"]
    words = [str(tmp_path / "bin" / "holdfast"), "each", "x", "--items", "items", "--"]
    (tmp_path / "items").write_text("item 1\n")
    (tmp_path / "long.sh").write_text(LONG)
    process = begin(script, [*words, *before, "long.sh"])
    # Without its environment a command is known by its number alone, once that is noted.
    while not effects(tmp_path) or process.pid in noted(tmp_path):
        select.select([], [], [], 0.01)
    below = descendants(process.pid)
    guards = [each for each in below if b"\0each\0" in _cmdline(each)]
    for each in [*guards, process.pid] if way == "both" else [process.pid]:
        kill(each)
    process.communicate(timeout=DEADLINE_S)
    commands = [each for each in below if each not in guards]
    (tmp_path / "long.sh").write_text('echo "start $1 $$" >>effects\n')
    if way != "both":
        _until_gone(commands)
    again = begin(script, [*words, *before, "long.sh"])
    _, err = again.communicate(timeout=DEADLINE_S)
    left = [each for each in commands if not is_gone(each)]

    assert guards and 2 <= len(commands)
    assert 0 == again.returncode, err
    assert [] == left
    assert ["start", "start"] == [what for what, _, _ in effects(tmp_path)]


@pytest.mark.slow
@pytest.mark.kills
def test_no_item_goes_on_without_its_shell(tmp_path: Path) -> None:
    """In a script that is killed the batch ends at once, with its commands; the next life does
    the items that were in hand."""
    text = 'eval "$(holdfast begin x)"\nholdfast each y -j 2 --items items -- sh long.sh\n'
    script = Script(tmp_path, text)
    (tmp_path / "items").write_text("item 1\nitem 2\nitem 3\n")
    (tmp_path / "long.sh").write_text(LONG)
    process = script.start("sh")
    while len(effects(tmp_path)) < 2:
        select.select([], [], [], 0.01)
    below = descendants(process.pid)
    kill(process.pid)
    process.communicate(timeout=DEADLINE_S)
    _until_gone(below)
    left = [each for each in below if not is_gone(each)]
    (tmp_path / "long.sh").write_text('echo "end $1 $$" >>effects\n')
    again = script.run("sh")

    assert [] == left
    assert 0 == again.code, again
    assert ["item 1", "item 2", "item 3"] == sorted(
        item for what, item, _ in effects(tmp_path) if what == "end"
    )


def noted(folder: Path) -> set[int]:
    """Return the processes that the slots of the batch name."""
    (slots,) = folder.glob("state/*.batches/*/slots-*")
    return {slot.pid for slot in unpacked(slots.read_bytes()) if slot is not None}


def _until_gone(pids: list[int]) -> None:
    until = 500
    while until and not all(map(is_gone, pids)):
        select.select([], [], [], 0.01)
        until -= 1


@pytest.mark.slow
@pytest.mark.kills
def test_what_kills_its_driver_is_named(tmp_path: Path) -> None:
    """An item in hand at two deaths is done alone, and is quarantined; the others are done."""
    script = Script(tmp_path, "")
    code = 'test "$1" != 3 || kill -9 $PPID; echo "$1" >>ran'
    words = [str(tmp_path / "bin" / "holdfast"), "each", "x", "-j", "2", "--items", "items"]
    (tmp_path / "items").write_text("".join(f"{n}\n" for n in range(8)))
    codes = []
    while not codes or codes[-1] == -signal.SIGKILL:
        process = begin(script, [*words, "--", "sh", "-c", code, "sh"])
        process.communicate(timeout=DEADLINE_S)
        codes.append(process.returncode)
    failures = script.type("failures", script.runs[0])
    ended = Counter((tmp_path / "ran").read_text().split())

    assert [-signal.SIGKILL, -signal.SIGKILL, 1] == codes
    assert "In quarantine" in failures.text and "3: killed by SIGKILL" in failures.text
    assert {"0", "1", "2", "4", "5", "6", "7"} <= set(ended)


@pytest.mark.slow
@pytest.mark.kills
def test_a_full_disk_loses_no_item_and_doubles_no_line(tmp_path: Path) -> None:
    """The store and the output fill the disk: exit 74 and a sentence; with more room the same call
    goes on, only what was in hand is done again, and each line of the output is there once."""
    script, count, at_once, stops = Script(tmp_path, ""), 600, 2, 0
    (tmp_path / "items").write_text("".join(f"{n}\n" for n in range(count)))
    text = f"echo {{}} >>effects; echo {{}} {'x' * 100}"
    with small_disk(tmp_path / "disk", "300k") as disk:
        script.store = disk / "s.db"
        each = [str(tmp_path / "bin" / "holdfast"), "each", "fill", "--items", "items"]
        out = ["--out", str(disk / "out.jsonl")]
        words = [*each, "-j", str(at_once), *out, "--", "sh", "-c", text]
        for size in ("300k", "340k", "64m"):
            remount = ["mount", "-o", f"remount,size={size}", str(disk)]
            subprocess.run(remount, check=True, capture_output=True)
            process = begin(script, words)
            _, err = process.communicate(timeout=DEADLINE_S)
            assert b"Traceback" not in err
            if process.returncode == 0:
                break
            assert 74 == process.returncode and b"holdfast doctor" in err, err
            stops += 1
        lines = [json.loads(line) for line in (disk / "out.jsonl").read_text().splitlines()]
        done = Counter((tmp_path / "effects").read_text().split())

    assert (0, True) == (process.returncode, stops > 0), err
    assert {str(n) for n in range(count)} == set(done)
    assert done.total() - count <= stops * at_once
    assert sorted(range(count)) == sorted(int(line["out"].split()[0]) for line in lines)
