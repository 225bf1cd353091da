"""Steps that run at most once, and checks: is it already so?"""

from __future__ import annotations

import threading

import pytest
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import Check, NotDone, StepFailed, UsageError, do, save, saved, workflow
from holdfast.model.facts import StepStarted
from holdfast.testing.crash import Crash, Mortal

DYING: list[Mortal] = []


def pay() -> str:
    """Take effect, and die before anybody knows."""
    if touch("pay") and CALLS["pay"] == 1:
        DYING[-1].is_dead = True
        raise Crash
    return f"paid {CALLS['pay']}"


@workflow
def paying() -> str:
    return do("pay", pay, once=True)


def checking(check, **options):
    """Return a workflow with one step, whose check is `check` and which dies the first time."""

    @workflow(name="checking")
    def flow() -> str:
        return do("pay", pay, check=check, **options)

    return flow


# --- at most once ---


def test_a_crash_in_a_once_step_holds(runs: Runs) -> None:
    """It is in doubt: the run waits for a person, exit 6, and never repeats it by itself."""
    runs.die_in(paying, DYING.append)
    outcomes = [runs.start(paying) for _ in range(3)]

    assert {("on_hold", 6)} == {(outcome.status, outcome.exit_code) for outcome in outcomes}
    assert ("in_doubt", "pay") == (runs.hold().opened.kind, runs.hold().opened.key)
    assert "in_doubt" == runs.step("pay").status
    assert 1 == CALLS["pay"]


def test_done_says_that_it_took_effect(runs: Runs) -> None:
    """The run goes on with the value that the person gave."""
    runs.die_in(paying, DYING.append)
    runs.start(paying)
    runs.done("pay", "paid by hand")
    outcome = runs.start(paying)

    assert "paid by hand" == outcome.result
    assert "already_done" == runs.step("pay").status
    assert 1 == CALLS["pay"]


def test_done_may_be_said_before_the_run_is_resumed(runs: Runs) -> None:
    """The doubt is there as soon as the process is gone, whether or not a life has found it."""
    runs.die_in(paying, DYING.append)
    runs.done("pay", "early")

    assert "early" == runs.start(paying).result


def test_retry_runs_it_again(runs: Runs) -> None:
    """Only a person's word repeats it, and one word is good for one attempt."""
    runs.die_in(paying, DYING.append)
    runs.start(paying)
    runs.rearm("pay")

    assert "paid 2" == runs.start(paying).result


def test_a_doubt_is_not_approved_rejected_or_skipped(runs: Runs) -> None:
    """An in-doubt step is decided by `done` or `retry`; everything else is refused."""
    runs.die_in(paying, DYING.append)
    runs.start(paying)

    for given in ("approve", "reject", "skip"):
        with pytest.raises(UsageError, match="done"):
            runs.answer(given, comment="no")


@pytest.mark.parametrize("error", [OSError("broken pipe"), ValueError("odd")])
def test_an_exception_leaves_it_in_doubt(runs: Runs, error: Exception) -> None:
    """Any ending but a recorded result holds, and the hold says why; the code with which the
    process ended is the one that the journal has."""

    def body() -> None:
        touch("body")
        raise error

    @workflow
    def flow() -> None:
        do("send", body, once=True)

    outcome = runs.start(flow)

    assert ("on_hold", 6) == (outcome.status, outcome.exit_code)
    assert runs.state.stopped is not None and 6 == runs.state.stopped.exit_code
    assert str(error) in str(runs.hold().opened.evidence["why"])
    assert 1 == CALLS["body"]


def test_a_timeout_leaves_it_in_doubt(runs: Runs) -> None:
    """A body that was given up on may have taken effect."""

    def body() -> None:
        while not release.wait(0.005):
            runs.clock.jump(1)

    @workflow
    def flow() -> None:
        do("send", body, once=True, timeout="1m")

    release = threading.Event()
    outcome = runs.start(flow)
    release.set()

    assert ("on_hold", 6) == (outcome.status, outcome.exit_code)


