"""Stages that undo themselves when they fail."""

from __future__ import annotations

import pytest
from tests.unit.makings import MADE, boom, make
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast.flow.questions import confirm
from holdfast.flow.scopes import parallel, preflight, stage
from holdfast.flow.verbs import do, require
from holdfast.flow.workflows import workflow
from holdfast.model.facts import RunFailed, StageUndone, StepUndone
from holdfast.model.status import glance

# --- a stage that undoes itself ---


def test_a_failed_preflight_leaves_nothing_and_says_so(runs: Runs) -> None:
    """What it did is undone in reverse order; the run is failed with nothing committed, and lets
    go of its target."""

    @workflow
    def flow() -> None:
        with preflight():
            make("a")
            make("b")
            require("ready", lambda: False)

    outcome = runs.start(flow)

    assert ("failed", 1, []) == (outcome.status, outcome.exit_code, MADE)
    (failed,) = runs.facts(RunFailed)
    assert failed.is_undone and glance(failed).frees
    assert ["pre-flight/make b", "pre-flight/make a"] == [f.key for f in runs.facts(StepUndone)]


@pytest.mark.parametrize("at", range(5))
def test_a_preflight_that_fails_at_any_of_its_steps_leaves_the_world_as_it_was(
    runs: Runs, at: int
) -> None:
    """Whichever it is: a pretend cluster is exactly as before, byte for byte."""
    cluster = {"nodes": {"n1": "up", "n2": "up"}, "alerts": ["p99"]}
    before = repr(cluster)

    def may_fail(number: int) -> None:
        if number == at:
            raise OSError(f"step {number} fails")

    def drain(node: str) -> str:
        may_fail(1 if node == "n1" else 2)
        was, cluster["nodes"][node] = cluster["nodes"][node], "drained"  # type: ignore[index,call-overload]
        return str(was)

    def fill(node: str, result: str) -> None:
        cluster["nodes"][node] = result  # type: ignore[index,call-overload]

    def silence() -> None:
        may_fail(3)
        cluster["alerts"].clear()  # type: ignore[union-attr,attr-defined]

    def ring() -> None:
        cluster["alerts"][:] = ["p99"]  # type: ignore[index]

    @workflow
    def flow() -> None:
        with preflight():
            do("look", may_fail, 0)
            do("drain n1", drain, "n1", undo=fill)
            do("drain n2", drain, "n2", undo=fill)
            do("silence", silence, owes=ring)
            do("last", may_fail, 4)

    outcome = runs.start(flow)

    assert ("failed", before) == (outcome.status, repr(cluster))
    assert [] == runs.state.ledger.open_debts


def test_a_preflight_that_undid_itself_runs_again_whole(runs: Runs) -> None:
    """Also those steps that have no undo: on resume the stage begins anew."""

    @workflow
    def flow() -> str:
        with preflight():
            do("look", touch, "look")
            make("a")
            do("try", fail_until, 2)
        return "flown"

    runs.start(flow)
    outcome = runs.resume(flow)

    assert "flown" == outcome.result
    assert (2, ["a"]) == (CALLS["look"], MADE)


def test_an_error_between_the_steps_undoes_a_preflight_too(runs: Runs) -> None:
    """Any failure does, whoever raises it; and code around the stage cannot go on after it."""

    @workflow
    def flow() -> None:
        try:
            with preflight():
                make("a")
                boom()
        except OSError:
            pass
        do("after", touch, "after")

    outcome = runs.start(flow)

    assert ("failed", "OSError: boom", 0) == (outcome.status, outcome.reason, CALLS["after"])
    assert [] == MADE


def test_a_stage_that_has_ended_well_undoes_nothing_when_it_is_walked_again(runs: Runs) -> None:
    """What came after it builds on it: an error in its block in a later life is a failure of the
    run, and the life after that goes on."""
    lives: list[int] = []

    @workflow
    def flow() -> str:
        lives.append(1)
        with preflight():
            make("a")
            if len(lives) == 2:
                boom()
        do("use a", touch, "used")
        confirm("ready?")
        return "flown"

    runs.start(flow)
    runs.answer("approve")
    second = runs.resume(flow)
    (failed,) = runs.facts(RunFailed)

    assert ("failed", "OSError: boom", ["a"]) == (second.status, second.reason, MADE)
    assert not failed.is_undone and not runs.facts(StageUndone)
    assert ("flown", ["a"], 1) == (runs.resume(flow).result, MADE, CALLS["used"])


