"""SIGKILL at random moments: every step takes effect once, but for the step in hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.crash.killing import Tally, kill_until_done
from tests.crash.lives import Site

STEPS = 200


def steps_of(tally: Tally, site: Site) -> tuple[list[str], int]:
    """Return what was wrong, and how many effects took place."""
    return tally.wrong, len(site.counted())


@pytest.mark.slow
def test_a_run_killed_at_random_moments_repeats_only_what_was_in_hand(tmp_path: Path) -> None:
    """Of 200 steps each takes effect; one is repeated only by a kill in the middle of it, and
    then the journal named it; a `once` step never without a decision."""
    site = Site(tmp_path)
    tally = kill_until_done(site, "steps:sequence", steps=STEPS, kills=20, seed=1)

    assert ([], STEPS) == steps_of(tally, site)
    assert tally.kills >= 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workflow", "steps", "in_hand_most"),
    [
        ("steps:branches", 80, 2),
        ("steps:children", 40, 1),
        ("steps:cursors", 300, 1),
        ("steps:retries", 25, 1),
        ("awaited:tasks", 60, 2),
    ],
)
def test_every_kind_of_work_survives_kills(
    tmp_path: Path, workflow: str, steps: int, in_hand_most: int
) -> None:
    """Branches, programs, cursors, retries and tasks: at most the steps in hand are repeated,
    one for each that ran, and no program outlives its driver."""
    site = Site(tmp_path)
    tally = kill_until_done(
        site, workflow, steps=steps, kills=5, seed=workflow, in_hand_most=in_hand_most
    )

    assert ([], steps) == steps_of(tally, site)
    assert tally.kills >= 2
