"""How far the life of a shell script has come, folded from what its processes say."""

from __future__ import annotations

from holdfast.model.facts import (
    LifeStarted,
    Owner,
    PlaceReached,
    RunCreated,
    ScopeEntered,
    StepStarted,
    StepSucceeded,
)
from holdfast.model.state import RunState
from holdfast.testing.samples import AT, WHO

SHELL = Owner("host", 1, "1", "boot", "ada")
FIRST, SECOND = Owner("host", 2, "2", "boot", "ada"), Owner("host", 3, "3", "boot", "ada")


def begun() -> RunState:
    state = RunState()
    state.apply(RunCreated(AT, "w", "", {}, "digest", WHO, shell=True))
    state.apply(LifeStarted(AT, 1, SHELL, WHO, "1"))
    return state


def test_stages_are_left_in_the_order_they_were_entered() -> None:
    """The innermost one is where names are unique; an end closes what is inside it, too."""
    state = begun()
    seen = []
    for fact in (
        PlaceReached(AT, "a", "stage", FIRST),
        PlaceReached(AT, "a/b", "stage", FIRST),
        PlaceReached(AT, "a/b", "end", FIRST),
        PlaceReached(AT, "c", "stage", FIRST),
        PlaceReached(AT, "a", "end", FIRST),
    ):
        state.apply(fact)
        seen.append(state.walk.stage)

    assert ["a", "a/b", "a", "c", ""] == seen


def test_a_life_begins_with_nothing_reached() -> None:
    """What the one before had reached is forgotten, but for the processes that may be left."""
    state = begun()
    state.apply(PlaceReached(AT, "x", by=FIRST))
    state.apply(PlaceReached(AT, "s", "stage", SECOND))
    before = dict(state.walk.reached)
    state.apply(LifeStarted(AT, 2, SHELL, WHO, "1"))

    assert {"x": FIRST, "s": SECOND} == before
    assert {} == state.walk.reached and "" == state.walk.stage
    assert [FIRST, SECOND] == state.walk.left


def test_what_is_reached_changes_no_step() -> None:
    """It is no attempt and no member of a scope: only what is recorded of the step itself is."""
    state = begun()
    state.apply(ScopeEntered(AT, "s", "stage"))
    state.apply(PlaceReached(AT, "s/x", by=FIRST))
    steps, members = dict(state.steps), dict(state.scope("s").members)
    state.apply(StepStarted(AT, "s/x", 1))
    state.apply(StepSucceeded(AT, "s/x"))

    assert {} == steps == members
    assert ["s/x"] == list(state.scope("s").members)
