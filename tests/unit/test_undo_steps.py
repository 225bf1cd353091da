"""Each undo is a step: what it gets, when it runs, who is asked, and what an edit changes."""

from __future__ import annotations

from typing import Any

from tests.unit.makings import MADE, boom, make
from tests.unit.runs import CALLS, Runs, Says, Script, fail_until, touch

from holdfast.errors import NotDone
from holdfast.flow.decorator import step
from holdfast.flow.inside import save, saved, token
from holdfast.flow.scopes import preflight
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.model.facts import RolledBack, StepStarted
from holdfast.model.retry import Retry

# --- what it gets, and when it runs ---


def test_an_undo_gets_arguments_result_and_what_was_saved(runs: Runs) -> None:
    """By the names it declares; `token` is its own."""
    seen: dict[str, Any] = {}

    def undo(result: list[str], where: str) -> None:
        seen.update(result=result, where=where, saved=saved(), token=token())

    @step("long {where}", undo=undo)
    def long(where: str, other: int = 3) -> list[str]:
        save({"at": 7})
        seen["own"] = token()
        return [where]

    @workflow
    def flow() -> None:
        long("here")
        boom()

    runs.start(flow)
    runs.rollback(flow)

    assert {"result": ["here"], "where": "here", "saved": {"at": 7}} == {
        name: seen[name] for name in ("result", "where", "saved")
    }
    assert seen["token"] != seen["own"]


def test_an_undo_that_asks_for_what_is_not_there_is_refused_at_the_step(runs: Runs) -> None:
    """Not in the middle of a night, when it is needed."""

    def undo(nodes: str) -> None: ...

    @workflow
    def flow() -> None:
        do("step", touch, "step", undo=undo)

    outcome = runs.start(flow)

    assert (2, 0) == (outcome.exit_code, CALLS["step"])
    assert "'undo' asks for 'nodes'" in outcome.reason


def test_a_plain_undo_is_retried_like_its_step(runs: Runs) -> None:
    """It inherits retry and timeout; its attempts are recorded under its own key."""

    @workflow
    def flow() -> None:
        do(
            "step", touch, "step", undo=lambda: fail_until(3, "undo"),
            retry=Retry(attempts=3, first="1s"),
        )  # fmt: skip
        boom()

    runs.start(flow)
    outcome = runs.rollback(flow)

    assert "rolled_back" == outcome.status
    attempts = [f.attempt for f in runs.facts(StepStarted) if f.key == "step#undo"]
    assert [1, 2, 3] == attempts


def test_a_step_that_was_already_so_is_not_undone(runs: Runs) -> None:
    """Its check found it done before the first attempt: it is not ours to take back."""
    MADE.append("there")

    @workflow
    def flow() -> None:
        do("there", touch, "there", check=lambda: True, undo=lambda: touch("undo"))
        boom()

    runs.start(flow)
    runs.rollback(flow)

    assert (["there"], 0) == (MADE, CALLS["undo"])


def test_a_step_that_had_begun_and_is_found_done_is_undone(runs: Runs) -> None:
    """Killed after it took effect: the check says so, and the undo is ours."""

    @step("make", check=lambda: "it" in MADE, undo=lambda: MADE.remove("it"))
    def begun() -> None:
        MADE.append("it")
        mortal[0].is_dead = True
        from holdfast.testing.crash import Crash

        raise Crash

    @workflow
    def flow() -> None:
        begun()
        boom()

    mortal: list[Any] = []
    runs.die_in(flow, mortal.append)
    outcome = runs.rollback(flow)

    assert ("rolled_back", []) == (outcome.status, MADE)


def test_an_in_doubt_step_must_be_decided_before_anything_is_undone(runs: Runs) -> None:
    """Exit 6; `done` has it undone, nothing is guessed."""

    @workflow
    def flow() -> None:
        make("a")
        do("pay", boom, once=True, undo=lambda: touch("refund"))

    runs.start(flow)
    outcome = runs.rollback(flow)
    assert (6, ["a"], 0) == (outcome.exit_code, MADE, CALLS["refund"])
    runs.done("pay")
    outcome = runs.resume(flow)

    assert ("rolled_back", [], 1) == (outcome.status, MADE, CALLS["refund"])


def test_an_in_doubt_step_that_did_nothing_is_not_undone(runs: Runs) -> None:
    """`retry` says that it had no effect: a rollback has nothing to do for it."""

    @workflow
    def flow() -> None:
        do("pay", boom, once=True, undo=lambda: touch("refund"))

    runs.start(flow)
    runs.rollback(flow)
    runs.rearm("pay")
    outcome = runs.resume(flow)

    assert ("rolled_back", 0) == (outcome.status, CALLS["refund"])


def test_an_interrupted_step_with_an_undo_is_asked_about(runs: Runs) -> None:
    """Nobody knows whether it took effect; without a check a person must say."""

    def dying() -> None:
        from holdfast.testing.crash import Crash

        mortal[0].is_dead = True
        raise Crash

    @workflow
    def flow() -> None:
        do("step", dying, undo=lambda: touch("undo"))

    mortal: list[Any] = []
    runs.die_in(flow, mortal.append)
    outcome = runs.rollback(flow)

    assert (6, 0) == (outcome.exit_code, CALLS["undo"])
    assert "step" == runs.hold().opened.key


def test_a_step_that_says_it_did_nothing_is_not_undone(runs: Runs) -> None:
    """NotDone is a failure without an effect."""

    def nothing() -> None:
        raise NotDone("nothing was paid")

    @workflow
    def flow() -> None:
        do("pay", nothing, once=True, undo=lambda: touch("refund"))

    runs.start(flow)

    assert "rolled_back" == runs.rollback(flow).status
    assert 0 == CALLS["refund"]


