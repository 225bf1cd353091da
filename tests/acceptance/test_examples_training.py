"""The training example, interrupted in every way, ends with the weights of an uninterrupted one."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from tests.crash.lives import Site

from holdfast.model.json import Json

TRAINING = str(Path(__file__).parent.parent.parent / "examples" / "training.py")
STEPS = 6_000
SMALL = ("-p", f"steps={STEPS}", "-p", "save_every=200", "--plain")
TIME_IS_UP, TERMINATED = 75, 128 + signal.SIGTERM
LIVES_MAX = 100


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """Return what a training ends with that nothing interrupts."""
    site = Site(tmp_path_factory.mktemp("whole"))
    code, text = site.holdfast("run", TRAINING, "--id", "whole", *SMALL)
    assert 0 == code, text
    return result(site, "whole")


def result(site: Site, run: str) -> Json:
    """Return the training's result as it is recorded."""
    recorded = site.state(run).steps["train"].result
    assert isinstance(recorded, dict)
    return recorded


def test_sigterm_leaves_at_a_save_and_the_weights_are_the_same(tmp_path: Path, uninterrupted: Json):
    """Each life ends in order at its next save, and the next one goes on from there."""
    site = Site(tmp_path)
    codes = []
    for _ in range(3):
        with site.life("run", TRAINING, "--id", "r", *SMALL) as life:
            life.wait_for("started train")
            life.signal(signal.SIGTERM)
            codes.append(life.end())
    codes.append(site.holdfast("run", TRAINING, "--id", "r", *SMALL)[0])

    assert [TERMINATED] * 3 + [0] == codes
    assert uninterrupted == result(site, "r")
    assert 3 == site.state("r").steps["train"].forgiven


def test_a_time_budget_ends_lives_and_the_weights_are_the_same(tmp_path: Path, uninterrupted: Json):
    """`--for` ends a life with exit 75; the same command goes on until it ends with 0."""
    site, codes = Site(tmp_path), [TIME_IS_UP]
    while codes[-1] == TIME_IS_UP and len(codes) < LIVES_MAX:
        codes.append(site.holdfast("run", TRAINING, "--id", "r", *SMALL, "--for", "200ms")[0])

    assert [TIME_IS_UP, TIME_IS_UP, 0] == codes[:2] + codes[-1:]
    assert {TIME_IS_UP} == set(codes[:-1])
    assert uninterrupted == result(site, "r")


@pytest.mark.slow
@pytest.mark.kills
def test_kills_repeat_what_was_not_saved_and_the_weights_are_the_same(
    tmp_path: Path, uninterrupted: Json
):
    """A kill -9 at a random moment costs the steps since the last save, and no bit of the
    result."""
    site, dice = Site(tmp_path), random.Random(seed := time.time_ns())
    print(f"seed {seed}")
    for _ in range(5):
        with site.life("run", TRAINING, "--id", "r", *SMALL) as life:
            if life.says("started train") and life.lasts(dice.random() * 0.3):
                life.kill()
    code, text = site.holdfast("run", TRAINING, "--id", "r", *SMALL)

    assert 0 == code, text
    assert uninterrupted == result(site, "r")
