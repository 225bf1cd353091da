"""`resume --recheck`: is the world still as finished steps left it?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.runs import CALLS, Runs, Says, fail_until, touch

from holdfast import Check, aio, confirm, do, parallel, sleep, stage, step, workflow
from holdfast.app.decisions import decisions
from holdfast.app.reasons import why
from holdfast.app.rewinding import rewind
from holdfast.model.facts import DriftAccepted, HoldOpened, Rechecked, StepStarted
from holdfast.runtime.listening import Quiet
from holdfast.testing.crash import TESTER

WORLD: dict[str, Any] = {}
"""What the checks say, by node; a node that is not there is done."""


@pytest.fixture(autouse=True)
def _world() -> None:
    WORLD.clear()


def is_cordoned(node: str) -> Any:
    touch(f"check {node}")
    said = WORLD.get(node, True)
    if isinstance(said, Exception):
        raise said
    return said


def cordon_it(node: str) -> str:
    WORLD.pop(node, None)
    return touch(f"cordon {node}")


@step("cordon {node}", check=is_cordoned)
def cordon(node: str) -> str:
    return cordon_it(node)


def absent_once(*nodes: str) -> None:
    """Let these be done by their steps, and not found done before."""
    WORLD.update(dict.fromkeys(nodes, False))


@workflow(name="flow")
def line() -> object:
    cordon("n1")
    cordon("n2")
    do("plain", touch, "plain")
    return do("end", fail_until, 2)


class Notes(Quiet):
    """Keeps what a person is told beside the facts."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def told(runs: Runs) -> list[str]:
    """Return what is told from now on."""
    notes = Notes()
    runs.setting = replace(runs.setting, listeners=(notes,))
    return notes.texts


def begun(runs: Runs, flow: Any = line, *nodes: str) -> None:
    absent_once(*(nodes or ("n1", "n2")))
    assert "failed" == runs.start(flow).status
    CALLS["check n1"] = CALLS["check n2"] = 0


def test_all_is_still_so(runs: Runs) -> None:
    """It is said how many were asked; the run goes on, and asks no step anew."""
    begun(runs)
    notes = told(runs)
    outcome = runs.resume(line, recheck=True)

    assert "succeeded" == outcome.status
    assert (1, 1) == (CALLS["check n1"], CALLS["check n2"])
    assert "asked 2 checks of finished steps again: all is still so" in notes
    assert [(2, ())] == [(fact.asked, fact.found) for fact in runs.facts(Rechecked)]


def test_what_is_not_so_any_more_holds_the_run(runs: Runs) -> None:
    """Before anything new: with each step, what its check said, and the commands that go on."""
    begun(runs)
    WORLD.update(n1=False, n2=Check.PARTIAL)
    outcome = runs.resume(line, recheck=True)
    hold = runs.hold().opened

    assert ("on_hold", 3) == (outcome.status, outcome.exit_code)
    assert ("drift", "2 finished steps are not so any more: go on all the same?") == (
        hold.kind,
        hold.question,
    )
    assert [("cordon n1", "absent"), ("cordon n2", "partial")] == [*runs.facts(Rechecked)[-1].found]
    assert 1 == CALLS["try"]
    ways = [way.line() for way in why(runs.store, "r").next]
    assert [
        "holdfast retry r 'cordon n1'",
        "holdfast retry r 'cordon n2'",
        "holdfast rewind r --to 'cordon n1' -m REASON",
        "holdfast resume r --accept-drift",
        "holdfast resume r --recheck",
    ] == ways[:5]
    assert "the world has changed" in why(runs.store, "r").summary


@pytest.mark.parametrize("said", [None, Check.UNKNOWN, OSError("no route")])
def test_what_cannot_be_told_is_not_guessed(runs: Runs, said: Any) -> None:
    """It holds too, and says so."""
    begun(runs)
    WORLD["n2"] = said
    runs.resume(line, recheck=True)

    assert "of 1 it cannot be told: go on all the same?" == runs.hold().opened.question
    assert (("cordon n2", "unknown"),) == runs.facts(Rechecked)[-1].found


def test_retry_runs_such_a_step_again(runs: Runs) -> None:
    """It alone; then nothing is left to hold on."""
    begun(runs)
    WORLD["n1"] = False
    runs.resume(line, recheck=True)
    assert "cordon n1: runs again" == runs.rearm("cordon n1")

    assert "succeeded" == runs.resume(line).status
    assert (2, 1) == (CALLS["cordon n1"], CALLS["cordon n2"])


def test_a_step_that_is_still_so_does_not_run_again(runs: Runs) -> None:
    """Only what the check says otherwise of counts as changed."""
    begun(runs)
    WORLD["n1"] = False
    runs.resume(line, recheck=True)

    with pytest.raises(Exception, match="has succeeded; only a changed input"):
        runs.rearm("cordon n2")


def test_the_rest_is_asked_about_again(runs: Runs) -> None:
    """Of two such steps one runs again: the question about both is void."""
    begun(runs)
    WORLD.update(n1=False, n2=False)
    runs.resume(line, recheck=True)
    runs.rearm("cordon n1")
    runs.resume(line)

    assert "1 finished step is not so any more: go on all the same?" == runs.hold().opened.question


