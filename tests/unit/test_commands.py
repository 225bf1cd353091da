"""The operator's verbs: each is validated against the very state it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

import pytest
from tests.unit.runs import CALLS, HeldUp, Runs, Says, fail_until, touch

from holdfast import Leaving, RunLocked, UsageError, ask, confirm, do, parallel, workflow
from holdfast.app import commands
from holdfast.model.facts import HoldAnswered, RunStopped, StopRequested
from holdfast.testing.crash import TESTER

DEADLINE_S: Final = 60


@workflow(name="flow")
def asking() -> str:
    confirm("go on?")
    return do("next", touch, "next")


@workflow(name="flow")
def failing() -> list[object]:
    return [do("stumble", fail_until, 2), do("next", touch, "next")]


def test_an_answer_is_given_once(runs: Runs) -> None:
    """Repeating it changes nothing, and says who gave it."""
    runs.start(asking)
    runs.answer("approve", comment="fine")

    assert "already approved by tester" == runs.answer("approve")
    assert 1 == len(runs.facts(HoldAnswered))
    assert "next" == runs.start(asking).result


def test_the_first_answer_wins(runs: Runs) -> None:
    """Another one is refused, naming it."""
    runs.start(asking)
    runs.answer("approve")

    with pytest.raises(UsageError, match="already approved by tester"):
        runs.answer("reject", comment="no")


@pytest.mark.parametrize("comment", ["", "   ", "\n\t"])
def test_a_no_needs_a_reason(runs: Runs, comment: str) -> None:
    """Whoever reads the journal wants to know why, and blanks tell nothing."""
    runs.start(asking)

    with pytest.raises(UsageError, match="reason"):
        runs.answer("reject", comment=comment)


def test_an_answer_fits_its_question(runs: Runs) -> None:
    """A value answers a question, a yes answers a confirm, a skip answers a step."""

    @workflow
    def flow() -> object:
        return [ask("which?"), do("x", touch, "x", confirm=True)]

    runs.start(flow)
    with pytest.raises(UsageError, match="use holdfast answer r VALUE"):
        runs.answer("approve")
    runs.answer("value", value="a")
    runs.start(flow)
    with pytest.raises(UsageError, match="approve or reject"):
        runs.answer("value", value="b")
    runs.answer("skip", comment="not needed")

    assert ["a", None] == runs.start(flow).result


def test_a_question_of_the_script_is_not_skipped(runs: Runs) -> None:
    """There is no step to go on without."""
    runs.start(asking)

    with pytest.raises(UsageError, match="approve or reject"):
        runs.answer("skip", comment="no")


class Patient:
    """A person who leaves when both branches have asked."""

    def attend(self, run, state, holds):
        if len(holds) == 2:
            raise Leaving("nobody answers", 3, "park")


def test_several_open_holds_need_a_name(runs: Runs) -> None:
    """The message lists them; `--hold` says which."""

    @workflow
    def flow() -> object:
        return parallel(("a", confirm, "a?"), ("b", confirm, "b?"))

    runs.start(flow, person=Patient())

    with pytest.raises(UsageError, match="--hold"):
        runs.answer("approve")
    for name in ("h1", "h2"):
        runs.answer("approve", hold=name)
    assert "succeeded" == runs.start(flow).status


def test_an_unknown_hold_is_refused(runs: Runs) -> None:
    """The message lists what there is."""
    runs.start(asking)

    with pytest.raises(UsageError, match="h1"):
        runs.answer("approve", hold="h9")


def test_auto_for_the_rest_asks_no_more(runs: Runs) -> None:
    """One yes may cover every later step of the run; a step's own `confirm` still asks."""

    @workflow
    def flow() -> None:
        do("a", touch, "a")
        do("b", touch, "b")
        do("c", touch, "c", confirm=True)

    runs.start(flow, mode="confirm")
    runs.answer("approve", auto_rest=True)
    runs.start(flow)

    assert {"a": 1, "b": 1} == dict(CALLS)
    assert "c" == runs.hold().opened.key


def test_a_stop_is_asked_for_once(runs: Runs) -> None:
    """A second one adds nothing; a harder one does."""
    runs.start(failing)
    runs.stop()
    runs.stop()
    runs.stop(now=True)

    assert [False, True] == [fact.now for fact in runs.facts(StopRequested)]


