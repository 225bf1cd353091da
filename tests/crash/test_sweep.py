"""Whatever the moment of death, a resumed run ends the same and repeats only what was in hand."""

from __future__ import annotations

from collections import Counter

import pytest

from holdfast import aio
from holdfast.app.starting import Setting, start
from holdfast.errors import StepFailed
from holdfast.flow.decorator import step
from holdfast.flow.inside import save, saved
from holdfast.flow.questions import ask, confirm
from holdfast.flow.scopes import parallel, stage
from holdfast.flow.verbs import do, require, sleep, wait_for
from holdfast.flow.workflows import workflow
from holdfast.model.facts import StepStarted, StepSucceeded
from holdfast.model.retry import Retry
from holdfast.stores.memory import MemoryStore
from holdfast.testing.clock import JumpClock
from holdfast.testing.crash import TESTER, Crash, Mortal, Patient, live_once, sweep

CALLS: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def nothing_called() -> None:
    """Each test counts from zero, in whatever order they run."""
    CALLS.clear()


def touch(name: str) -> str:
    CALLS[name] += 1
    return name


@step("touch {name}")
def plain(name: str) -> str:
    return touch(name)


@step("flaky {name}", retry=Retry(attempts=9, first="1s"))
def flaky(name: str) -> str:
    if touch(name) and CALLS[name] == 1:
        raise OSError("the first try always fails here")
    return name


@step("checked {name}", check=lambda name: CALLS[name] > 0)
def checked(name: str) -> str:
    return touch(name)


@step("cursor")
def cursor() -> int:
    for number in range(saved(0), 3):
        touch(f"cursor {number}")
        save(number + 1)
    return int(saved())


@workflow
def inner(depth: int) -> int:
    plain(f"inner {depth}")
    return depth


@workflow
def everything() -> list[object]:
    require("fine", lambda: touch("fine"))
    plain("first")
    with stage("flight"):
        flaky("flaky")
        checked("checked")
        cursor()
        sleep("1h")
        try:
            do("hopeless", lambda: [touch("hopeless"), 1 / 0])
        except StepFailed as failure:
            plain(f"caught {failure.type}")
    nested = inner(1)
    confirm("go on?")
    ask("which?", str)
    seen = wait_for("third look", lambda: touch("look") and CALLS["look"] >= 3, every="1m")
    return [nested, seen, plain("last")]


@workflow
def branches() -> list[object]:
    plain("before")
    found = parallel(
        ("left", lambda: [plain("l1"), plain("l2")]),
        ("right", lambda: [plain("r1"), flaky("r2")]),
        at_once=1,
    )
    plain("after")
    return found


def test_a_crash_beside_any_effect_costs_at_most_the_step_in_hand() -> None:
    """Every verb in one workflow: killed before and after each effect, all of it happens, and
    at most one call of user code is repeated."""

    def verdict(outcome, at, when, store):
        assert outcome.status == "succeeded", (at, when, outcome)
        assert outcome.result == [1, True, "last"]
        extra = {name: n for name, n in CALLS.items() if n > CLEAN.get(name, 0) and name != "look"}
        assert set(CLEAN) <= set(CALLS), (at, when)
        assert sum(n - CLEAN[name] for name, n in extra.items()) <= 1, (at, when, extra)

    live_once(everything, MemoryStore())
    CLEAN = Counter(CALLS)
    CALLS.clear()
    runs = sweep(everything, MemoryStore, verdict, reset=CALLS.clear)

    assert runs > 100


def test_no_success_is_recorded_twice_whatever_the_moment() -> None:
    """In the journal of every killed run each step has exactly one success."""

    def verdict(outcome, at, when, store):
        done = Counter(s.fact.key for s in store.read("r") if isinstance(s.fact, StepSucceeded))

        assert set(done.values()) == {1}, (at, when, done)

    sweep(everything, MemoryStore, verdict, reset=CALLS.clear)


def test_branches_survive_a_crash_beside_any_effect() -> None:
    """A finished branch is not entered again, and one in hand repeats at most its step."""

    def verdict(outcome, at, when, store):
        assert outcome.result == [["l1", "l2"], ["r1", "r2"]], (at, when)
        expected = {"before": 1, "l1": 1, "l2": 1, "r1": 1, "r2": 2, "after": 1}
        assert sum(CALLS.values()) - sum(expected.values()) <= 1, (at, when, CALLS)
        assert set(CALLS) == set(expected)

    sweep(branches, MemoryStore, verdict, reset=CALLS.clear)


@aio.step("async {name}")
async def async_touch(name: str) -> str:
    return touch(name)


@aio.workflow
async def asynchronous() -> list[object]:
    await async_touch("a")
    async with aio.stage("flight"):
        await aio.sleep("5m")
        await async_touch("b")
    found = await aio.parallel(("x", async_touch, "c"), ("y", async_touch, "d"), at_once=1)
    return [found, await aio.do("e", touch, "e")]


def test_an_async_workflow_survives_the_same_crashes() -> None:
    """The asyncio driver runs the same programs: every step happens and at most one twice."""

    def life(at: int, when: str) -> None:
        CALLS.clear()
        store = MemoryStore()
        outcome, _ = live_once(asynchronous, store, fuse_at=at, when=when)
        for _ in range(10):
            if outcome is not None:
                break
            outcome, _ = live_once(asynchronous, store)
        assert outcome is not None and outcome.result == [["c", "d"], "e"], (at, when, outcome)
        assert set(CALLS) == set("abcde") and sum(CALLS.values()) <= 6, (at, when, CALLS)

    _, effects = live_once(asynchronous, MemoryStore())
    assert effects > 10
    for at in range(1, effects + 1):
        life(at, "before")
        life(at, "after")


def test_a_step_that_kills_its_process_each_time_stops_after_its_attempts() -> None:
    """Attempts survive the process: they are counted over all lives, each of which makes one."""

    @workflow
    def killer() -> None:
        do("die", die, retry=3)

    def die() -> None:
        dying.is_dead = True
        raise Crash

    store = MemoryStore()
    for _ in range(4):
        dying = Mortal(store)
        with pytest.raises(Crash):
            start(Setting(dying, JumpClock(), Patient(), TESTER), killer, {}, id="r")
        store.release("r", store.row("r").epoch)

    started = [s.fact.attempt for s in store.read("r") if isinstance(s.fact, StepStarted)]
    assert started == [1, 2, 3, 4]
