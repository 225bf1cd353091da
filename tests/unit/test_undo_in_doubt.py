"""An undo that a death cut short: it is asked about, unless something tells how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.unit.runs import CALLS, Runs, Says, touch

from holdfast import aio
from holdfast.app import commands
from holdfast.app.reasons import why
from holdfast.app.starting import Setting, rollback, settle, start
from holdfast.app.views import show_run
from holdfast.engine.spec import Check
from holdfast.errors import InDoubt, UsageError
from holdfast.flow.decorator import step
from holdfast.flow.inside import save, saved
from holdfast.flow.scopes import preflight
from holdfast.flow.verbs import do
from holdfast.flow.workflows import Workflow, workflow
from holdfast.model.facts import StepLeft, StepStarted
from holdfast.model.retry import Retry
from holdfast.ports.store import Store
from holdfast.testing.crash import TESTER, Crash, Mortal

ARMED: list[Mortal] = []


def undo() -> None:
    """Note it, and die in the middle when the life is one to be killed."""
    touch("undo")
    if ARMED:
        ARMED.pop().is_dead = True
        raise Crash


def boom() -> None:
    raise OSError("boom")


def killed(runs: Runs, go: Callable[[Setting], object]) -> None:
    """Run one life, which dies in its first undo."""
    mortal = Mortal(runs.store)
    ARMED[:] = [mortal]
    with pytest.raises(Crash):
        go(replace(runs.setting, store=cast(Store, mortal)))
    runs.store.release("r", runs.row.epoch)


def cut_short(runs: Runs, flow: Workflow[..., Any]) -> None:
    """Start the run, which fails, and roll it back until it dies in its first undo."""
    runs.start(flow)
    killed(runs, lambda setting: rollback(setting, "r", flow))


@workflow
def plain() -> None:
    do("make", touch, "make", undo=undo)
    boom()


def commands_of(runs: Runs) -> list[str]:
    return [way.line() for way in why(runs.store, "r").next]


# --- it is asked about ---


def test_it_holds_until_a_person_says_and_is_not_repeated(runs: Runs) -> None:
    """Exit 6, however often it is gone on with; the hold names the undo, not its step."""
    cut_short(runs, plain)
    for go in (runs.resume, runs.rollback, runs.resume):
        outcome = go(plain)

        assert ("on_hold", 6, 1) == (outcome.status, outcome.exit_code, CALLS["undo"])
    opened = runs.hold().opened
    assert ("in_doubt", "make#undo") == (opened.kind, opened.key)
    assert opened.question == (
        "did make#undo take effect? An undo is not repeated unasked, and its end is not known"
    )


@pytest.mark.parametrize("is_resumed", [False, True])
def test_everything_that_reads_says_so(runs: Runs, is_resumed: bool) -> None:
    """Right after the kill as well as on hold: the step is in doubt, and the commands that decide
    it stand first, as they are to be typed."""
    cut_short(runs, plain)
    if is_resumed:
        runs.resume(plain)
    shown: Any = show_run(runs.store, "r")
    reasons = {reason.kind: reason.text for reason in why(runs.store, "r").reasons}

    assert ("on_hold" if is_resumed else "interrupted") == shown["run"]["status"]
    assert ["in_doubt"] == [s["status"] for s in shown["steps"] if s["key"] == "make#undo"]
    assert reasons["in_doubt"].endswith("An undo is not repeated unasked")
    assert [
        "holdfast done r 'make#undo' -m REASON",
        "holdfast retry r 'make#undo'",
        "holdfast resume r",
    ] == commands_of(runs)[:3]
    if is_resumed:
        assert ["make#undo"] == commands.undecided(runs.row, runs.state)


@pytest.mark.parametrize("is_resumed", [False, True])
@pytest.mark.parametrize(("verb", "undone"), [("done", 1), ("rearm", 2)])
def test_a_person_decides_it(runs: Runs, verb: str, undone: int, is_resumed: bool) -> None:
    """`done`: it took effect, and the rollback goes on with the next. `retry`: it runs again."""
    cut_short(runs, plain)
    if is_resumed:
        runs.resume(plain)
    getattr(runs, verb)("make#undo")
    outcome = runs.resume(plain)

    assert ("rolled_back", undone) == (outcome.status, CALLS["undo"])
    assert [] == runs.state.open_holds


def test_it_is_neither_skipped_nor_gone_around(runs: Runs) -> None:
    """Whether it took effect has to be said first."""
    cut_short(runs, plain)
    with pytest.raises(UsageError, match="is in doubt: say `done`"):
        commands.skip(runs.store, "r", "make#undo", runs.clock, TESTER, "leave it")
    runs.resume(plain)
    with pytest.raises(UsageError, match="whether make#undo took effect: say `done`"):
        runs.answer("approve")

    with pytest.raises(UsageError, match="is in doubt: say `done`"):
        commands.skip(runs.store, "r", "make#undo", runs.clock, TESTER, "leave it")
    assert 1 == CALLS["undo"]


def test_a_preflight_that_undoes_itself_asks_too(runs: Runs) -> None:
    """Before anything else; when it is said, the pre-flight ends its undo and runs again whole."""

    @workflow
    def flow() -> str:
        with preflight():
            do("before", touch, "before", undo=lambda: touch("undo before"))
            do("make", touch, "make", undo=undo)
            if CALLS["make"] == 1:
                boom()
        return "flown"

    killed(runs, lambda setting: start(setting, flow, {}, id="r"))
    outcome = runs.resume(flow)
    assert (6, 1, 0) == (outcome.exit_code, CALLS["undo"], CALLS["undo before"])
    runs.done("pre-flight/make#undo")

    assert "flown" == runs.resume(flow).result
    assert (1, 1, 2) == (CALLS["undo"], CALLS["undo before"], CALLS["make"])


def test_an_awaited_undo_is_asked_about_the_same_way(runs: Runs) -> None:
    """A coroutine promises as little as a plain function."""

    async def awaited() -> None:
        await asyncio.sleep(0)
        undo()

    @aio.step("make", undo=awaited)
    async def make() -> None: ...

    @aio.workflow
    async def flow() -> None:
        await make()
        boom()

    cut_short(runs, flow)
    outcome = runs.resume(flow)
    assert (6, 1) == (outcome.exit_code, CALLS["undo"])
    runs.rearm("make#undo")

    assert ("rolled_back", 2) == (runs.resume(flow).status, CALLS["undo"])


def test_a_yes_that_was_given_does_not_cover_a_second_time(runs: Runs) -> None:
    """In mode confirm the undo was approved, and then its process died: the doubt comes first."""
    runs.start(plain, person=Says("approve"), mode="confirm")
    yes = Says("approve")
    killed(runs, lambda setting: rollback(replace(setting, person=yes), "r", plain))

    assert 6 == runs.resume(plain).exit_code
    assert (["undo make?"], 1) == (yes.asked, CALLS["undo"])


# --- what tells ---


@pytest.mark.parametrize(
    ("says", "code", "undone"),
    [
        (Check.ABSENT, 0, 1),
        (Check.DONE, 0, 2),
        (Check.PARTIAL, 6, 1),
        (Check.UNKNOWN, 6, 1),
        (OSError("it cannot be asked"), 6, 1),
    ],
)
def test_the_check_of_the_step_decides(runs: Runs, says: Any, code: int, undone: int) -> None:
    """What is no longer so has been undone; what is still so has not: nobody is asked. A check
    that knows neither decides nothing."""
    answers: list[Any] = [Check.ABSENT]

    def check() -> object:
        if isinstance(answers[-1], Exception):
            raise answers[-1]
        return answers[-1]

    @workflow
    def flow() -> None:
        do("make", touch, "make", check=check, undo=undo)
        boom()

    cut_short(runs, flow)
    answers.append(says)
    outcome = runs.resume(flow)

    assert (code, undone) == (outcome.exit_code, CALLS["undo"])
    assert (code == 6) == bool(runs.state.open_holds)


def test_a_step_as_the_undo_keeps_its_own_rules(runs: Runs) -> None:
    """Without `once` it runs at least once, like any step: that is how a script says that a second
    time does no harm."""

    @workflow
    def flow() -> None:
        do("make", touch, "make", undo=step("unmake")(undo))
        boom()

    cut_short(runs, flow)
    outcome = runs.resume(flow)

    assert ("rolled_back", 0, 2) == (outcome.status, outcome.exit_code, CALLS["undo"])


def test_what_was_begun_as_a_promise_is_asked_about_when_that_is_taken_back(runs: Runs) -> None:
    """The script is edited between the lives: as it is now, nobody says that it may run twice.
    What an older release began is asked about for the same reason."""

    def flow(way: Callable[[], None]) -> Workflow[..., Any]:
        @workflow(name="flow")
        def main() -> None:
            do("make", touch, "make", undo=way)
            boom()

        return main

    cut_short(runs, flow(step("unmake")(undo)))
    assert not runs.step("make#undo").asks_when_interrupted

    assert 6 == runs.resume(flow(undo)).exit_code


def test_what_is_owed_is_given_back_again_unasked(runs: Runs) -> None:
    """By a rollback and by `settle`, a plain function too: the script itself would do it again in
    its place, and what stays cordoned all night costs more."""

    @workflow
    def flow() -> None:
        do("borrow", touch, "borrow", owes=undo)
        boom()

    runs.start(flow)
    killed(runs, lambda setting: settle(setting, "r", flow))
    outcome = runs.settle(flow)
    assert (0, 2, []) == (outcome.exit_code, CALLS["undo"], runs.state.ledger.open_debts)
    runs.resume(flow)
    killed(runs, lambda setting: rollback(setting, "r", flow))

    assert ("rolled_back", 4) == (runs.resume(flow).status, CALLS["undo"])


# --- what is no doubt ---


def test_an_undo_that_raises_has_failed_and_is_retried(runs: Runs) -> None:
    """Its end is known: as many attempts as its step has, and then the rollback stops."""

    def fails() -> None:
        touch("undo")
        boom()

    @workflow
    def flow() -> None:
        do("make", touch, "make", undo=fails, retry=Retry(attempts=2, first="1s"))
        boom()

    runs.start(flow)
    outcome = runs.rollback(flow)

    assert ("failed", 1, 2) == (outcome.status, outcome.exit_code, CALLS["undo"])
    assert [] == runs.state.in_doubt()


def test_an_undo_that_leaves_at_a_save_goes_on_unasked(runs: Runs) -> None:
    """It left in order, and what it saved is where it goes on."""

    def long() -> None:
        for number in range(saved(0), 3):
            touch(f"undo {number}")
            if number == 1:
                runs.stop()
            save(number + 1)

    @workflow
    def flow() -> None:
        do("make", touch, "make", undo=long)
        boom()

    runs.start(flow)
    assert "stopped" == runs.rollback(flow).status
    assert 1 == len(runs.facts(StepLeft))

    assert "rolled_back" == runs.resume(flow).status
    assert [1, 1, 1] == [CALLS[f"undo {number}"] for number in range(3)]


def test_a_kill_before_the_undo_began_or_after_it_ended_asks_nothing(runs: Runs) -> None:
    """Only what is recorded as begun, and not as ended, is in doubt."""

    @workflow
    def flow() -> None:
        do("one", touch, "one", undo=lambda: touch("undo one"))
        do("two", touch, "two", undo=undo)
        boom()

    cut_short(runs, flow)
    began = [fact.key for fact in runs.facts(StepStarted) if fact.asks_when_interrupted]
    assert ["two#undo"] == began
    runs.resume(flow)
    runs.done("two#undo")

    assert ("rolled_back", 1) == (runs.resume(flow).status, CALLS["undo one"])


def test_a_run_with_an_undo_in_doubt_is_not_rewound(runs: Runs) -> None:
    """The rollback is to be ended first."""
    from holdfast.app.rewinding import rewind

    cut_short(runs, plain)

    with pytest.raises((UsageError, InDoubt), match="being undone"):
        rewind(runs.store, "r", "make", runs.clock, TESTER, "again")


def test_a_step_that_was_cut_short_and_is_to_be_undone_is_called_what_it_is(runs: Runs) -> None:
    """It may run more than once: nobody is told that it may not, and what hangs on the answer."""

    @workflow
    def flow() -> None:
        do("make", undo, undo=lambda: None)  # Dies in its body.

    killed(runs, lambda setting: start(setting, flow, {}, id="r"))
    runs.rollback(flow)
    reasons = {reason.kind: reason.text for reason in why(runs.store, "r").reasons}

    assert runs.hold().opened.question == (
        "did make take effect? It is undone only if it took effect, and its end is not known"
    )
    assert reasons["in_doubt"].endswith("It is undone only if it took effect")
