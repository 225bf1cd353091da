"""Whose answers count: one effect, everybody on record, and silence is never a yes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.asking import asks, says
from tests.unit.runs import Runs, Says, touch

from holdfast.app import holds
from holdfast.app.holds import TooLate
from holdfast.app.planning import plan
from holdfast.app.reasons import why
from holdfast.errors import UsageError
from holdfast.flow.questions import ask
from holdfast.flow.verbs import do
from holdfast.flow.workflows import Workflow, workflow
from holdfast.model import facts as f
from holdfast.model.holds import Holds
from holdfast.model.inventory import Inventory, Target
from holdfast.model.terms import Electorate
from holdfast.testing.samples import AT

ANA, BEN, CLEO = (f.Who(name, "host") for name in ("ana", "ben", "cleo"))


def gives(runs: Runs, by: f.Who, value: int) -> str:
    return holds.answer(runs.store, "r", runs.clock, by, "value", value=value).text


# --- two people at once -----------------------------------------------------------------------


def test_two_yeses_have_one_effect_and_both_are_recorded(runs: Runs) -> None:
    """The second is told who was first, and ends well."""
    runs.start(asks())
    first, second = says(runs, ANA), says(runs, BEN)
    outcome = runs.resume(asks())

    assert "h1 (confirm go on%3F): approved" in first or first.endswith("approved")
    assert "already approved by ana; your answer is recorded beside it" == second
    assert ("succeeded", "ana") == (outcome.status, outcome.result)
    assert ["ana", "ben"] == [fact.by.name for fact in runs.facts(f.HoldAnswered)]


def test_a_no_that_comes_too_late_is_recorded(runs: Runs) -> None:
    """It changes nothing, and whoever said it is told so."""
    runs.start(asks())
    says(runs, ANA)

    with pytest.raises(TooLate, match="already approved by ana; yours is recorded"):
        says(runs, BEN, "reject")
    assert [("ana", "approve"), ("ben", "reject")] == [
        (fact.by.name, fact.answer) for fact in runs.facts(f.HoldAnswered)
    ]
    assert "approved" == runs.state.holds["h1"].status


def test_another_value_comes_too_late_and_the_one_that_counts_is_shown(runs: Runs) -> None:
    """Whoever gives it must not believe that it is taken; the same value again is no error."""

    @workflow
    def asking() -> int:
        return ask("how many?", int)

    runs.start(asking)
    gives(runs, ANA, 5)
    again = gives(runs, ANA, 5)
    with pytest.raises(TooLate, match=r"was already answered by ana: 5$"):
        gives(runs, ANA, 6)
    with pytest.raises(TooLate, match="was already answered by ana: 5; yours is recorded"):
        gives(runs, BEN, 6)

    assert "already answered by ana: 5" == again
    assert 5 == runs.resume(asking).result


def test_who_may_not_decide_is_not_recorded_afterwards_either(runs: Runs) -> None:
    """They are told how it was decided, and nothing more."""
    runs.start(asks(approvers=["ana"]))
    says(runs, ANA)

    assert "already approved by ana" == says(runs, CLEO)
    assert 1 == len(runs.facts(f.HoldAnswered))


def test_a_repeated_answer_is_recorded_once(runs: Runs) -> None:
    """Saying it again changes nothing, and is no error."""
    runs.start(asks())
    says(runs, ANA)

    assert "already approved by ana" == says(runs, ANA)
    assert 1 == len(runs.facts(f.HoldAnswered))


# --- a plan of what is asked already ----------------------------------------------------------


def test_a_plan_asks_what_nobody_answered_yet(runs: Runs) -> None:
    """Its own yes to the open hold is nobody's; a quorum's half is no permission; what a quorum
    of people said is theirs."""

    @workflow
    def upgrade() -> None:
        do("cordon", touch, "cordon")

    prod = Target("prod", risk="high", approvers=("ana", "ben"), quorum=2)
    runs.setting = replace(runs.setting, inventory=Inventory(targets={"prod": prod}))
    runs.start(upgrade, target="prod")

    def told() -> list[tuple[str, str]]:
        terms = runs.state.terms
        found = plan(upgrade, {}, runs.clock, store=runs.store, run="r", terms=terms)
        return [(line.will, line.rule) for line in found.steps]

    unanswered = told()
    says(runs, ANA)
    half = told()
    says(runs, BEN)

    assert [("ask and run", "confirm: risk high")] == unanswered == half
    assert [("run", "approved by ana, ben")] == told()


def test_a_plan_names_a_question_that_is_asked_already(runs: Runs) -> None:
    """It is where the run would wait for a person."""
    runs.start(asks())
    found = plan(asks(), {}, runs.clock, store=runs.store, run="r")

    assert [("hold", "go on?")] == [(line.will, line.says) for line in found.steps]


# --- approvers and a quorum -------------------------------------------------------------------


def test_only_approvers_decide(runs: Runs) -> None:
    """Anybody else is refused, and nothing of it is recorded."""
    runs.start(asks(approvers=["ana", "ben"]))

    with pytest.raises(UsageError, match="cleo is none of its approvers: ana, ben"):
        says(runs, CLEO)
    assert [] == runs.facts(f.HoldAnswered)


def test_a_quorum_must_agree(runs: Runs) -> None:
    """One yes of two leaves the hold open and says who else is needed; one person is one."""
    runs.start(asks(approvers=["ana", "ben", "cleo"], quorum=2))
    first, again = says(runs, ANA), says(runs, ANA)
    still = runs.resume(asks(approvers=["ana", "ben", "cleo"], quorum=2))
    says(runs, CLEO)
    outcome = runs.resume(asks(approvers=["ana", "ben", "cleo"], quorum=2))

    assert first.endswith("approved by 1 of 2; 1 more of ben, cleo must agree") and again
    assert ("on_hold", 3) == (still.status, still.exit_code)
    assert "ana, cleo" == outcome.result


def test_one_no_of_a_quorum_decides(runs: Runs) -> None:
    """Nobody has to agree that it is not to be done."""
    runs.start(asks(approvers=["ana", "ben"], quorum=2))
    says(runs, ANA, "reject")

    assert "failed" == runs.row.status


def test_other_approvers_void_the_answers(runs: Runs) -> None:
    """A yes of people who may not say it any more is not taken over."""
    runs.start(asks(approvers=["ana"]))
    says(runs, ANA)
    outcome = runs.resume(asks(approvers=["ben"]))

    assert "on_hold" == outcome.status
    assert ["void", "open"] == [hold.status for hold in runs.state.holds.values()]


def test_approvers_need_the_hold_to_be_named(runs: Runs) -> None:
    """So that nobody says yes to what was asked after they looked; the command carries it."""
    runs.start(asks(approvers=["ana"]))

    with pytest.raises(UsageError, match="--hold h1"):
        holds.answer(runs.store, "r", runs.clock, ANA, "approve")
    ways = [way.line() for way in why(runs.store, "r").next]
    assert "holdfast approve r --hold h1" in ways


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"approvers": []}, "nobody could ever say yes"),
        ({"approvers": "ana"}, "give a list"),
        ({"approvers": ["@oncall"]}, "no group '@oncall'"),
        ({"approvers": ["ana"], "quorum": 2}, "only ana may say yes"),
        ({"quorum": 0}, "at least one"),
        ({"on_expiry": "approve", "expires": "1h"}, "a timeout never means yes"),
        ({"on_expiry": "reject"}, "needs expires="),
        ({"expires": "0s"}, "nobody can answer so soon"),
        ({"expires": "1ms"}, "nobody can answer so soon"),
        ({"expires": timedelta(seconds=-1)}, "negative"),
    ],
)
def test_an_electorate_that_cannot_work_is_refused(
    runs: Runs, options: dict[str, Any], complaint: str
) -> None:
    """Before anybody is asked."""
    outcome = runs.start(asks(**options))

    assert ("failed", 2) == (outcome.status, outcome.exit_code)
    assert complaint in outcome.reason
    assert [] == runs.facts(f.HoldOpened)


ANSWERS = st.lists(
    st.tuples(
        st.sampled_from([ANA, BEN, CLEO]),
        st.sampled_from(["approve", "reject", "skip"]),
        st.integers(0, 20),
    ),
    max_size=12,
)
ELECTORATES = st.builds(
    Electorate,
    st.sampled_from([(), ("ana", "ben"), ("ana", "ben", "cleo")]),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(["os", "claimed"]),
)


@given(ANSWERS, ELECTORATES, st.sampled_from([None, 10]))
def test_no_sequence_of_answers_lets_a_step_run_without_its_quorum(
    given_answers: list[tuple[f.Who, Any, int]], electorate: Electorate, limit: int | None
) -> None:
    """A hold is approved only by as many different eligible people as it asks for, in time."""
    seen = Holds()
    until = None if limit is None else AT + timedelta(minutes=limit)
    seen.opened(f.HoldOpened(AT, "h1", "confirm", "k", "?", "d", {}, electorate, (), until))
    for by, answer, minute in given_answers:
        seen.answered(f.HoldAnswered(AT + timedelta(minutes=minute), "h1", by, answer), [CLEO])

    may = set(electorate.approvers or ("ana", "ben", "cleo"))
    may -= {"cleo"} if electorate.separate else set()
    yes = {
        by.user
        for by, answer, minute in given_answers
        if answer == "approve" and by.user in may and (limit is None or minute <= limit)
    }
    if seen["h1"].status == "approved":
        assert len(yes) >= electorate.quorum


# --- one yes for a stage ----------------------------------------------------------------------


def staged(*extra: str, first: Callable[[], str] = lambda: "n1") -> Workflow[..., Any]:
    from holdfast.flow.scopes import stage

    @workflow(mode="confirm")
    def upgrade() -> list[Any]:
        with stage("flight"):
            done = [do(label, touch, label) for label in ("drain", "swap", *extra)]
        return [*done, do("resume", touch, "resume")]

    return upgrade


def test_one_yes_covers_a_stage(runs: Runs) -> None:
    """It lists the steps that it covers; what comes after the stage asks for itself."""
    person = Says("approve")
    outcome = runs.start(staged(), ask="stage", person=person)

    assert "succeeded" == outcome.status
    assert ["stage flight: run 2 steps?", "resume?"] == person.asked
    assert ("flight/drain", "flight/swap") == runs.state.holds["h1"].opened.covers
    assert "approved by tester for flight" == runs.step("flight/swap").decided_by


def test_a_yes_to_a_stage_outlasts_the_park(runs: Runs) -> None:
    """Given from another shell, it is good for the life that goes on with it."""
    runs.start(staged(), ask="stage")
    runs.answer("approve")
    outcome = runs.resume(staged())

    assert "on_hold" == outcome.status
    assert "resume" == runs.hold().opened.key
    assert "succeeded" == runs.step("flight/swap").status


def test_a_yes_to_a_stage_is_for_one_life(runs: Runs) -> None:
    """After a crash in the middle the rest is asked about again, and lists only what is left."""
    runs.start(staged(), ask="stage")
    runs.answer("approve")
    last = 1
    while "flight/drain" not in runs.state.steps:
        last += 1
        runs.crash(staged(), last)
    runs.done("flight/drain", "n1")
    outcome = runs.resume(staged())

    assert "on_hold" == outcome.status
    assert ("flight/swap",) == runs.hold().opened.covers


def test_an_edit_voids_a_yes_to_a_stage(runs: Runs) -> None:
    """A step more in the stage is another plan."""
    runs.start(staged(), ask="stage")
    runs.answer("approve")
    outcome = runs.resume(staged("extra"))

    assert "on_hold" == outcome.status
    assert ["void", "open"] == [hold.status for hold in runs.state.holds.values()]
    assert [] == [key for key in runs.state.steps if key.startswith("flight/")]


def test_a_step_that_no_plan_could_name_asks_for_itself(runs: Runs) -> None:
    """Its label depends on what another step returns."""
    from holdfast.flow.scopes import stage

    @workflow(mode="confirm")
    def upgrade() -> None:
        with stage("flight"):
            for node in do("nodes", touch, "nodes", ["n1"]):
                do(f"drain {node}", touch, node)

    person = Says("approve")
    runs.start(upgrade, ask="stage", person=person)

    assert ["stage flight: run 1 step?", "drain n1?"] == person.asked


def test_a_step_that_says_confirm_asks_for_itself(runs: Runs) -> None:
    """One yes for a stage is none for what always asks."""
    from holdfast.flow.scopes import stage

    @workflow(mode="confirm")
    def upgrade() -> None:
        with stage("flight"):
            do("drain", touch, "drain")
            do("wipe", touch, "wipe", confirm=True)

    person = Says("approve")
    runs.start(upgrade, ask="stage", person=person)

    assert ["stage flight: run 1 step?", "wipe?"] == person.asked


def test_a_no_to_a_stage_fails_the_run(runs: Runs) -> None:
    """Nothing of it ran; a resume asks again."""
    runs.start(staged(), ask="stage")
    runs.answer("reject", comment="not tonight")
    failed = runs.row.status
    outcome = runs.resume(staged())

    assert ("failed", "on_hold") == (failed, outcome.status)
    assert "h2" == runs.hold().opened.id
