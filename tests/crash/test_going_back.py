"""Whatever the moment of death, forward or backward, a rolled back world is as it was."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.crash.world import (
    ASKED,
    BODIES,
    LIVES_MAX,
    WORLD,
    cordon,
    decide,
    effects_of,
    everything,
    fails,
    forget,
    go_back,
    make,
    pay,
    resumed,
    rolled,
    settle_all,
    state_of,
    uncordon,
)

from holdfast.flow.scopes import flight, parallel, postflight, preflight
from holdfast.flow.verbs import do, require
from holdfast.flow.workflows import workflow
from holdfast.model.facts import StepStarted, StepUndone
from holdfast.stores.memory import MemoryStore
from holdfast.testing.crash import MOMENTS, live_once


@pytest.fixture(autouse=True)
def an_untouched_world() -> None:
    """Each test begins in the start state: nothing is there."""
    forget()


def test_a_run_killed_anywhere_is_rolled_back_to_where_it_began() -> None:
    """Killed before and after each effect of its way forward: the rollback ends, and nothing is
    left of it, whatever it had begun."""
    for at in range(1, effects_of(everything) + 1):
        for when in MOMENTS:
            forget()
            store = MemoryStore()
            live_once(everything, store, fuse_at=at, when=when)
            if store.row("r") is None:
                continue
            outcome = go_back(everything, store, rolled(everything))

            assert ("rolled_back", {}) == (outcome.status, WORLD), (at, when)


def test_a_rollback_killed_anywhere_goes_on_and_undoes_each_step_once() -> None:
    """Killed before and after each of its own effects: `resume` ends it, the world is as it was,
    and each undo took effect once. What was in hand is asked about, unless its check decides or it
    may be repeated."""
    asked = Counter[str]()
    store = MemoryStore()
    live_once(everything, store)
    _, effects = live_once(everything, store, go=rolled(everything))
    assert effects > 30
    for at in range(1, effects + 1):
        for when in MOMENTS:
            forget()
            store = MemoryStore()
            live_once(everything, store)
            go = rolled(everything)
            outcome = go_back(everything, store, go, fuse_at=at, when=when)

            assert ("rolled_back", {}) == (outcome.status, WORLD), (at, when, outcome)
            undos = {count for name, count in BODIES.items() if name.startswith("undo ")}
            assert {1} == undos, (at, when, BODIES)
            assert 0 <= BODIES["repeatable"] - 1 <= (1 - ASKED.total()), (at, when, BODIES)
            asked += ASKED
            done = Counter(s.fact.key for s in store.read("r") if isinstance(s.fact, StepUndone))
            assert set(done.values()) == {1}, (at, when)
    plain = ["make late", "make image n2", "make image n1", "pay bill", "make backup"]
    assert {f"{name}#undo" for name in plain} == {key.rpartition("/")[2] for key in asked}


@workflow
def guarded() -> str:
    with preflight():
        make("backup")
        cordon("n1")
        pay("bill")
        parallel(("a", make, "a"), ("b", make, "b"), at_once=1)
        require("ready", is_ready)
    with flight():
        make("committed")
    uncordon("n1")
    return "done"


READY: list[bool] = []


def is_ready() -> bool:
    return bool(READY)


def test_a_preflight_killed_anywhere_while_it_fails_leaves_nothing() -> None:
    """Killed before and after each effect of a pre-flight that fails and undoes itself: when it
    has ended, nothing is committed; and when it no longer fails it runs again whole."""
    READY.clear()
    effects = effects_of(guarded)
    for at in range(1, effects + 1):
        for when in MOMENTS:
            forget()
            READY.clear()
            store = MemoryStore()
            outcome, _ = live_once(guarded, store, fuse_at=at, when=when)
            for _ in range(LIVES_MAX):
                if outcome is not None and outcome.exit_code != 6:
                    break
                if store.row("r") is not None:
                    decide(store)
                outcome, _ = live_once(guarded, store)

            assert outcome is not None and ("failed", {}) == (outcome.status, WORLD), (at, when)
            READY.append(True)
            outcome, _ = live_once(guarded, store)
            assert outcome is not None and "succeeded" == outcome.status, (at, when, outcome)
            assert {"backup", "bill", "a", "b", "committed"} == set(WORLD), (at, when)


@workflow
def borrowing() -> str:
    with flight():
        cordon("n1")
        parallel(("a", cordon, "n2"), ("b", make, "b"), at_once=1)
    with postflight():
        do("fail", fails)
    return "never"


def test_a_settling_killed_anywhere_gives_back_all_that_is_owed() -> None:
    """Killed before and after each effect of `settle`: in the end nothing is owed, what is no
    debt stands, and the run can be gone on with."""
    store = MemoryStore()
    live_once(borrowing, store)
    _, effects = live_once(borrowing, store, go=settle_all(borrowing))
    for at in range(1, effects + 1):
        for when in MOMENTS:
            forget()
            store = MemoryStore()
            live_once(borrowing, store)
            outcome, _ = live_once(
                borrowing, store, go=settle_all(borrowing), fuse_at=at, when=when
            )
            while state_of(store).ledger.open_debts:
                outcome, _ = live_once(borrowing, store, go=settle_all(borrowing))

            assert {"b": "made"} == WORLD, (at, when)
            assert [] == list(store.debts())
            outcome, _ = live_once(borrowing, store, go=resumed(borrowing))
            assert outcome is not None and "failed" == outcome.status
            assert {"cordon n1", "cordon n2", "b"} == set(WORLD), (at, when)


def test_no_undo_starts_before_the_one_after_it_is_durable() -> None:
    """One reverse order: in the journal each undo follows the success of the one before."""
    store = MemoryStore()
    live_once(everything, store)
    before = sum(1 for _ in store.read("r"))
    live_once(everything, store, go=rolled(everything))
    facts = [stored.fact for stored in store.read("r", before)]
    keys = [f.key for f in facts if isinstance(f, StepStarted)]

    expected = [
        "flight/make late#undo", "flight/copy#undo", "flight/pay bill#undo",
        "flight/n2/member/make image n2#undo", "flight/n1/member/make image n1#undo",
        "flight/put config#undo", "pre-flight/make backup#undo",
    ]  # fmt: skip
    assert expected == keys