def test_a_failure_that_the_stage_catches_undoes_nothing(runs: Runs) -> None:
    """What the script handles inside is an outcome like any other."""

    @workflow
    def flow() -> None:
        with stage("careful", on_failure="undo"):
            make("a")
            try:
                do("fail", boom)
            except Exception:
                make("b")

    assert "succeeded" == runs.start(flow).status
    assert ["a", "b"] == MADE


def test_a_branch_that_was_closed_in_an_earlier_life_is_undone_too(runs: Runs) -> None:
    """A pre-flight enters closed branches again, to learn how they are undone."""

    @workflow
    def flow() -> None:
        with preflight():
            parallel(("x", make, "x"), ("y", make, "y"), at_once=1)
            confirm("ready?")
            require("ready", lambda: False)

    runs.start(flow)
    assert ["x", "y"] == sorted(MADE)
    runs.answer("approve")
    runs.resume(flow)

    assert [] == MADE


def test_a_closed_branch_that_was_edited_starts_nothing_new(runs: Runs) -> None:
    """It is entered again only to learn how its steps are undone; its recorded value stays."""
    lives: list[int] = []

    def branch() -> str:
        make("x")
        if len(lives) > 1:
            do("new", touch, "new")
        return f"life {len(lives)}"

    @workflow
    def flow() -> list[str]:
        lives.append(1)
        with preflight():
            (found,) = parallel(("branch", branch))
            confirm("ready?")
            require("ready", lambda: found == "life 1")
            require("never", lambda: False)
        return found

    runs.start(flow)
    runs.answer("approve")
    outcome = runs.resume(flow)

    assert "pre-flight/never" in outcome.reason
    assert (0, []) == (CALLS["new"], MADE)


def test_a_parked_preflight_that_is_rejected_is_undone_by_the_next_life(runs: Runs) -> None:
    """First the undo, then everything again, the question too."""

    @workflow
    def flow() -> str:
        with preflight():
            make("a")
            confirm("ready?")
        return "flown"

    runs.start(flow)
    runs.answer("reject", comment="not today")
    assert ("failed", ["a"]) == (runs.state.status, MADE)
    assert "on_hold" == runs.resume(flow).status
    assert (1, 1) == (CALLS["undo a"], len(runs.facts(StageUndone)))
    assert "ready?" == runs.hold().opened.question
    runs.answer("approve")

    assert "flown" == runs.resume(flow).result
    assert ["a"] == MADE


def test_an_undo_that_fails_stops_and_is_gone_on_with(runs: Runs) -> None:
    """The run is failed and not undone; the next life begins with that undo, and then runs the
    pre-flight again."""

    def undo() -> None:
        fail_until(2, "undo")
        MADE.remove("odd")

    @workflow
    def flow() -> str:
        with preflight():
            make("a")
            do("odd", MADE.append, "odd", undo=undo)
            do("try", fail_until, 2)
        return "flown"

    outcome = runs.start(flow)
    assert ("failed", ["a", "odd"]) == (outcome.status, MADE)
    assert "pre-flight/odd#undo" in outcome.reason
    assert not runs.facts(RunFailed)[-1].is_undone

    assert "flown" == runs.resume(flow).result
    assert ["a", "odd"] == MADE
    assert 1 == CALLS["undo a"]


def test_on_failure_is_one_of_two_words(runs: Runs) -> None:
    """A misspelt contract is refused, before it is needed."""

    @workflow
    def flow() -> None:
        with stage("s", on_failure="rollback"):  # type: ignore[arg-type]
            make("a")

    outcome = runs.start(flow)

    assert (2, []) == (outcome.exit_code, MADE)
    assert "choose stop or undo" in outcome.reason