def test_a_value_that_cannot_be_recorded_leaves_it_in_doubt(runs: Runs) -> None:
    """It did take effect, and its result is not known to the journal."""

    @workflow
    def flow() -> None:
        do("send", lambda: touch("send", object()), once=True)

    assert 6 == runs.start(flow).exit_code
    assert 6 == runs.start(flow).exit_code
    assert 1 == CALLS["send"]


def test_a_body_may_say_that_nothing_happened(runs: Runs) -> None:
    """NotDone fails the step, which resume then tries again."""

    def body() -> str:
        if touch("send") and CALLS["send"] == 1:
            raise NotDone("the queue was full")
        return "sent"

    @workflow
    def flow() -> str:
        return do("send", body, once=True)

    first = runs.start(flow)

    assert ("failed", 1) == (first.status, first.exit_code)
    assert "sent" == runs.start(flow).result


def test_once_and_retry_contradict_each_other() -> None:
    """It is refused where the step is written, before anything runs."""
    with pytest.raises(UsageError, match="once"):
        from holdfast import step

        step("x", once=True, retry=2)


def test_a_doubt_outlives_an_edit_of_the_option(runs: Runs) -> None:
    """Taking `once=True` out of the script does not let an in-doubt step run."""

    @workflow(name="paying")
    def edited() -> str:
        return do("pay", pay)

    runs.die_in(paying, DYING.append)

    assert 6 == runs.start(edited).exit_code


# --- checks ---


@pytest.mark.parametrize("says", [True, Check.DONE, Check.done(), Check.done(None)])
def test_what_is_already_so_is_not_done_again(runs: Runs, says: object) -> None:
    """The step counts as already done, and its body does not run."""
    outcome = runs.start(checking(lambda: says))

    assert ("succeeded", None) == (outcome.status, outcome.result)
    assert "already_done" == runs.step("pay").status
    assert 0 == CALLS["pay"]
    assert [] == runs.facts(StepStarted)


def test_a_check_may_know_the_result(runs: Runs) -> None:
    """Check.done(value) gives what the step would have returned, then and on replay."""
    flow = checking(lambda: touch("check", Check.done(("a", 1))))

    assert ("a", 1) == runs.start(flow).result
    assert ("a", 1) == runs.start(flow).result
    assert 1 == CALLS["check"]


@pytest.mark.parametrize("says", [False, None, Check.ABSENT, Check.PARTIAL, Check.UNKNOWN, "?"])
def test_whatever_else_a_check_says_the_step_runs(runs: Runs, says: object) -> None:
    """A first attempt needs no proof that nothing is there."""
    CALLS["pay"] = 1

    assert "paid 2" == runs.start(checking(lambda: says, once=True)).result


def raising() -> bool:
    raise OSError("the world cannot be asked")


@pytest.mark.parametrize(
    "check", [lambda: None, lambda: Check.PARTIAL, lambda: Check.UNKNOWN, raising, lambda: "?",
              lambda: Check.done(object())]
)  # fmt: skip
def test_a_doubtful_step_holds_unless_the_check_is_sure(runs: Runs, check) -> None:
    """A `once` step that had begun runs again only when nothing of it is there."""
    flow = checking(check, once=True)
    runs.die_in(flow, DYING.append)
    outcome = runs.start(flow)

    assert ("on_hold", 6) == (outcome.status, outcome.exit_code)
    assert 1 == CALLS["pay"]


@pytest.mark.parametrize("absent", [False, Check.ABSENT])
def test_a_doubtful_step_runs_when_it_is_absent(runs: Runs, absent: object) -> None:
    """The check decides the doubt, and nobody is asked."""
    flow = checking(lambda: absent, once=True)
    runs.die_in(flow, DYING.append)

    assert "paid 2" == runs.start(flow).result


def test_a_doubtful_step_is_done_when_the_check_says_so(runs: Runs) -> None:
    """It took effect before the crash: recorded as already done."""
    flow = checking(lambda: CALLS["pay"] > 0, once=True)
    runs.die_in(flow, DYING.append)

    assert "succeeded" == runs.start(flow).status
    assert 1 == CALLS["pay"]


