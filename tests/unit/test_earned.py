"""The mode earned, through the engine: when a step asks, when it goes on by itself, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.fleet import DRAIN, EARNED, Fleet, failing, kill
from tests.unit.runs import Runs, Says

from holdfast.app import commands, holds
from holdfast.app.starting import resume
from holdfast.errors import Leaving
from holdfast.flow.decorator import step
from holdfast.flow.questions import confirm
from holdfast.flow.scopes import parallel, stage
from holdfast.flow.verbs import do, require
from holdfast.flow.workflows import workflow
from holdfast.model.facts import HoldOpened, StepStarted
from holdfast.model.json import Json
from holdfast.runtime.journal import Journal
from holdfast.testing.crash import TESTER, Crash, Mortal


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def test_three_clean_runs_let_the_next_target_go_on_by_itself(fleet: Fleet) -> None:
    """Until then it asks and says how many are missing; the rule is in the journal."""
    rules = []
    for target in ("low-1", "low-2", "low-3"):
        rules.append(fleet.rule())
        fleet.on(target)
    outcome = fleet.on("high", "earned")

    assert [f"asks earned: {n} of 3 clean in a row" for n in range(3)] == rules
    assert "succeeded" == outcome.status
    decided = fleet.state_of(outcome.run_id).steps["drain n1"].decided_by
    assert "earned: 3 of 3 clean in a row, the last 1m ago" == decided


def test_a_yes_earns_too(fleet: Fleet) -> None:
    """Approved three times on the high-risk target itself, it asks no fourth time."""
    person = Says("approve")
    fleet.setting = replace(fleet.setting, person=person)
    for _ in range(4):
        fleet.on("high", "earned")

    assert ["drain n1?"] * 3 == person.asked


def test_a_failure_on_any_target_starts_over(fleet: Fleet) -> None:
    """Also one that is retried well, which counts as the first clean one after it."""
    fleet.earn()
    fleet.trouble = failing
    fleet.on("low-1")
    failed = fleet.rule()
    times: list[int] = []
    fleet.trouble = lambda: times.append(1) or 1 // (len(times) - 1)
    fleet.on("low-2", retry=2)

    assert "asks earned: started over, failed on low-1 (run run-3) 0s ago" == failed
    assert "asks earned: 1 of 3 clean in a row" == fleet.rule()


def test_an_earned_step_that_fails_asks_before_it_is_tried_again(fleet: Fleet) -> None:
    """What let it go on is gone with the failure; a yes would have covered the retry."""
    fleet.earn()
    fleet.trouble = failing
    outcome = fleet.on("high", "earned", retry=2)

    assert "on_hold" == fleet.state_of(outcome.run_id).status
    (hold,) = fleet.state_of(outcome.run_id).open_holds
    assert "started over, failed on high" in str(hold.opened.evidence["why"])


def test_other_code_starts_over(fleet: Fleet) -> None:
    """What is edited asks; what was clean before the edit counts again when it is undone and
    nothing else ran."""
    fleet.earn()
    fleet.is_edited = True
    edited = fleet.rule()
    fleet.is_edited = False
    undone = fleet.rule()
    fleet.is_edited = True
    fleet.on("low-1")

    assert "asks earned: started over, its code is not what ran before" == edited
    assert undone.startswith("earned: 3 of 3")
    assert "asks earned: 1 of 3 clean in a row" == fleet.rule()
    fleet.is_edited = False
    assert "asks earned: started over, its code is not what ran before" == fleet.rule()


def test_a_process_that_died_in_it_starts_over(fleet: Fleet) -> None:
    """At once, before anybody goes on with that run; and from then on, too."""
    fleet.earn()
    mortal = Mortal(fleet.store)
    fleet.trouble = lambda: kill(mortal)
    with pytest.raises(Crash):
        fleet.start(fleet.workflow(), id="dead", target="low-1", store=mortal)
    fleet.store.release("dead", 1)
    at_once = fleet.rule()
    fleet.trouble = lambda: None
    fleet.on("low-2")
    after_others = fleet.rule()
    resume(fleet.setting, "dead", fleet.workflow())

    assert "interrupted on low-1 (run dead)" in at_once
    assert at_once.startswith("asks")
    assert "interrupted on low-1 (run dead)" in after_others
    assert "asks earned: 1 of 3 clean in a row" == fleet.rule()


def test_a_step_that_runs_elsewhere_right_now_says_nothing(fleet: Fleet) -> None:
    """It is neither clean nor bad before it has ended."""
    fleet.earn()
    seen: list[str] = []

    def look() -> None:
        fleet.trouble = lambda: None
        seen.append(fleet.rule())

    fleet.trouble = look
    fleet.on("low-4")

    assert seen[0].startswith("earned: 3 of 3")


@pytest.mark.parametrize("verb", ["skip", "done", "reject", "skip answer", "retry in doubt"])
def test_a_person_who_steps_in_starts_over(fleet: Fleet, verb: str) -> None:
    """An override, a skip or a no is no clean outcome, given by another process or at once."""
    fleet.earn()
    store, clock = fleet.store, fleet.clock
    if verb in ("reject", "skip answer"):
        fleet.on("low-1", "confirm")
        given: Any = "reject" if verb == "reject" else "skip"
        holds.answer(store, fleet.last(), clock, TESTER, given, comment="not here")
        resume(fleet.setting, fleet.last(), fleet.workflow())
    else:
        fleet.trouble = failing
        fleet.on("low-1", once=verb == "retry in doubt")
        if verb == "skip":
            commands.skip(store, fleet.last(), "drain n1", clock, TESTER, "not here")
        elif verb == "done":
            commands.mark_done(store, fleet.last(), "drain n1", clock, TESTER, None, "by hand")
        else:
            commands.rearm(store, fleet.last(), "drain n1", clock, TESTER)
    word = {"reject": "rejected", "skip": "skipped", "skip answer": "skipped"}.get(
        verb, "overridden"
    )

    assert f"asks earned: started over, {word} on low-1" in fleet.rule()


def test_a_no_to_a_parked_run_counts_at_once(fleet: Fleet) -> None:
    """Nobody needs to go on with that run for the others to hear of it."""
    fleet.earn()
    fleet.on("low-1", "confirm")
    holds.answer(fleet.store, fleet.last(), fleet.clock, TESTER, "reject", comment="no")

    assert "started over, rejected on low-1" in fleet.rule()


def test_what_a_check_finds_done_counts_for_nothing(fleet: Fleet) -> None:
    """It did not run."""
    for _ in range(3):
        fleet.on("low", check=lambda: True)

    assert "asks earned: 0 of 3 clean in a row" == fleet.rule()


def test_some_steps_never_earn(fleet: Fleet) -> None:
    """Those that ask in every mode; what they did does not count when they no longer do."""
    person = Says("approve")
    fleet.setting = replace(fleet.setting, person=person)
    for _ in range(4):
        fleet.on("low", "earned", confirm=True)

    assert 4 == len(person.asked)
    assert "asks confirm: the step says so" == fleet.rule(confirm=True)
    assert "asks earned: 0 of 3 clean in a row" == fleet.rule()
    assert "reads auto: only reads" == fleet.rule(reads=True)


def test_code_that_cannot_be_hashed_never_earns(runs: Runs) -> None:
    """Nobody can say that it is what ran before."""
    scope: dict[str, Any] = {}
    exec("def unknown():\n    return 1", scope)

    @workflow(name="w")
    def flow() -> object:
        return do("unknown", scope["unknown"])

    for number in range(3):
        runs.start(flow, id=f"{number}", target="low")
    runs.start(flow, mode="earned")

    assert "earned: never, its code cannot be hashed" == runs.hold().opened.evidence["why"]


def test_only_runs_that_somebody_may_judge_by_are_on_trial(runs: Runs) -> None:
    """Those on a target, and those in the mode earned; what only reads is none of it."""

    @workflow(name="w")
    def flow() -> None:
        do("act", lambda: None)
        require("is so", lambda: True)

    runs.start(flow, id="plain")
    before = list(runs.store.tried())
    runs.start(flow, id="target", target="db")
    runs.start(flow, id="earned", mode="earned", person=Says("approve"))

    assert [] == before
    assert [("w", "act")] == list(runs.store.tried())
    assert ["earned", "target"] == [trial.run for trial in runs.store.trials("w", "act")]
    plain = [s.fact for s in runs.store.read("plain") if isinstance(s.fact, StepStarted)]
    assert {("", False)} == {(fact.name, fact.earns) for fact in plain}


def test_nothing_else_is_loosened(fleet: Fleet) -> None:
    """Where a target names its approvers, where risk forbids it, and when it was long ago."""
    fleet.earn()
    guarded = fleet.rule(replace(EARNED, is_guarded=True))
    critical = fleet.rule(replace(EARNED, risk="critical", successes=None))
    five = fleet.rule(replace(EARNED, risk="high", successes=5))
    fleet.clock.jump(91 * 86_400)

    assert "asks earned: never on a target that names its approvers" == guarded
    assert "asks earned: never on a critical target" == critical
    assert "asks earned: 3 of 5 clean in a row" == five
    assert "asks earned: the last clean one is not within 90d" == fleet.rule()


def test_an_open_question_is_not_answered_by_what_is_earned_since(fleet: Fleet) -> None:
    """Nor by `--mode auto`: it stays one, and a skip that was given meanwhile is heeded."""
    parked = fleet.on("high", "earned").run_id
    fleet.earn()
    resume(fleet.setting, parked, fleet.workflow())
    still = fleet.state_of(parked)
    resume(fleet.setting, parked, fleet.workflow(), mode="auto")
    in_auto = fleet.state_of(parked)
    holds.answer(fleet.store, parked, fleet.clock, TESTER, "skip", comment="not here")
    resume(fleet.setting, parked, fleet.workflow())

    assert "on_hold" == still.status == in_auto.status
    assert ["h1"] == [hold.opened.id for hold in in_auto.open_holds]
    assert "skipped" == fleet.state_of(parked).steps["drain n1"].status


def test_an_open_question_about_a_stage_is_not_answered_either(fleet: Fleet) -> None:
    """It listed the step, so the step waits for a person."""

    @workflow(name="upgrade")
    def flow() -> None:
        with stage("flight"):
            confirm("now?")
            do("drain", lambda: None)

    fleet.start(flow)
    journal = Journal(fleet.store, "r")
    at = journal.refresh().lives[-1].at
    covers = ("flight/drain",)
    journal.append((HoldOpened(at, "h9", "confirm", "flight", "all?", "d", {}, covers=covers),))
    fleet.answer("approve", hold="h1")
    outcome = fleet.resume(flow, mode="auto")

    assert "on_hold" == outcome.status
    assert "flight/drain" not in fleet.state.steps


def test_whoever_is_asked_sees_what_was_before(fleet: Fleet) -> None:
    """Why it asks, and the newest runs with their targets."""
    fleet.on("low-1")
    fleet.trouble = failing
    fleet.on("low-2")
    fleet.trouble = lambda: None
    fleet.on("low-3")
    fleet.on("high", "earned")
    (hold,) = fleet.state_of(fleet.last()).open_holds
    evidence: dict[str, Json] = hold.opened.evidence

    assert "earned: 1 of 3 clean in a row" == evidence["why"]
    shown = str(evidence["history"])
    assert shown.startswith("clean on low-3 (run run-2)")
    assert "before that failed on low-2 (run run-1)" in shown


def test_auto_for_the_rest_counts_as_clean(fleet: Fleet) -> None:
    """What was said for one run lets its steps go on, and they earn like any other."""
    person = Says("approve", "auto for the rest of this run")

    @workflow(name="upgrade")
    def flow() -> None:
        for node in ("n1", "n2", "n3", "n4"):
            step(DRAIN)(lambda node: None)(node)

    fleet.start(flow, target="high", mode="earned", person=person)

    assert ["drain n1?"] == person.asked
    assert ["clean"] * 4 == [t.outcome for t in fleet.store.trials("upgrade", DRAIN)]


def test_branches_that_run_together_are_judged_each(fleet: Fleet) -> None:
    """One that fails takes it back for those that begin after it."""

    def work(node: str) -> None:
        if node == "n2":
            failing()

    @workflow(name="upgrade")
    def flow() -> None:
        parallel(*((node, step(DRAIN)(work), node) for node in ("n1", "n2", "n3")), at_once=1)

    def nobody(*seen: object) -> None:
        raise Leaving("waits for a person", 3, "park")

    for number in range(3):
        fleet.start(
            workflow(name="upgrade")(lambda: step(DRAIN)(work)("n0")), id=f"{number}", target="low"
        )
    outcome = fleet.start(flow, target="high", mode="earned")

    assert "on_hold" == outcome.status
    assert ["n3/drain n3"] == [hold.opened.key for hold in fleet.state.open_holds]
