"""Batches that are killed at random moments, again and again, until they are done."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.crash.lives import Site

EFFECTS_MOST, BEYOND = 40, (4, 10)
ITEMS_PER_KILL = EFFECTS_MOST + max(BEYOND)
"""A life may begin this many items, so that none is the last before all kills are done."""


@contextmanager
def permits(site: Site) -> Iterator[Callable[[int], None]]:
    """Give what a life needs to begin items: so many, from when it is called to the next call."""
    place = site.effects.with_name("permits")
    os.mkfifo(place)
    end = os.open(place, os.O_RDWR | os.O_NONBLOCK)

    def give(items: int) -> None:
        with suppress(BlockingIOError):
            while os.read(end, 4096):
                pass  # What the last life left.
        os.write(end, b"." * items)

    site.env["PERMITS"] = str(place)
    try:
        yield give
    finally:
        del site.env["PERMITS"]
        os.close(end)


def killed_until_done(site: Site, words: tuple[str, ...], kills: int, dice: random.Random) -> None:
    """Run a batch of ITEMS_PER_KILL items a kill, or more, and kill it a little after some of its
    effects, so often; then let it end. No worker outlives its driver."""
    with permits(site) as give:
        for _ in range(kills):
            effects = dice.randrange(1, EFFECTS_MOST)
            give(effects + dice.randint(*BEYOND))
            with site.life(*words) as life:
                assert life.has_effects(effects), life.text
                life.lasts(dice.uniform(0, 0.004))
                assert -signal.SIGKILL == life.kill(), life.text
                assert life.leaves_nobody()
    code, text = site.holdfast(*words)
    assert 0 == code, text
