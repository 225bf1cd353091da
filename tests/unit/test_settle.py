"""What is owed in the end: the hold, `settle`, and a run that is cancelled."""

from __future__ import annotations

import pytest
from tests.unit.cordons import CORDONED, cordon, owed, uncordon
from tests.unit.runs import CALLS, Runs, Says, fail_until, touch

from holdfast.app import commands
from holdfast.app.reasons import why
from holdfast.app.starting import settle
from holdfast.app.views import show_run
from holdfast.errors import UsageError
from holdfast.flow.questions import confirm
from holdfast.flow.scopes import parallel
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.model.facts import DebtAccepted, DebtSettled
from holdfast.testing.crash import TESTER

# --- the end of the workflow ---


def test_a_workflow_that_returns_with_debts_holds(runs: Runs) -> None:
    """Exit 3, and what is owed is shown with the question."""

    @workflow
    def flow() -> None:
        cordon("n1")

    outcome = runs.start(flow)

    assert ("on_hold", 3) == (outcome.status, outcome.exit_code)
    hold = runs.hold().opened
    assert [{"key": "cordon n1", "owes": "uncordon n1"}] == hold.evidence["owed"]


def test_what_is_settled_is_not_asked_about_any_more(runs: Runs) -> None:
    """The question is void, and what is left to do is to go on."""

    @workflow
    def flow() -> None:
        cordon("n1")

    runs.start(flow)
    settle(runs.setting, "r", flow)
    ways = [way.argv[0] for way in why(runs.store, "r").next]

    assert ["void"] == [hold.status for hold in runs.state.holds.values()]
    assert "resume" == ways[0] and "settle" not in ways
    assert "succeeded" == runs.resume(flow).status


def test_debts_are_accepted_with_a_reason_only(runs: Runs) -> None:
    """Then the run ends, and nobody is asked for it any more."""

    @workflow
    def flow() -> str:
        cordon("n1")
        return "done"

    runs.start(flow)
    with pytest.raises(UsageError, match="needs a reason"):
        runs.answer("approve", comment=" ")
    runs.answer("approve", comment="the node is scrapped")
    outcome = runs.resume(flow)

    assert ("succeeded", "done", []) == (outcome.status, outcome.result, owed(runs))
    (accepted,) = runs.facts(DebtAccepted)
    assert ("cordon n1", "the node is scrapped") == (accepted.key, accepted.reason)
    (debt,) = show_run(runs.store, "r")["debts"]  # type: ignore[misc]
    assert (False, True) == (debt["settled"], debt["accepted"])  # type: ignore[index,call-overload]


def test_settle_after_the_end_lets_the_run_succeed(runs: Runs) -> None:
    """The workflow has returned: the step that borrowed does not run again."""

    @workflow
    def flow() -> None:
        parallel(("n1", cordon, "n1"), ("n2", cordon, "n2"), at_once=1)

    runs.start(flow)
    outcome = runs.settle(flow)
    assert ("stopped", 0, set(), []) == (outcome.status, outcome.exit_code, CORDONED, owed(runs))

    assert "succeeded" == runs.resume(flow).status
    assert 1 == CALLS["cordon n1"]


def test_a_debt_settled_by_hand_is_found_gone_by_its_check(runs: Runs) -> None:
    """On resume the checks behind open debts are asked."""

    @workflow
    def flow() -> None:
        cordon("n1")

    runs.start(flow)
    CORDONED.clear()
    outcome = runs.resume(flow)

    assert ("succeeded", "check") == (outcome.status, runs.facts(DebtSettled)[0].how)
    assert 1 == CALLS["cordon n1"]


def test_a_rejected_debt_fails_the_run_and_is_asked_again(runs: Runs) -> None:
    """A no to ending is a no."""

    @workflow
    def flow() -> None:
        cordon("n1")

    outcome = runs.start(flow, person=Says("reject", comment="give it back"))
    assert ("failed", 1) == (outcome.status, outcome.exit_code)

    assert "on_hold" == runs.resume(flow).status