def test_a_check_that_does_not_answer_says_nothing(runs: Runs) -> None:
    """After 30 s it counts as unknown: the doubtful step holds."""
    release = threading.Event()

    def slow() -> bool:
        if CALLS["pay"]:
            runs.clock.jump(31)
            release.wait()
        return False

    flow = checking(slow, once=True)
    runs.die_in(flow, DYING.append)
    outcome = runs.start(flow)
    release.set()

    assert 6 == outcome.exit_code


def test_a_late_answer_of_a_check_does_not_disturb_the_step(runs: Runs) -> None:
    """A check that was given up on may end while the body runs with a timeout of its own."""
    release, over = threading.Event(), threading.Event()

    def slow() -> bool:
        runs.clock.jump(31)
        release.wait()
        over.set()
        return True

    def body() -> str:
        release.set()
        over.wait()
        return touch("body")

    @workflow
    def flow() -> str:
        return do("job", body, check=slow, timeout="1h")

    assert "body" == runs.start(flow).result


def test_a_check_gets_the_arguments_it_names(runs: Runs) -> None:
    """It is called with those of the step's arguments that it declares."""

    def body(node: str, image: str) -> None:
        touch("body")

    @workflow
    def flow() -> None:
        do("set", body, "n1", "v2", check=lambda image: touch(f"check {image}", False))

    runs.start(flow)

    assert {"check v2": 1, "body": 1} == dict(CALLS)


def test_a_check_that_asks_for_what_is_not_there_is_refused(runs: Runs) -> None:
    """A mistake in the script is no UNKNOWN: it is said, and exits 2."""

    @workflow
    def flow() -> None:
        do("set", touch, "n1", check=lambda image: True)

    assert 2 == runs.start(flow).exit_code
    assert 0 == CALLS["n1"]


def test_a_check_sees_what_the_step_saved(runs: Runs) -> None:
    """`saved()` works in it, and so does a step called as a plain function."""

    def copy() -> None:
        save({"id": 7})
        if touch("copy") and CALLS["copy"] == 1:
            DYING[-1].is_dead = True
            raise Crash

    @workflow
    def flow() -> None:
        do("copy", copy, once=True, check=lambda: saved({}).get("id") == 7)

    runs.die_in(flow, DYING.append)

    assert "succeeded" == runs.start(flow).status
    assert 1 == CALLS["copy"]


def test_a_check_cannot_save(runs: Runs) -> None:
    """It looks at the world; the cursor is the step's."""

    @workflow
    def flow() -> str:
        return do("job", touch, "job", check=lambda: save(1))

    assert "job" == runs.start(flow).result
    assert not runs.step("job").has_saved


def test_a_step_that_left_at_its_save_is_not_in_doubt(runs: Runs) -> None:
    """Leaving there is in order: the step goes on from its cursor, and costs no attempt."""

    def copy() -> int:
        for part in range(saved(0), 3):
            touch("part")
            if part == 1 and CALLS["part"] == 2:
                runs.stop()
            save(part + 1)
        return CALLS["part"]

    @workflow
    def flow() -> int:
        return do("copy", copy, once=True)

    first = runs.start(flow)
    assert ("stopped", 3, "waiting") == (first.status, first.exit_code, runs.step("copy").status)
    outcome = runs.resume(flow)

    assert ("succeeded", 3) == (outcome.status, outcome.result)


def test_a_caught_doubt_cannot_be_passed(runs: Runs) -> None:
    """`except StepFailed` around a once step does not turn its doubt into an outcome."""

    @workflow
    def flow() -> None:
        try:
            do("pay", lambda: fail_until(9), once=True)
        except StepFailed:
            touch("caught")

    assert 6 == runs.start(flow).exit_code
    assert 0 == CALLS["caught"]


def test_a_doubt_cannot_be_edited_away(runs: Runs) -> None:
    """A script that no longer has the step cannot succeed before somebody decided it."""

    @workflow(name="paying")
    def edited() -> str:
        return touch("over")

    runs.die_in(paying, DYING.append)
    assert ("on_hold", 6) == (runs.start(edited).status, runs.start(edited).exit_code)
    runs.rearm("pay")

    assert "succeeded" == runs.start(edited).status
