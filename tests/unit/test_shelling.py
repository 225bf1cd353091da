"""Which run a shell script takes up, and how far its life has come.

The latter is folded from what its processes say.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.runs import HeldUp, Runs

from holdfast.app.shelling import FOLDER, ITEMS, Wanted, choose
from holdfast.model.facts import (
    LifeStarted,
    Owner,
    PlaceReached,
    RunCreated,
    RunFailed,
    RunSucceeded,
    ScopeEntered,
    StepStarted,
    StepSucceeded,
)
from holdfast.model.making import replace
from holdfast.model.state import RunState
from holdfast.runtime.ownership import this_process
from holdfast.testing.samples import AT, WHO

SHELL = Owner("host", 1, "1", "boot", "ada")
DEAD = replace(this_process(), pid=2**22 + 1)
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


# --- which run is taken up --------------------------------------------------------------------


def ended(runs: Runs, wanted: Wanted, end: RunFailed | RunSucceeded) -> str:
    """Begin a run as a shell does, and end it; return its id."""
    run = choose(runs.setting, wanted).run
    runs.store.claim(run, LifeStarted(AT, 1, DEAD, WHO, "1"), after=1, expected_epoch=0)
    runs.store.append(run, [end], after=2, epoch=1)
    return run


def upgrade(node: int) -> Wanted:
    return Wanted("upgrade", {"node": str(node)})


def load(items: str) -> Wanted:
    return Wanted("load", {ITEMS: items, FOLDER: "/"})


@pytest.mark.parametrize("wanted", [upgrade(0), load("0")], ids=["begin", "each"])
def test_what_is_unfinished_is_taken_up_however_many_runs_are_newer(
    wanted: Wanted, runs: Runs
) -> None:
    """The same name and parameters go on with the run that failed: nothing is done twice."""
    first = ended(runs, wanted, RunFailed(AT, "E", "no"))
    runs.store.release(first, 1)
    for number in range(1, 151):
        other = upgrade(number) if wanted.name == "upgrade" else load(str(number))
        end = RunFailed(AT, "E", "no") if number % 2 else RunSucceeded(AT)
        runs.store.release(ended(runs, other, end), 1)

    assert first == choose(runs.setting, wanted).run


@pytest.mark.parametrize("runs_before", [0, 1])
@pytest.mark.parametrize("call", range(1, 10))
def test_of_two_that_begin_at_once_one_makes_the_run(
    runs_before: int, call: int, runs: Runs
) -> None:
    """Wherever between its looks another one comes, and then one with other parameters: it finds
    what they made, and would be refused in it."""
    for _ in range(runs_before):
        runs.store.release(ended(runs, upgrade(0), RunSucceeded(AT)), 1)
    others: list[str] = []

    def meanwhile() -> None:
        others.extend(choose(runs.setting, upgrade(node)).run for node in (0, 1))

    held: Any = HeldUp(runs.store, meanwhile, call)
    mine = choose(replace(runs.setting, store=held), upgrade(0)).run
    if not others:
        meanwhile()  # It needed fewer looks.

    assert mine == others[0]
    assert runs_before + 2 == len(runs.store.rows())


def test_one_that_begins_while_another_begins_and_ends_is_a_run_of_its_own(runs: Runs) -> None:
    """As it would be had it come a moment later."""
    others: list[str] = []
    held: Any = HeldUp(
        runs.store, lambda: others.append(ended(runs, upgrade(0), RunSucceeded(AT))), "create"
    )
    mine = choose(replace(runs.setting, store=held), upgrade(0)).run

    assert mine not in others and 2 == len(runs.store.rows())


def test_each_that_told_nobody_is_found_behind_many_newer_runs(runs: Runs) -> None:
    """It did all and was killed before it could say so: the same call only tells that."""
    first = ended(runs, load("0"), RunSucceeded(AT))
    for number in range(1, 151):
        runs.store.release(ended(runs, load(str(number)), RunSucceeded(AT)), 1)

    assert first == choose(runs.setting, load("0")).run
    runs.store.release(first, 1)
    assert first != choose(runs.setting, load("0")).run
