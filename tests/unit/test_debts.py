"""Debts: what a step borrows is owed from its start on, until it is given back."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.cordons import CORDONED, cordon, owed, uncordon
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast.app import commands
from holdfast.errors import NotDone
from holdfast.flow import owing
from holdfast.flow.decorator import step
from holdfast.flow.questions import confirm
from holdfast.flow.scopes import flight, preflight
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.model.codec import fingerprint
from holdfast.model.facts import DebtSettled, StepStarted
from holdfast.testing.crash import TESTER, Crash

# --- how a debt ends ---


def test_a_debt_is_settled_by_the_matching_step(runs: Runs) -> None:
    """The owed step with the same shared arguments, anywhere in the run; one with others does
    not."""

    @workflow
    def flow() -> None:
        cordon("n1", why="upgrade")
        uncordon("n2")
        confirm("look")
        with flight():
            do("put back n1", uncordon, "n1")

    runs.start(flow)
    assert ["uncordon n1"] == owed(runs)
    runs.answer("approve")
    outcome = runs.resume(flow)

    assert ("succeeded", []) == (outcome.status, owed(runs))
    (settled,) = runs.facts(DebtSettled)
    assert ("cordon n1", "step", "flight/put back n1") == (settled.key, settled.how, settled.by)


def test_a_crash_in_the_middle_may_already_owe(runs: Runs) -> None:
    """The debt begins with the fact that the step started."""

    @step("borrow", owes=uncordon)
    def borrow(node: str) -> None:
        mortal[0].is_dead = True
        raise Crash

    @workflow
    def flow() -> None:
        borrow("n1")

    mortal: list[Any] = []
    runs.die_in(flow, mortal.append)
    assert ["uncordon n1"] == owed(runs)
    runs.rollback(flow)

    assert ([], 1) == (owed(runs), CALLS["uncordon n1"])


def test_a_failed_step_may_owe_and_one_that_did_nothing_does_not(runs: Runs) -> None:
    """An exception says nothing of what had happened before; NotDone does."""

    def half() -> None:
        raise OSError("half")

    def nothing() -> None:
        raise NotDone("refused")

    @workflow
    def flow() -> None:
        for name, body in (("half", half), ("nothing", nothing)):
            try:
                do(name, body, owes=lambda: touch("give back"))
            except Exception:
                pass
        raise RuntimeError("stop")

    runs.start(flow)

    assert ["half"] == [debt.key for debt in runs.state.ledger.open_debts]


def test_what_was_already_so_owes_nothing(runs: Runs) -> None:
    """Somebody else had cordoned the node before."""
    CORDONED.add("n1")

    @workflow
    def flow() -> None:
        cordon("n1")

    assert "succeeded" == runs.start(flow).status
    assert [] == owed(runs)


def test_settling_in_a_finally_repeats_the_borrowing_step_on_resume(runs: Runs) -> None:
    """A failure's `finally:` gives back; what follows needs the temporary state again."""

    @workflow
    def flow() -> None:
        cordon("n1")
        try:
            do("ready", lambda: fail_until(2) and touch(f"cordoned {'n1' in CORDONED}"))
        finally:
            uncordon("n1")

    runs.start(flow)
    assert ([], set()) == (owed(runs), CORDONED)
    outcome = runs.resume(flow)

    assert ("succeeded", [], 2) == (outcome.status, owed(runs), CALLS["cordon n1"])
    assert 1 == CALLS["cordoned True"]


def test_a_rollback_passes_through_steps_that_were_set_aside(runs: Runs) -> None:
    """The borrowing step is to run again, and the life that would was killed: what was done after
    it is undone all the same, without a question."""

    @workflow
    def flow() -> None:
        cordon("n1")
        try:
            do("set", touch, "set", undo=lambda: touch("undo"))
            raise OSError("boom")
        finally:
            uncordon("n1")

    runs.start(flow)
    runs.crash(flow, at=1)
    assert "superseded" == runs.state.superseded[0].status
    outcome = runs.rollback(flow)

    assert ("rolled_back", 1) == (outcome.status, CALLS["undo"])


def test_a_failed_preflight_settles_what_it_owes(runs: Runs) -> None:
    """Debts and undos are one reverse order."""
    order: list[str] = []

    @workflow
    def flow() -> None:
        with preflight():
            do("a", touch, "a", undo=lambda: order.append("undo a"))
            do("b", touch, "b", owes=lambda: order.append("settle b"))
            do("c", touch, "c", undo=lambda: order.append("undo c"))
            raise OSError("boom")

    outcome = runs.start(flow)

    assert ("failed", []) == (outcome.status, owed(runs))
    assert ["undo c", "settle b", "undo a"] == order


def test_a_step_that_owes_and_has_an_undo_is_undone_first(runs: Runs) -> None:
    """What it borrowed was there before what it did."""
    order: list[str] = []

    @workflow
    def flow() -> None:
        do("a", touch, "a", undo=lambda: order.append("undo"), owes=lambda: order.append("owed"))
        raise OSError("boom")

    runs.start(flow)
    runs.rollback(flow)

    assert ["undo", "owed"] == order


def that_cannot_give_back() -> Any:
    """Return a workflow that borrows, and fails to give back."""

    @step("back {node}")
    def back(node: str) -> None:
        raise OSError("no route")

    @step("out {node}", owes=back)
    def out(node: str) -> None: ...

    @workflow
    def flow() -> None:
        out("n1")
        back("n1")

    return flow


def test_a_person_marks_the_settling_step_as_done(runs: Runs) -> None:
    """`done` on it settles; the debt was named when it started."""
    flow = that_cannot_give_back()
    runs.start(flow)
    assert [("out n1",)] == [f.settles for f in runs.facts(StepStarted) if f.key == "back n1"]
    runs.done("back n1")

    assert [] == owed(runs)
    assert "succeeded" == runs.resume(flow).status


def test_skipping_the_settling_step_leaves_the_debt(runs: Runs) -> None:
    """Nothing was given back: the workflow returns and holds."""
    flow = that_cannot_give_back()
    runs.start(flow)
    commands.skip(runs.store, "r", "back n1", runs.clock, TESTER, "no route")
    outcome = runs.resume(flow)

    assert (3, "debt") == (outcome.exit_code, runs.hold().opened.kind)


# --- many ---


def test_many_debts_are_told_by_the_first_ones(runs: Runs) -> None:
    """A fleet may owe a thousand things: what is asked names ten and counts the others, and the
    yes is to all of them."""

    @workflow
    def flow() -> None:
        for number in range(1_000):
            cordon(f"n{number}")

    outcome = runs.start(flow)

    assert "on_hold" == outcome.status
    (hold,) = runs.state.open_holds
    assert "still owes 1,000 things: uncordon n0, " in hold.opened.question
    assert "uncordon n9, and 990 more; end it" in hold.opened.question
    assert 1_000 == len(hold.opened.evidence["owed"])  # type: ignore[arg-type]


def test_what_a_call_settles_is_told_by_one_digest(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a thousand debts are open: its arguments are not digested for each of them."""

    @workflow
    def flow() -> None:
        for number in range(100):
            cordon(f"n{number}")
        for number in range(100):
            uncordon(f"n{number}")

    taken: list[object] = []

    def counted(arguments: dict[str, object]) -> tuple[str, str]:
        taken.append(arguments)
        return fingerprint(arguments)

    monkeypatch.setattr(owing, "fingerprint", counted)
    assert "succeeded" == runs.start(flow).status
    assert [] == owed(runs)
    assert len(taken) <= 200
