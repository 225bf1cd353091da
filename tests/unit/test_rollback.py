"""Rollback: one reverse order, whole or to a step, resumable, and final."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.makings import MADE, boom, make
from tests.unit.runs import CALLS, Runs, Says, fail_until, touch

from holdfast.errors import UsageError
from holdfast.flow.questions import confirm
from holdfast.flow.scopes import flight, stage
from holdfast.flow.verbs import do, require
from holdfast.flow.workflows import workflow
from holdfast.model.facts import RolledBack, StepStarted
from holdfast.model.status import glance
from holdfast.runtime.listening import Quiet


def test_a_rollback_is_final_and_names_what_has_no_undo(runs: Runs) -> None:
    """Steps without an undo and failed ones are left, each with the reason; reading ones are not
    named. No life follows."""

    @workflow
    def flow() -> None:
        require("read", lambda: True)
        make("a")
        do("mail", touch, "mail")
        do("fail", boom)

    runs.start(flow)
    outcome = runs.rollback(flow)

    assert ("rolled_back", 0, []) == (outcome.status, outcome.exit_code, MADE)
    (done,) = runs.facts(RolledBack)
    assert {
        "mail": "it has no undo",
        "fail": "it failed: what it may have done is not undone",
    } == dict(done.left)
    assert glance(done).frees
    assert "rolled_back" == runs.start(flow).status
    with pytest.raises(UsageError, match="was rolled back already"):
        runs.rollback(flow)


def test_a_rollback_to_a_step_undoes_it_and_all_after_and_resume_runs_them(runs: Runs) -> None:
    """STEP itself is undone; what came before keeps its result; steps without undo run again."""

    @workflow
    def flow() -> None:
        make("a")
        make("b")
        do("plain", touch, "plain")
        make("c")
        do("try", fail_until, 2)

    runs.start(flow)
    outcome = runs.rollback(flow, to="make b")
    assert ("stopped", 0, ["a"]) == (outcome.status, outcome.exit_code, MADE)

    assert "succeeded" == runs.resume(flow).status
    assert (["a", "b", "c"], 2) == (MADE, CALLS["plain"])
    assert 1 == len([f for f in runs.facts(StepStarted) if f.key == "make a"])


def test_a_rollback_to_a_scope_undoes_what_is_in_it_and_after(runs: Runs) -> None:
    """STEP may be a stage; one that was closed is entered again."""

    @workflow
    def flow() -> None:
        with stage("one"):
            make("a")
        with stage("two"):
            make("b")
        make("c")
        do("try", fail_until, 2)

    runs.start(flow)
    runs.rollback(flow, to="two")
    assert ["a"] == MADE

    assert "succeeded" == runs.resume(flow).status
    assert ["a", "b", "c"] == MADE
    runs_twice = [f.key for f in runs.facts(StepStarted) if f.key in ("two/make b", "make c")]
    assert 4 == len(runs_twice)


def test_what_was_rolled_back_and_run_again_can_be_rolled_back_again(runs: Runs) -> None:
    """The second undo is a step of its own."""

    @workflow
    def flow() -> None:
        make("a")
        make("b")
        do("fail", boom)

    runs.start(flow)
    runs.rollback(flow, to="make b")
    runs.resume(flow)
    runs.rollback(flow, to="make b")
    assert (["a"], 2) == (MADE, CALLS["undo b"])
    runs.rollback(flow)

    assert ([], 2, 1) == (MADE, CALLS["undo b"], CALLS["undo a"])


@workflow
def cleaned_up() -> None:
    """A failure, after which a step of the script's own cleaning up runs."""
    try:
        make("a")
        do("fail", boom)
    finally:
        make("cleanup")


def test_steps_of_a_finally_block_are_undone_once(runs: Runs) -> None:
    """What ran after the failure is part of what the run did, however often it was resumed."""
    runs.start(cleaned_up)
    runs.resume(cleaned_up)
    outcome = runs.rollback(cleaned_up)

    assert ("rolled_back", ["cleanup"]) == (outcome.status, MADE), "it ran twice: undone once"


def test_a_rollback_after_a_resume_that_was_killed_finds_what_ran_before(runs: Runs) -> None:
    """Steps that were set aside, to run again, have changed the world all the same."""
    runs.start(cleaned_up)
    runs.crash(cleaned_up, at=1)
    outcome = runs.rollback(cleaned_up)

    assert ("rolled_back", []) == (outcome.status, MADE)


def test_a_rollback_of_a_run_that_succeeded_is_refused(runs: Runs) -> None:
    """It is over: nothing is recorded."""

    @workflow
    def flow() -> None:
        with flight():
            make("a")

    runs.start(flow)
    before = runs.state.seq
    with pytest.raises(UsageError, match="has succeeded already"):
        runs.rollback(flow)

    assert before == runs.state.seq


def test_old_questions_are_void_once_a_run_is_rolled_back(runs: Runs) -> None:
    """A parked run: what it asked is not asked on the way back, nor answered after it."""

    @workflow
    def flow() -> None:
        make("a")
        confirm("go on?")

    runs.start(flow)
    person = Says("approve")
    outcome = runs.rollback(flow, person=person, mode="confirm")

    assert ("rolled_back", ["undo make a?"]) == (outcome.status, person.asked)
    assert [] == runs.state.open_holds


def test_what_stops_the_walk_is_told(runs: Runs) -> None:
    """An edited script that raises before it reaches what was done: nothing is undone, and the
    note says where it raised."""
    lives: list[int] = []

    @workflow
    def flow() -> None:
        lives.append(1)
        if len(lives) > 1:
            raise NameError("nodes")
        make("a")
        boom()

    heard = Heard()
    runs.start(flow)
    runs.setting = replace(runs.setting, listeners=(heard,))
    outcome = runs.rollback(flow)

    assert ("on_hold", ["a"]) == (outcome.status, MADE)
    (note,) = heard.notes
    assert "walked only as far as" in note and "NameError: nodes" in note


class Heard(Quiet):
    """Keeps the notes of a life."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
