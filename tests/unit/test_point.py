"""The point of no return: rollback before it, none after it, and always the reason."""

from __future__ import annotations

import pytest
from tests.unit.runs import CALLS, Runs, Says, touch

import holdfast
from holdfast import aio
from holdfast.app.planning import plan
from holdfast.errors import PastNoReturn, UsageError
from holdfast.flow.point import no_return
from holdfast.flow.scopes import flight, postflight, preflight
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.model.facts import PointPassed
from holdfast.model.terms import Terms

REASON = "cluster version 3.5: 3.4 cannot read it"


def upgrade(fail_after: int) -> holdfast.flow.workflows.Workflow[[], None]:  # type: ignore[name-defined]
    """Return an upgrade of three members that fails after so many."""

    @workflow(name="upgrade")
    def flow() -> None:
        with flight():
            for number in range(3):
                if number == 2:
                    no_return(REASON)
                do(f"set {number}", touch, f"set {number}", undo=lambda: touch("undo"))
                if number + 1 == fail_after:
                    raise OSError("boom")

    return flow


@pytest.mark.parametrize("members", [1, 2])
def test_an_upgrade_is_rolled_back_before_the_point(runs: Runs, members: int) -> None:
    """After one and after two of three members."""
    flow = upgrade(members)
    runs.start(flow)

    assert "rolled_back" == runs.rollback(flow).status
    assert members == CALLS["undo"]


def test_a_rollback_after_the_point_is_refused_with_the_reason(runs: Runs) -> None:
    """After the third member: exit 1, nothing is recorded."""
    flow = upgrade(3)
    runs.start(flow)
    before = runs.state.seq
    with pytest.raises(PastNoReturn) as refused:
        runs.rollback(flow)
    with pytest.raises(PastNoReturn):
        runs.rollback(flow, to="set 2")

    assert (1, before, 0) == (refused.value.exit_code, runs.state.seq, CALLS["undo"])
    assert REASON in str(refused.value) and "flight/point of no return" in str(refused.value)


def test_the_point_is_passed_once(runs: Runs) -> None:
    """Durable: a later life finds it in the journal."""
    flow = upgrade(3)
    runs.start(flow)
    runs.resume(flow)

    (point,) = runs.facts(PointPassed)
    assert ("flight/point of no return", REASON) == (point.key, point.reason)
    assert "succeeded" == runs.step("flight/point of no return").status


@pytest.mark.parametrize("contract", [preflight, postflight])
def test_a_point_is_refused_where_nothing_may_be_committed(runs: Runs, contract) -> None:
    """In pre-flight and in post-flight, inside their branches, too."""

    @workflow
    def inner() -> None:
        no_return(REASON)

    @workflow
    def flow() -> None:
        with contract():
            inner()

    outcome = runs.start(flow)

    assert 2 == outcome.exit_code
    assert "put it into flight()" in outcome.reason
    assert [] == runs.facts(PointPassed)


def test_a_point_belongs_into_a_run() -> None:
    """Outside it is refused, plain and awaited."""
    with pytest.raises(UsageError, match="no_return was called outside a run"):
        holdfast.no_return("why")
    with pytest.raises(UsageError, match="no_return was called outside a run"):
        aio.no_return("why").send(None)


def test_a_point_needs_a_reason(runs: Runs) -> None:
    """It is what a refused rollback says."""

    @workflow
    def flow() -> None:
        no_return(" ")

    assert "needs the reason" in runs.start(flow).reason


def test_a_point_asks_where_steps_ask_and_its_target_is_to_be_typed(runs: Runs) -> None:
    """The hold says what must be typed; no yes to all the rest crosses it."""

    @workflow
    def flow() -> None:
        do("first", touch, "first")
        no_return(REASON)

    person = Says("approve", "auto for the rest of this run")
    outcome = runs.start(flow, person=person, mode="confirm", target="etcd/prod")

    assert "succeeded" == outcome.status
    assert 2 == len(person.asked)
    evidence = [hold.opened.evidence for hold in runs.state.holds.values()]
    assert "etcd/prod" == evidence[1]["type_to_confirm"]


def test_a_no_at_the_point_fails_the_run_before_it(runs: Runs) -> None:
    """It is not passed; rolling back is possible still."""

    @workflow
    def flow() -> None:
        do("first", touch, "first", undo=lambda: touch("undo"))
        no_return(REASON)

    runs.start(flow, mode="confirm", person=Says("approve"))
    CALLS.clear()
    runs2 = Runs()
    runs2.start(flow, mode="confirm")
    runs2.answer("approve")
    runs2.resume(flow)
    runs2.answer("reject", comment="not today")

    assert ("failed", []) == (runs2.state.status, runs2.facts(PointPassed))
    assert "rolled_back" == runs2.rollback(flow, person=Says("approve")).status
    assert 1 == CALLS["undo"]


def test_a_plan_shows_points_undos_and_debts(runs: Runs) -> None:
    """Without doing anything, failing pre-flights included."""

    @workflow
    def flow() -> None:
        with flight():
            do("a", touch, "a", undo=lambda: None, owes=lambda: None)
            no_return(REASON)

    found = plan(flow, {}, runs.clock, terms=Terms("confirm", "confirm: said so"))

    by_key = {line.key: line for line in found.steps}
    assert ("undo", "owes its function") == by_key["flight/a"].marks
    point = by_key["flight/point of no return"]
    assert ("no return", "confirm: said so", REASON) == (point.will, point.rule, point.says)
    assert (["its function"], 0) == (found.owes, CALLS["a"])


def test_an_awaited_point_is_the_same(runs: Runs) -> None:
    """One engine: refused in pre-flight, recorded in flight."""

    @aio.workflow
    async def flow() -> None:
        async with aio.flight():
            await aio.no_return(REASON)
            raise OSError("boom")

    runs.start(flow)

    with pytest.raises(PastNoReturn, match="cluster version"):
        runs.rollback(flow)
