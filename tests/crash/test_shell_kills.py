"""A shell script that is killed at random moments: the shell, a step's process, or both."""

from __future__ import annotations

import select
from collections import Counter
from pathlib import Path

import pytest
from tests.acceptance.shells import DEADLINE_S, Script, descendants, every_shell, kill
from tests.crash.soaking import blows, dice_for

SCRIPT = """
set -e
eval "$(holdfast begin work)"
holdfast step one -- sh "$PWD/effect.sh" one
two=$(holdfast step two -- sh "$PWD/effect.sh" two)
[ "$two" = "made two" ]
holdfast stage many
holdfast step a -- sh "$PWD/effect.sh" many/a & a=$!
holdfast step b -- sh "$PWD/effect.sh" many/b & b=$!
wait "$a"
wait "$b"
holdfast stage --end
( holdfast step "it's last" --retry 2 -- sh "$PWD/effect.sh" "it's last" )
echo finished
"""
EFFECT = """
echo "$LIFE start $1" >>effects
n=0; while [ $n -lt 300 ]; do n=$((n + 1)); sleep 0.0001; done
echo "$LIFE end $1" >>effects
echo "made $1"
"""
KEYS = {"one", "two", "many/a", "many/b", "it's last"}
KILLS = blows(4, 8)
LIVES_MAX = 60
LIFE_S = 2.0


def effects(folder: Path) -> list[tuple[int, str, str]]:
    """Return the lines of the file of effects: life, what, and which step."""
    path = folder / "effects"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(n), what, key) for n, what, key in (line.split(" ", 2) for line in lines)]


def finished(script: Script) -> set[str]:
    if not script.store.exists() or not script.runs:
        return set()
    return {key for key, step in script.state().steps.items() if step.is_finished}


@pytest.mark.slow
@pytest.mark.kills
@every_shell
@pytest.mark.parametrize("victim", ["shell", "step", "both"])
def test_nothing_finished_runs_twice(shell: str, victim: str, tmp_path: Path) -> None:
    """However often it is killed, the script ends; a step that is recorded as done does not run
    again, and no command of a life that is over does anything once the next has begun."""
    script = Script(tmp_path, SCRIPT)
    (tmp_path / "effect.sh").write_text(EFFECT)
    dice, kills, life = dice_for(shell, victim), 0, 0
    while life < LIVES_MAX:
        life += 1
        done, before = finished(script), len(effects(tmp_path))
        process = script.start(shell, LIFE=str(life))
        if kills < KILLS:
            kills += _killed(process.pid, victim, dice.uniform(0.05, LIFE_S))
        out, err = process.communicate(timeout=DEADLINE_S)
        again = {key for _, what, key in effects(tmp_path)[before:] if what == "start"}

        assert set() == again & done, err.decode()
        if KEYS == finished(script) and "succeeded" == script.state().status:
            break  # Perhaps killed after that: the next life would begin another run.
    lines = effects(tmp_path)
    ends = Counter(key for _, what, key in lines if what == "end")

    assert out.endswith(b"finished\n"), err.decode()
    assert [n for n, *_ in lines] == sorted(n for n, *_ in lines), lines
    assert KEYS == set(ends) == finished(script)
    assert "succeeded" == script.state().status


def _killed(pid: int, victim: str, after_s: float) -> int:
    """Kill after a time, or when the shell has ended before it; return whether it was in time."""
    select.select([], [], [], after_s)
    below = descendants(pid)
    steps = [each for each in below if _is_step(each)]
    if victim in ("shell", "both"):
        kill(pid)
    if victim in ("step", "both"):
        for each in steps:
            kill(each)
    return 1 if steps or victim != "step" else 0


def _is_step(pid: int) -> bool:
    try:
        return b"\0-m\0holdfast\0step\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