# --- settle ---


def test_settle_runs_only_what_is_owed_and_the_borrower_runs_again(runs: Runs) -> None:
    """Undos are not run; on resume the step that borrowed borrows anew."""

    @workflow
    def flow() -> None:
        do("made", touch, "made", undo=lambda: touch("undo"))
        cordon("n1")
        do("ready", fail_until, 2)
        uncordon("n1")

    runs.start(flow)
    runs.settle(flow)
    assert (set(), 0) == (CORDONED, CALLS["undo"])
    outcome = runs.resume(flow)

    assert ("succeeded", 2, 1) == (outcome.status, CALLS["cordon n1"], CALLS["made"])


def test_a_debt_found_gone_before_the_end_is_borrowed_again(runs: Runs) -> None:
    """Somebody uncordoned the node by hand; what comes needs it cordoned."""

    @workflow
    def flow() -> None:
        cordon("n1")
        do("ready", fail_until, 2)
        do("see", lambda: touch(f"cordoned {'n1' in CORDONED}"))
        uncordon("n1")

    runs.start(flow)
    CORDONED.clear()
    outcome = runs.resume(flow)

    assert ("succeeded", 1) == (outcome.status, CALLS["cordoned True"])


def test_settle_is_refused_where_there_is_nothing_to_settle(runs: Runs) -> None:
    """It says so, and changes nothing."""

    @workflow
    def flow() -> None:
        confirm("wait")

    runs.start(flow)
    before = runs.state.seq
    with pytest.raises(UsageError, match="owes nothing"):
        runs.settle(flow)

    assert before == runs.state.seq


def test_a_settling_that_fails_is_gone_on_with(runs: Runs) -> None:
    """The debt stays; `settle` again tries it again."""

    @workflow
    def flow() -> None:
        do("a", touch, "a", owes=lambda: fail_until(2, "back"))
        raise OSError("boom")

    runs.start(flow)
    outcome = runs.settle(flow)
    assert ("failed", ["a"]) == (outcome.status, [d.key for d in runs.state.ledger.open_debts])
    runs.settle(flow)

    assert [] == runs.state.ledger.open_debts


# --- cancel ---


def test_a_run_that_owes_is_cancelled_only_with_abandon(runs: Runs) -> None:
    """Then nobody lists it any more; the run's own record keeps it."""

    @workflow
    def flow() -> None:
        cordon("n1")
        confirm("wait")

    runs.start(flow)
    with pytest.raises(UsageError, match="--abandon"):
        commands.cancel(runs.store, "r", runs.clock, TESTER, "over")
    said = commands.cancel(runs.store, "r", runs.clock, TESTER, "over", abandon=True).text

    assert "nobody gives back: uncordon n1" in said
    assert [] == list(runs.store.debts())
    assert [False] == [d["settled"] for d in show_run(runs.store, "r")["debts"]]  # type: ignore[index,union-attr,call-overload]


def test_a_run_that_is_being_undone_is_told_to_go_on_with_that(runs: Runs) -> None:
    """`settle` is refused there: what it owes is given back on the way."""

    @workflow
    def flow() -> None:
        cordon("n1")
        do("a", touch, "a", undo=lambda: 1 // 0)
        confirm("wait")

    runs.start(flow)
    runs.rollback(flow)

    with pytest.raises(UsageError, match=r"being undone.*holdfast resume r`, or leave.*--abandon"):
        commands.cancel(runs.store, "r", runs.clock, TESTER, "over")


def test_a_run_that_is_at_work_is_stopped_before_it_gives_back(runs: Runs) -> None:
    """`settle` is refused as long as a process owns it."""

    @workflow
    def flow() -> None:
        cordon("n1")
        confirm("wait")

    runs.start(flow)
    runs.owned_by_a_living_process()

    with pytest.raises(UsageError, match=r"`holdfast stop r`, then give it back with `holdfast s"):
        commands.cancel(runs.store, "r", runs.clock, TESTER, "over")
