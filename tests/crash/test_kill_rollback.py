"""SIGKILL at random moments of a rollback: it goes on, and each undo has taken effect once."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from tests.crash.lives import Life, Site, script
from tests.crash.soaking import blows, dice_for

from holdfast.model.undoing import OWED, UNDO

STEPS, KILLS = 60, blows(8, 12)
LIVES_MAX = 100
EXIT_IN_DOUBT = 6


def killed_in_the_middle(life: Life, dice: random.Random) -> bool:
    """Kill the life a little after some of its effects; False when it ended before."""
    if not life.has_effects(dice.randrange(0, 6)):
        return False
    life.lasts(dice.uniform(0, 0.004))
    return life.kill() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("seed", [1, 2])
def test_a_rollback_killed_at_random_moments_leaves_nothing(tmp_path: Path, seed: int) -> None:
    """Real processes and files: in the end the world is empty, and each undo has taken effect
    once: one that was in hand when a kill came was asked about. Only what may be repeated (an undo
    that is a step, and what is owed) was repeated, if it was in hand, and never asked about."""
    site, dice = Site(tmp_path), dice_for(seed)
    words = ("run", script("undos:undone"), "--id", "r", "-p", f"steps={STEPS}", "--plain")
    assert site.holdfast(*words)[0] == 1
    made = {path.name for path in (tmp_path / "world").iterdir()}
    assert len(made) > STEPS * 3 // 4

    kills, code, in_hand, asked = 0, -1, set[str](), list[str]()
    command = ["rollback", "r", "--plain"]
    for _ in range(LIVES_MAX):
        with site.life(*command) as life:
            if kills < KILLS and killed_in_the_middle(life, dice):
                kills += 1
                assert life.leaves_nobody()
                in_hand |= {s.key for s in site.state().steps.values() if s.status == "running"}
            else:
                code = life.end()
                if code == 0:
                    break
                decided = site.decide()
                assert (EXIT_IN_DOUBT, True) == (code, bool(decided)), life.text
                asked += decided
        command = ["resume", "r", "--plain"] if site.state().ledger.rolling else command

    assert (0, "rolled_back", []) == (code, site.state().status, site.wrong())
    assert [] == list((tmp_path / "world").iterdir())
    assert kills >= KILLS // 2
    undone = {key: n for key, n in site.counted().items() if key.endswith((UNDO, OWED))}
    print(f"seed {seed}: {kills} kills, {len(undone)} given back, {len(in_hand)} in hand, "
          f"{len(asked)} asked about, {sum(n - 1 for n in undone.values())} repeated")  # fmt: skip
    repeatable = {key for key in undone if key.endswith(OWED) or "/fill " in key}
    assert len(made) == len(undone)
    assert {1} == {n for key, n in undone.items() if key not in repeatable}
    assert {key for key, n in undone.items() if n > 1} <= in_hand & repeatable
    assert in_hand - repeatable == set(asked)