# --- who is asked ---


def test_undos_ask_like_steps_do(runs: Runs) -> None:
    """In mode confirm each undo is asked about; nobody there parks the rollback, and `resume`
    goes on with it."""

    @workflow
    def flow() -> None:
        make("a")
        boom()

    runs.start(flow, person=Says("approve"), mode="confirm")
    outcome = runs.rollback(flow)
    assert ("on_hold", 3, ["a"]) == (outcome.status, outcome.exit_code, MADE)
    assert "undo make a?" == runs.hold().opened.question
    runs.answer("approve")

    assert "rolled_back" == runs.resume(flow).status
    assert [] == MADE


def test_an_undo_that_is_skipped_is_left_and_named(runs: Runs) -> None:
    """The report says who left it."""

    @workflow
    def flow() -> None:
        make("a")
        make("b")
        boom()

    runs.start(flow, person=Says("approve"), mode="confirm")
    runs.rollback(flow)
    runs.answer("skip", comment="keep it")
    runs.resume(flow)
    runs.answer("approve")
    outcome = runs.resume(flow)

    assert ("rolled_back", ["b"]) == (outcome.status, MADE)
    (done,) = runs.facts(RolledBack)
    assert (("make b", "skipped by tester: left as it is"),) == done.left


def test_a_rejected_undo_ends_failed_and_is_asked_again(runs: Runs) -> None:
    """A no stops the rollback; it stays one."""

    @workflow
    def flow() -> None:
        make("a")
        boom()

    runs.start(flow, person=Says("approve"), mode="confirm")
    outcome = runs.rollback(flow, person=Says("reject", comment="wait"))
    assert ("failed", ["a"]) == (outcome.status, MADE)
    assert "on_hold" == runs.resume(flow).status
    runs.answer("approve")

    assert "rolled_back" == runs.resume(flow).status


def test_a_stop_in_a_rollback_is_gone_on_with_by_resume(runs: Runs) -> None:
    """It ends at the boundary between two undos."""

    def undo() -> None:
        touch("undo two")
        runs.stop()

    @workflow
    def flow() -> None:
        make("a")
        do("two", touch, "two", undo=undo)
        boom()

    runs.start(flow)
    assert ("stopped", ["a"]) == (runs.rollback(flow).status, MADE)

    assert "rolled_back" == runs.resume(flow).status
    assert ([], 1) == (MADE, CALLS["undo two"])


# --- edited scripts ---

BEFORE = """
    @workflow
    def edited():
        do("one", touch, "one", undo=lambda: touch("undo one"))
        do("two", touch, "two", undo=lambda: touch("undo two"))
        1 / 0
"""
AFTER = """
    @workflow
    def edited():
        do("one", touch, "one", undo=lambda: touch("undo one"))
        1 / 0
"""


def back(script: Script) -> Any:
    from holdfast.app.starting import rollback

    return rollback(script.runs.setting, "r", str(script.file))


def test_what_the_script_no_longer_reaches_is_asked_about(script: Script) -> None:
    """Nothing is undone before somebody accepted that it is left; the report names it."""
    script.edit(BEFORE).start()
    outcome = back(script.edit(AFTER))
    assert (3, 0) == (outcome.exit_code, CALLS["undo one"])
    assert "no longer reaches 1 thing" in script.runs.hold().opened.question
    outcome = script.resume(accept_drift=True)

    assert ("rolled_back", 1, 0) == (outcome.status, CALLS["undo one"], CALLS["undo two"])
    (done,) = script.runs.facts(RolledBack)
    assert (("two", "the script no longer reaches it"),) == done.left


def test_a_script_that_is_put_back_needs_no_answer(script: Script) -> None:
    """The next life reads it anew: everything is reached."""
    script.edit(BEFORE).start()
    back(script.edit(AFTER))
    outcome = script.edit(BEFORE).resume()

    assert ("rolled_back", 1, 1) == (outcome.status, CALLS["undo one"], CALLS["undo two"])


def test_a_renamed_step_is_undone_under_its_new_name(script: Script) -> None:
    """`was=` finds what was recorded under the old one."""
    script.edit(BEFORE).start()
    outcome = back(
        script.edit(BEFORE.replace('"two", touch, "two"', '"zwei", touch, "two", was="two"'))
    )

    assert ("rolled_back", 1, 1) == (outcome.status, CALLS["undo one"], CALLS["undo two"])


def test_other_inputs_and_new_steps_do_not_stop_the_way_back(script: Script) -> None:
    """Going back asks no question about drift: what is recorded is undone as it was recorded."""
    script.edit(BEFORE).start()
    edited = BEFORE.replace('touch, "two"', 'touch, "other"').replace(
        "1 / 0", 'do("new", touch, "new")'
    )
    outcome = back(script.edit(edited))

    assert ("rolled_back", 1, 1) == (outcome.status, CALLS["undo one"], CALLS["undo two"])
    assert 0 == CALLS["new"]


def test_what_still_stands_keeps_the_target(runs: Runs) -> None:
    """A stage that undid itself frees the target only when nothing else is to be given back."""

    @workflow
    def flow() -> None:
        do("before", lambda: None, undo=lambda: None)
        with preflight():
            do("check", lambda: 1 // 0)

    runs.start(flow, target="db")

    assert ("failed", "r") == (runs.row.status, runs.store.holder("db"))
    runs.rollback(flow)
    assert ("rolled_back", None) == (runs.row.status, runs.store.holder("db"))
