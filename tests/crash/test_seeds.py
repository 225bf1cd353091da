"""Random workflows in random trouble end as they do in calm weather."""

from __future__ import annotations

from collections import Counter

import pytest

from holdfast.model.facts import StepStarted
from holdfast.model.state import RunState
from holdfast.testing.simulate import KINDS, RUN, World, play

SEEDS = 300
PER_TEST = 50
FAILED_ONCE = (5, 87, 181, 345, 419)
"""Seeds that once failed, whatever the reason was."""


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_no_trouble_changes_how_a_run_ends(first: int) -> None:
    """Every success is recorded once, no `once` body runs twice undecided, nothing is lost."""
    broken = {seed: found for seed in range(first, first + PER_TEST) if (found := play(seed))}

    assert {} == broken, f"play one alone: python3 dev sim 1 --from {next(iter(broken))}"


@pytest.mark.parametrize("seed", FAILED_ONCE)
def test_a_seed_that_failed_once_plays_well(seed: int) -> None:
    """What it broke is mended."""
    assert [] == play(seed)


def test_the_weather_is_rough() -> None:
    """The seeds reach every kind of node, and most runs take several lives."""
    worlds = [World(seed) for seed in range(40)]
    for world in worlds:
        world.run()
    reached: Counter[str] = Counter()
    for world in worlds:
        todo = list(world.plan)
        while todo:
            node = todo.pop()
            reached[node.kind] += 1
            todo += node.members

    assert set(KINDS) == set(reached)
    assert sum(world.lives > 3 for world in worlds) > 20
    assert sum(world.thefts for world in worlds) > 5


def test_the_fold_of_a_journal_can_be_split_anywhere() -> None:
    """Folded in two parts, or as a whole, it says the same: a late reader misses nothing."""
    world = World(7)
    world.run()
    facts = [stored.fact for stored in world.store.read(RUN)]
    whole = RunState()
    for fact in facts:
        whole.apply(fact)
    for at in range(len(facts)):
        part = RunState()
        for fact in facts[:at]:
            part.apply(fact)
        for fact in [stored.fact for stored in world.store.read(RUN, at)]:
            part.apply(fact)

        assert (whole.status, whole.seq, whole.steps) == (part.status, part.seq, part.steps)
    assert any(isinstance(fact, StepStarted) for fact in facts)


def test_the_same_seed_is_the_same_course_of_events() -> None:
    """Or a failing seed could not be played again."""
    courses = []
    for _ in range(2):
        world = World(11)
        world.run()
        facts = [stored.fact for stored in world.store.read(RUN)]
        courses.append([(type(fact).__name__, getattr(fact, "key", "")) for fact in facts])

    assert courses[0] == courses[1]