def test_accepting_goes_on(runs: Runs) -> None:
    """Who accepted what is recorded; it is not asked again."""
    begun(runs)
    WORLD["n1"] = False
    runs.resume(line, recheck=True)

    assert "succeeded" == runs.resume(line, accept_drift=True).status
    (fact,) = runs.facts(DriftAccepted)
    assert (("cordon n1", "absent"),) == fact.world
    taken = [decision.what for decision in decisions(runs.store, "r")]
    assert "tester@testing accepted the world as it is (cordon n1: absent)" in taken


def test_nobody_goes_past_it(runs: Runs) -> None:
    """A resume without an answer holds again; so does one after a no."""
    begun(runs)
    WORLD["n1"] = False
    runs.resume(line, recheck=True)

    assert ["on_hold"] * 2 == [runs.resume(line).status for _ in range(2)]
    runs.answer("reject", comment="no")
    assert "failed" == runs.row.status
    assert "on_hold" == runs.resume(line).status
    assert 1 == CALLS["try"]


def test_looking_again_forgets_what_was_found(runs: Runs) -> None:
    """Somebody put it right by hand."""
    begun(runs)
    WORLD["n1"] = False
    runs.resume(line, recheck=True)
    del WORLD["n1"]

    assert "succeeded" == runs.resume(line, recheck=True).status


def test_going_back_over_it_forgets_it(runs: Runs) -> None:
    """The step is not a finished one any more."""
    begun(runs)
    WORLD["n1"] = False
    runs.resume(line, recheck=True)
    rewind(runs.store, "r", "cordon n1", runs.clock, TESTER)

    assert "succeeded" == runs.resume(line).status
    assert (2, 1) == (CALLS["cordon n1"], CALLS["cordon n2"])


def test_nothing_else_runs(runs: Runs) -> None:
    """No step, no question, no wait, no check of a step that is not finished."""

    @workflow(name="flow")
    def flow() -> None:
        cordon("n1")
        do("end", fail_until, 2)
        cordon("n9")
        confirm("go on?")
        sleep("1h")

    begun(runs, flow)
    WORLD["n1"] = False
    before = len(runs.facts(StepStarted, HoldOpened))
    runs.resume(flow, recheck=True)

    assert 0 == CALLS["check n9"]
    assert before + 1 == len(runs.facts(StepStarted, HoldOpened))
    assert "drift" == runs.hold().opened.kind


def test_finished_branches_are_looked_at_too(runs: Runs) -> None:
    """A closed scope is walked through; what runs again in it opens it."""

    def node(name: str) -> str:
        cordon(name)
        return do("image", touch, f"image {name}")

    @workflow(name="flow")
    def flow() -> object:
        with stage("flight"):
            nodes = parallel(("n1", node, "n1"), ("n2", node, "n2"), at_once=1)
        return [nodes, do("end", fail_until, 2)]

    begun(runs, flow)
    WORLD["n2"] = False
    runs.resume(flow, recheck=True)
    assert (("flight/n2/cordon n2", "absent"),) == runs.facts(Rechecked)[-1].found
    runs.rearm("flight/n2/cordon n2")

    assert [["image n1", "image n2"], 2] == runs.resume(flow).result
    assert (2, 1) == (CALLS["cordon n2"], CALLS["image n2"])


def test_what_was_given_back_is_not_asked_about(runs: Runs) -> None:
    """A later step uncordoned it, as it should: its check says no, and that is right."""

    @step("uncordon {node}")
    def uncordon(node: str) -> None:
        WORLD[node] = False

    @step("cordon {node}", check=is_cordoned, owes=uncordon)
    def borrow(node: str) -> str:
        return cordon_it(node)

    @workflow(name="flow")
    def flow() -> object:
        borrow("n1")
        uncordon("n1")
        borrow("n2")
        end = do("end", fail_until, 2)
        uncordon("n2")
        return end

    begun(runs, flow)
    WORLD["n2"] = False
    runs.resume(flow, recheck=True)

    assert [(1, (("cordon n2", "absent"),))] == [
        (fact.asked, fact.found) for fact in runs.facts(Rechecked)
    ]


def test_a_script_without_checks_says_so(runs: Runs) -> None:
    """There is nothing to ask."""

    @workflow(name="flow")
    def flow() -> object:
        return do("end", fail_until, 2)

    runs.start(flow)
    notes = told(runs)

    assert 2 == runs.resume(flow, recheck=True).result
    assert "no finished step has a check that could be asked again" in notes


def test_a_person_at_the_terminal_answers_at_once(runs: Runs) -> None:
    """As any hold it is put to whoever is there."""
    begun(runs)
    WORLD["n1"] = False
    runs.setting = replace(runs.setting, person=Says("approve"))

    assert "succeeded" == runs.resume(line, recheck=True).status


def test_awaited_steps_are_looked_at_too(runs: Runs) -> None:
    """One engine."""

    @aio.step("cordon {node}", check=is_cordoned)
    async def awaited(node: str) -> str:
        return cordon_it(node)

    @aio.workflow(name="flow")
    async def flow() -> object:
        async def one(node: str) -> str:
            return await awaited(node)

        await aio.parallel(("a", one, "n1"), ("b", one, "n2"))
        return await aio.do("end", fail_until, 2)

    begun(runs, flow)
    WORLD["n2"] = False
    runs.resume(flow, recheck=True)
    assert (("b/cordon n2", "absent"),) == runs.facts(Rechecked)[-1].found

    assert 2 == runs.resume(flow, accept_drift=True).result