def test_a_finished_run_is_not_stopped_or_cancelled(runs: Runs) -> None:
    """The message says how it stands."""
    runs.start(asking, person=Says("approve"))

    with pytest.raises(UsageError, match="succeeded"):
        runs.stop()
    with pytest.raises(UsageError, match="succeeded"):
        commands.cancel(runs.store, "r", runs.clock, TESTER, "no")


def test_a_cancelled_run_asks_nothing_more(runs: Runs) -> None:
    """Its open holds are void: there is nothing to answer."""
    runs.start(asking)
    commands.cancel(runs.store, "r", runs.clock, TESTER, "no")

    assert [] == runs.state.open_holds
    with pytest.raises(UsageError):
        runs.answer("approve")


def test_done_gives_a_failed_step_its_value(runs: Runs) -> None:
    """A person did it by hand; the run goes on with what they say."""
    runs.start(failing)
    runs.done("stumble", 7)

    assert [7, "next"] == runs.start(failing).result
    assert 1 == CALLS["try"]
    assert "done by tester" == runs.step("stumble").decided_by


def test_skip_goes_on_without(runs: Runs) -> None:
    """The step's result is None."""
    runs.start(failing)
    commands.skip(runs.store, "r", "stumble", runs.clock, TESTER, "not needed")

    assert [None, "next"] == runs.start(failing).result


def test_a_finished_step_is_left_alone(runs: Runs) -> None:
    """`done`, `skip` and `retry` are for what is not finished."""
    runs.start(asking)
    runs.answer("approve")
    runs.start(asking)

    for verb in (lambda: runs.done("next"), lambda: runs.rearm("next")):
        with pytest.raises(UsageError, match="succeeded"):
            verb()


def test_a_step_that_runs_now_cannot_be_decided(runs: Runs) -> None:
    """Its process lives: it is refused, naming the process."""
    refusals: list[str] = []

    def body() -> None:
        for verb in (lambda: runs.done("busy"), lambda: runs.rearm("busy")):
            with pytest.raises(RunLocked) as refusal:
                verb()
            refusals.append(str(refusal.value))

    @workflow
    def flow() -> None:
        do("busy", body)

    runs.start(flow)

    assert 2 == len([text for text in refusals if "pid" in text])


@pytest.mark.parametrize("verb", ["done", "retry", "skip"])
def test_a_step_that_has_begun_meanwhile_cannot_be_decided(verb: str, runs: Runs) -> None:
    """The process that took the run up since the verb began has the step in hand."""
    entered, release = threading.Event(), threading.Event()

    def body() -> None:
        if touch("body") and CALLS["body"] == 1:
            raise OSError("no")
        entered.set()
        release.wait(DEADLINE_S)

    @workflow(name="flow")
    def flow() -> None:
        do("busy", body)

    def take_up() -> None:
        life.start()
        assert entered.wait(DEADLINE_S)

    runs.start(flow)
    life = threading.Thread(target=runs.resume, args=(flow,))
    store: Any = HeldUp(runs.store, take_up)
    verbs: dict[str, Callable[[], object]] = {
        "done": lambda: commands.mark_done(store, "r", "busy", runs.clock, TESTER, 1, "seen"),
        "retry": lambda: commands.rearm(store, "r", "busy", runs.clock, TESTER),
        "skip": lambda: commands.skip(store, "r", "busy", runs.clock, TESTER, "no"),
    }
    try:
        with pytest.raises(RunLocked, match="busy is running in"):
            verbs[verb]()
    finally:
        release.set()
        life.join()

    assert ("succeeded", 2) == (runs.step("busy").status, CALLS["body"])


def test_an_unknown_step_or_run_is_refused(runs: Runs) -> None:
    """The message says what there is."""
    runs.start(failing)

    with pytest.raises(UsageError, match="stumble"):
        runs.done("other")
    with pytest.raises(UsageError, match="no run"):
        commands.stop(runs.store, "other", runs.clock, TESTER)


def test_a_verb_never_costs_the_owner_a_step(runs: Runs) -> None:
    """Whatever is appended while a step runs, its result is recorded after it."""

    def body() -> str:
        runs.stop(pause=True)
        runs.stop()
        runs.stop(now=True)
        return touch("busy")

    @workflow
    def flow() -> str:
        return do("busy", body)

    runs.start(flow)

    assert "succeeded" == runs.step("busy").status
    assert ["pause"] == [fact.kind for fact in runs.facts(RunStopped)]
    assert "busy" == runs.resume(flow).result
