"""Going back in awaited runs, and after any sequence of troubles."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.crash.world import (
    BODIES,
    WORLD,
    decide,
    effects_of,
    everything,
    fails,
    forget,
    go_back,
    resumed,
    rolled,
    settle_all,
    state_of,
)

from holdfast import aio
from holdfast.errors import PastNoReturn, UsageError
from holdfast.stores.memory import MemoryStore
from holdfast.testing.crash import MOMENTS, live_once

READY: list[bool] = []


@pytest.fixture(autouse=True)
def an_untouched_world() -> None:
    """Each test begins in the start state: nothing is there."""
    forget()


# --- the same, awaited ---


async def undo_async(name: str) -> None:
    BODIES[f"undo {name}"] += 1
    WORLD.pop(name, None)


@aio.step("make {name}", undo=undo_async)
async def make_async(name: str) -> None:
    WORLD[name] = "made"


@aio.step("uncordon {node}")
async def uncordon_async(node: str) -> None:
    WORLD.pop(f"cordon {node}", None)


@aio.step("cordon {node}", owes=uncordon_async)
async def cordon_async(node: str) -> None:
    WORLD[f"cordon {node}"] = "on"


@aio.workflow
async def awaited() -> None:
    async with aio.preflight():
        await make_async("backup")
        await aio.parallel(("x", make_async, "x"), ("y", make_async, "y"), at_once=1)
        await aio.require("ready", lambda: "ready" in WORLD or bool(READY))
    async with aio.flight():
        await cordon_async("n1")
        await make_async("late")
        await aio.do("fail", fails)


def test_an_awaited_run_goes_back_the_same_way() -> None:
    """Undos and debts of async steps, after a kill beside any effect, forward and backward."""
    READY[:] = [True]
    for at in range(1, effects_of(awaited) + 1):
        forget()
        store = MemoryStore()
        live_once(awaited, store, fuse_at=at, when="after")
        if store.row("r") is not None:
            outcome = go_back(awaited, store, rolled(awaited))

            assert ("rolled_back", {}) == (outcome.status, WORLD), at
    store = MemoryStore()
    live_once(awaited, store)
    _, effects = live_once(awaited, store, go=rolled(awaited))
    for at in range(1, effects + 1):
        forget()
        store = MemoryStore()
        live_once(awaited, store)
        outcome = go_back(awaited, store, rolled(awaited), fuse_at=at, when="before")

        assert ("rolled_back", {}) == (outcome.status, WORLD), at


def test_an_awaited_preflight_undoes_itself() -> None:
    """Like the blocking one: nothing is left, and it runs again whole."""
    READY.clear()
    store = MemoryStore()
    outcome, _ = live_once(awaited, store)

    assert outcome is not None and ("failed", {}) == (outcome.status, WORLD)
    READY.append(True)
    live_once(awaited, store)
    assert {"backup", "x", "y", "cordon n1", "late"} == set(WORLD)


# --- any sequence ---

TROUBLE = st.lists(
    st.tuples(
        st.sampled_from(["start", "resume", "to", "settle", "rollback"]),
        st.integers(0, 60),
        st.sampled_from(MOMENTS),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(TROUBLE)
def test_after_any_trouble_a_rollback_leaves_the_world_as_it_was(
    trouble: list[tuple[str, int, Any]],
) -> None:
    """Any sequence of lives, failures, kills, settlings and partial rollbacks; then a whole one:
    the world equals the start, or the report names exactly what differs."""
    forget()
    store = MemoryStore()
    flow = everything
    for word, at, when in [("start", 0, "after"), *trouble]:
        go = {
            "start": None, "resume": resumed(flow), "to": rolled(flow, "flight"),
            "settle": settle_all(flow), "rollback": rolled(flow),
        }[word]  # fmt: skip
        try:
            live_once(flow, store, go=go, fuse_at=at, when=when)
        except (UsageError, PastNoReturn):
            continue
        decide(store)
    if state_of(store).status != "rolled_back":
        go_back(flow, store, rolled(flow))
        if state_of(store).status == "stopped":  # it ended the partial one that was under way
            go_back(flow, store, rolled(flow))

    state = state_of(store)
    assert "rolled_back" == state.status
    assert state.ledger.rolled is not None
    left = {key.rpartition("/")[2] for key, _ in state.ledger.rolled.left}
    assert set(WORLD) <= {label.partition(" ")[2] for label in left}
    assert not state.ledger.open_debts
