"""`rewind`: what runs again, what stays, and what refuses it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.rewinding import back, line
from tests.unit.runs import CALLS, Runs, Says, fail_until, touch

from holdfast import (
    RunLocked,
    UsageError,
    confirm,
    do,
    parallel,
    stage,
    workflow,
)
from holdfast.app import commands
from holdfast.app.decisions import decisions
from holdfast.app.reasons import why
from holdfast.app.timeline import log_entries
from holdfast.app.views import show_run
from holdfast.errors import InDoubt, LostOwnership
from holdfast.model.facts import Rewound, StepStarted
from holdfast.runtime.journal import Journal
from holdfast.testing.crash import TESTER, Crash


def test_a_step_and_what_followed_it_run_again(runs: Runs) -> None:
    """The step itself too; what was before it is kept."""
    runs.start(line)
    said = back(runs, "b")

    assert "back to b: 3 steps run again: b, c, stumble" == said
    assert "stopped" == runs.row.status
    assert ["a", "b", "c", 2] == runs.start(line).result
    assert {"a": 1, "b": 2, "c": 2, "try": 2} == dict(CALLS)


def test_what_was_set_aside_is_kept_for_whoever_asks(runs: Runs) -> None:
    """It is shown as superseded, and only `log --all` tells what it did."""
    runs.start(line)
    back(runs, "b")
    shown = show_run(runs.store, "r")["steps"]
    assert isinstance(shown, list)
    told = [e["key"] for e in log_entries(runs.store, "r") if e["kind"] == "StepStarted"]
    all_told = [
        e["key"] for e in log_entries(runs.store, "r", all=True) if e["kind"] == "StepStarted"
    ]

    assert ["superseded"] * 3 == [s["status"] for s in shown if s["key"] != "a"]  # type: ignore[index,call-overload]
    assert (["a"], ["a", "b", "c", "stumble"]) == (told, all_told)


def test_the_epoch_is_raised_and_nobody_owns_the_run(runs: Runs) -> None:
    """A process that was thought dead, and writes on, is refused."""
    runs.start(line)
    late = Journal(runs.store, "r", runs.row.epoch)
    late.refresh()
    back(runs, "b")

    assert (2, None) == (runs.row.epoch, runs.row.owner)
    assert 2 == runs.state.epoch
    with pytest.raises(LostOwnership):
        late.append([StepStarted(runs.clock.now(), "d", 1)])


def test_it_is_told_why_the_run_rests(runs: Runs) -> None:
    """Who took it back, where to and why; the decision is in the audit."""
    runs.start(line)
    back(runs, "c", "the image was wrong")

    assert "taken back to c by tester@testing: the image was wrong" == why(runs.store, "r").summary
    assert "went back to c: 2 steps or scopes set aside: the image was wrong" in (
        list(decisions(runs.store, "r"))[-1].what
    )


def test_a_step_that_ran_twice_began_when_it_ran_first(runs: Runs) -> None:
    """What came after it goes with it, and it does not go with what came after its first start."""

    @workflow(name="flow")
    def flow(version: str = "1") -> None:
        do("a", touch, "a", version="1" if CALLS["end"] == 0 else "2")
        do("b", touch, "b")
        do("end", fail_until, 3, "end")

    runs.start(flow)
    runs.start(flow)
    assert 2 == CALLS["a"]
    back(runs, "b")
    runs.start(flow)

    assert {"a": 2, "b": 2, "end": 3} == dict(CALLS)


class Branches:
    """A workflow of two nodes, one after the other, and an end that fails until it is mended."""

    def __init__(self, at_once: int = 1) -> None:
        def node(name: str) -> str:
            do("drain", touch, f"drain {name}")
            do("image", touch, f"image {name}")
            return name

        @workflow(name="flow")
        def flow() -> object:
            do("before", touch, "before")
            with stage("flight"):
                nodes = parallel(("n1", node, "n1"), ("n2", node, "n2"), at_once=at_once)
            return [nodes, do("end", fail_until, 2, "end")]

        self.workflow = flow


def test_a_scope_runs_again_whole(runs: Runs) -> None:
    """Such as one node, named by its last part; closed scopes around it are open again."""
    flow = Branches().workflow
    runs.start(flow)
    said = back(runs, "n2")

    assert said.startswith("back to flight/n2: 3 steps run again")
    state = runs.state
    assert [False, True] == [state.scopes[key].closed for key in ("flight", "flight/n1")]
    assert "flight/n2" not in state.scopes
    assert [["n1", "n2"], 2] == runs.start(flow).result
    assert {"drain n1": 1, "image n1": 1, "drain n2": 2, "image n2": 2} == {
        name: count for name, count in CALLS.items() if name[-2:] in ("n1", "n2")
    }


def test_the_scope_of_a_step_is_gone_on_with(runs: Runs) -> None:
    """What was before the step in its own scope is kept."""
    flow = Branches().workflow
    runs.start(flow)
    back(runs, "flight/n2/image")
    runs.start(flow)

    assert (1, 2) == (CALLS["drain n2"], CALLS["image n2"])


def test_a_branch_without_steps_is_entered_again(runs: Runs) -> None:
    """Its value is of the time that is set aside."""

    @workflow(name="flow")
    def flow() -> object:
        do("a", touch, "a")
        values = parallel(("one", touch, "one"), ("two", touch, "two"))
        return [values, do("end", fail_until, 2, "end")]

    runs.start(flow)
    back(runs, "a")
    runs.start(flow)

    assert {"a": 2, "one": 2, "two": 2, "end": 2} == dict(CALLS)


def test_a_question_is_asked_again(runs: Runs) -> None:
    """An answer counts for the time in which it was asked, heeded or not."""

    @workflow(name="flow")
    def flow() -> str:
        do("a", touch, "a")
        confirm("go on?")
        return "done"

    runs.start(flow)
    runs.answer("approve")
    back(runs, "a")

    assert ["void"] == [hold.status for hold in runs.state.holds.values()]
    assert "on_hold" == runs.start(flow).status
    assert "h2" == runs.hold().opened.id


def test_what_was_asked_before_stays_answered(runs: Runs) -> None:
    """Only what was asked since the step began is void."""

    @workflow(name="flow")
    def flow() -> object:
        confirm("first?")
        return [do("a", touch, "a"), do("end", fail_until, 2, "end")]

    runs.start(flow, person=Says("approve"))
    back(runs, "a")

    assert ["a", 2] == runs.start(flow).result


def test_a_yes_to_all_the_rest_ends_with_the_time_it_was_given_in(runs: Runs) -> None:
    """Whoever goes back to before it is asked again."""

    @workflow(name="flow")
    def flow() -> None:
        for name in "abc":
            do(name, touch, name)

    runs.start(flow, mode="confirm")
    runs.answer("approve")
    runs.start(flow)
    runs.answer("approve", auto_rest=True)
    runs.stop()
    back(runs, "a")
    runs.resume(flow)

    assert "on_hold" == runs.row.status
    assert "a" == runs.hold().opened.key


def test_a_failure_before_the_step_is_retried_all_the_same(runs: Runs) -> None:
    """One branch failed, another went on: going back in that one forgets no failure."""

    @workflow(name="flow")
    def flow() -> object:
        return parallel(
            ("bad", lambda: do("stumble", fail_until, 2)),
            ("good", lambda: do("a", touch, "a")),
            at_once=1,
        )

    assert "failed" == runs.start(flow).status
    back(runs, "good/a")

    assert [2, "a"] == runs.start(flow).result
    assert 2 == CALLS["a"]


def test_a_step_that_runs_once_needs_a_reason(runs: Runs) -> None:
    """It is named, and runs once more: that is the person's decision."""

    @workflow(name="flow")
    def flow() -> object:
        do("a", touch, "a")
        do("pay", touch, "pay", once=True)
        return do("end", fail_until, 2, "end")

    runs.start(flow)
    with pytest.raises(UsageError, match="pay; say why: add -m"):
        back(runs, "a")
    assert [] == runs.facts(Rewound)

    assert back(runs, "a", "it bounced").endswith("once more, though at most once: pay")
    runs.start(flow)
    assert 2 == CALLS["pay"]


