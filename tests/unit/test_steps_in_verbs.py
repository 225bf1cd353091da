"""A step that is given to a verb.

`do` keeps what it promises, the others refuse what they would drop.
"""

from __future__ import annotations

import pytest
from tests.unit.runs import CALLS, Runs, touch

from holdfast import Retry, UsageError, aio, do, each, require, step, wait_for, workflow
from holdfast.testing.crash import Crash, Mortal

DYING: list[Mortal] = []


@step(once=True)
def pay(who: str) -> str:
    """Take effect, and die before anybody knows."""
    if touch("pay") and CALLS["pay"] == 1:
        DYING[-1].is_dead = True
        raise Crash
    return who


@step(undo=lambda name: touch(f"drop {name}"))
def make(name: str) -> str:
    return touch(f"make {name}")


@step(retry=Retry(attempts=2, first="1s"))
def stumble() -> int:
    if touch("stumble") and CALLS["stumble"] < 2:
        raise OSError
    return CALLS["stumble"]


@step
def plain(name: str) -> str:
    return touch(name)


def test_do_keeps_that_a_step_runs_once(runs: Runs) -> None:
    """Killed in the middle, it is in doubt under its other label too, and never repeated."""

    @workflow
    def flow() -> str:
        return do("pay by another name", pay, "ana")

    runs.die_in(flow, DYING.append)
    outcome = runs.start(flow)

    assert ("on_hold", 6) == (outcome.status, outcome.exit_code)
    assert 1 == CALLS["pay"]


def test_do_keeps_how_a_step_is_undone(runs: Runs) -> None:
    """A rollback undoes it."""

    @workflow
    def flow() -> None:
        do("make it", make, "a")
        raise ValueError

    runs.start(flow)
    runs.rollback(flow)

    assert 1 == CALLS["drop a"]


def test_do_keeps_how_often_a_step_is_tried(runs: Runs) -> None:
    """Awaited or not."""

    @workflow
    def flow() -> int:
        return do("stumble", stumble)

    @aio.workflow
    async def awaited() -> int:
        return await aio.do("stumble", stumble)

    assert 2 == runs.start(flow).result
    CALLS.clear()
    assert 2 == runs.start(awaited, id="awaited").result


def test_do_takes_options_for_a_step_that_has_none(runs: Runs) -> None:
    """Two places that say the same thing differently would be a guess."""

    @workflow
    def flow() -> None:
        do("plain", plain, "a", retry=2)
        do("stumble", stumble, retry=5)

    outcome = runs.start(flow)

    assert 2 == outcome.exit_code
    assert "retry= is given here, and step 'stumble' has options of its own" in outcome.reason
    assert (1, 0) == (CALLS["a"], CALLS["stumble"])


@pytest.mark.parametrize(
    "verb",
    [
        lambda: require("paid", pay, "ana"),
        lambda: wait_for("paid", pay, "ana"),
        lambda: each(["ana"], pay),
        lambda: each(["ana"], make),
    ],
)
def test_what_would_drop_a_promise_refuses_it(runs: Runs, verb) -> None:
    """These call it as a plain function, as often as they need."""

    @workflow
    def flow() -> None:
        verb()

    outcome = runs.start(flow)

    assert 2 == outcome.exit_code
    assert "holds only where each call is a step of its own" in outcome.reason
    assert not CALLS


def test_awaited_verbs_refuse_it_too(runs: Runs) -> None:
    """The same rule, the same words."""

    @aio.workflow
    async def flow() -> list[str]:
        said = []
        for verb in (aio.require, aio.wait_for):
            try:
                await verb("paid", pay, "ana")
            except UsageError as error:
                said.append(str(error))
        return said

    assert [
        f"{verb}: step 'pay' has once=, which holds only where each call is a step of its own; "
        "call it in the workflow, or give a plain function"
        for verb in ("require", "wait_for")
    ] == runs.start(flow).result


def test_a_step_that_promises_nothing_goes_anywhere(runs: Runs) -> None:
    """As a condition, as what is waited for, and for each item."""

    @workflow
    def flow() -> list[object]:
        batch = each(["a", "b"], plain, keep=True)
        return [require("a", plain, "a"), wait_for("b", plain, "b"), batch.done]

    assert ["a", "b", 2] == runs.start(flow).result