def test_a_step_in_doubt_is_decided_first(runs: Runs) -> None:
    """Going back over it would run it again without anybody's decision."""

    @workflow(name="flow")
    def flow() -> object:
        do("a", touch, "a")
        return do("pay", fail_until, 2, once=True)

    runs.start(flow)

    with pytest.raises(InDoubt, match="holdfast done r pay -m REASON, or holdfast retry r pay"):
        back(runs, "a", "again")
    runs.done("pay", 5)
    back(runs, "a", "again")
    assert "succeeded" == runs.start(flow).status


def test_a_process_that_died_in_such_a_step_leaves_it_in_doubt(runs: Runs) -> None:
    """Also before anybody has taken the run up again."""

    dying: list[Any] = []

    def pay() -> None:
        dying[0].is_dead = True
        raise Crash

    @workflow(name="flow")
    def flow() -> None:
        do("a", touch, "a")
        do("pay", pay, once=True)

    runs.die_in(flow, dying.append)
    assert "running" == runs.step("pay").status

    with pytest.raises(InDoubt):
        back(runs, "a", "again")


def test_a_run_that_a_process_owns_is_not_rewound(runs: Runs) -> None:
    """It is named, and how to stop it; a dead owner does not matter."""
    runs.start(line)
    runs.owned_by_a_living_process()

    with pytest.raises(RunLocked, match=r"pid \d+.*holdfast stop r"):
        back(runs, "a")
    assert [] == runs.facts(Rewound)


@pytest.mark.parametrize("end", ["succeeded", "cancelled"])
def test_a_finished_run_is_not_rewound(runs: Runs, end: str) -> None:
    """The message says what to do instead."""
    runs.start(line)
    if end == "succeeded":
        runs.start(line)
    else:
        commands.cancel(runs.store, "r", runs.clock, TESTER, "no")

    with pytest.raises(UsageError, match="start anew: holdfast run"):
        back(runs, "a")


def test_an_unknown_place_is_refused(runs: Runs) -> None:
    """The message lists what was reached."""
    runs.start(line)

    with pytest.raises(UsageError, match="a, b, c, stumble"):
        back(runs, "d")


def test_it_can_be_done_again(runs: Runs) -> None:
    """Further back, before anything ran; what is set aside already is no place to go back to."""
    runs.start(line)
    back(runs, "b")
    with pytest.raises(UsageError, match="it has a"):
        back(runs, "c")
    back(runs, "a")

    assert "succeeded" == runs.start(line).status
    assert (4, 4) == (runs.row.epoch, runs.state.epoch)


def test_a_stop_of_a_person_stands(runs: Runs) -> None:
    """Going back lifts neither a stop nor a pause: `resume` does."""
    runs.start(line)
    runs.stop(pause=True)
    back(runs, "a")

    assert 3 == runs.start(line).exit_code
    assert "succeeded" == runs.resume(line).status
