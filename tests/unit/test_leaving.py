"""How a run leaves a process: nothing more starts, and nothing done is lost."""

from __future__ import annotations

import pytest
from tests.unit.runs import CALLS, Runs, Says, fail_until, touch

from holdfast import StepFailed, confirm, do, parallel, save, saved, sleep, wait_for, workflow
from holdfast.app import commands
from holdfast.model.facts import RunStopped, StepStarted, StepSucceeded
from holdfast.runtime.context import FRAME
from holdfast.testing.crash import TESTER

STOPS = [{}, {"pause": True}]


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_in_the_middle_of_a_step_costs_nothing(runs: Runs, stop: dict) -> None:
    """The step ends and is recorded; nothing starts after it; resume goes on from there."""

    @workflow
    def flow() -> str:
        do("first", lambda: touch("first") and runs.stop(**stop))
        return do("second", touch, "second")

    outcome = runs.start(flow)
    word = "paused" if stop else "stopped"
    assert (word, 3) == (outcome.status, outcome.exit_code)
    assert ["first"] == [fact.key for fact in runs.facts(StepSucceeded)]
    assert 0 == CALLS["second"]

    assert "second" == runs.resume(flow).result
    assert 1 == CALLS["first"]


def test_a_failure_under_a_stop_is_recorded(runs: Runs) -> None:
    """A stop, or a signal, in the middle of a failing step does not hide how it ended."""

    def body() -> None:
        FRAME.get().life.leave("SIGTERM received", 143, "signal")
        raise OSError("no luck")

    @workflow
    def flow() -> None:
        do("bad", body)

    outcome = runs.start(flow)

    assert ("stopped", 143) == (outcome.status, outcome.exit_code)
    assert ("failed", "no luck") == (runs.step("bad").status, runs.step("bad").error)


def test_a_cleanup_does_not_run_at_a_park(runs: Runs) -> None:
    """The node stays cordoned while the run waits for a person."""

    @workflow
    def flow() -> None:
        do("cordon", touch, "cordon")
        try:
            confirm("go on?")
        finally:
            do("uncordon", touch, "uncordon")

    outcome = runs.start(flow)

    assert ("on_hold", 3) == (outcome.status, outcome.exit_code)
    assert {"cordon": 1} == dict(CALLS)
    runs.answer("approve")
    assert "succeeded" == runs.start(flow).status
    assert {"cordon": 1, "uncordon": 1} == dict(CALLS)


def test_a_cleanup_does_not_run_at_a_stop(runs: Runs) -> None:
    """Whatever stands in a `finally:` is work like any other."""

    @workflow
    def flow() -> None:
        try:
            do("drain", lambda: touch("drain") and runs.stop())
            do("upgrade", touch, "upgrade")
        finally:
            do("uncordon", touch, "uncordon")

    runs.start(flow)

    assert {"drain": 1} == dict(CALLS)


def test_a_cleanup_runs_after_a_failure_and_again_after_the_next(runs: Runs) -> None:
    """On resume the steps that ran after the failure are superseded: they belong to the new
    attempt."""

    @workflow
    def flow() -> None:
        try:
            do("upgrade", fail_until, 3)
        finally:
            do("uncordon", touch, "uncordon")

    statuses = [runs.start(flow).status for _ in range(3)]

    assert ["failed", "failed", "succeeded"] == statuses
    assert 3 == CALLS["uncordon"]
    assert ["uncordon", "uncordon"] == [step.key for step in runs.state.superseded]


def test_what_ran_before_the_failure_is_not_superseded(runs: Runs) -> None:
    """Only what came after it runs again, whatever handled it and wherever it was raised again."""

    @workflow
    def flow() -> None:
        do("before", touch, "before")
        failure = None
        try:
            do("upgrade", fail_until, 2)
        except StepFailed as caught:
            failure = caught
        do("after", touch, "after")
        if failure is not None:
            raise failure

    runs.start(flow)
    runs.start(flow)

    assert (1, 2) == (CALLS["before"], CALLS["after"])


def test_a_swallowed_leaving_still_ends_the_run(runs: Runs) -> None:
    """A bare `except:` cannot keep a stopped run alive, nor can it make it succeed."""

    @workflow
    def flow() -> str:
        for number in range(3):
            try:
                do(f"step {number}", lambda: touch("step") and runs.stop())
            except BaseException:
                touch("swallowed")
        return "done"

    outcome = runs.start(flow)

    assert ("stopped", 3, None) == (outcome.status, outcome.exit_code, outcome.result)
    assert {"step": 1, "swallowed": 2} == dict(CALLS)


def test_a_swallowed_park_still_parks(runs: Runs) -> None:
    """The flag stands, whoever raised it first."""

    @workflow
    def flow() -> None:
        try:
            confirm("go on?")
        except BaseException:
            pass
        do("more", touch, "more")

    assert ("on_hold", "on_hold") == (runs.start(flow).status, runs.row.status)
    assert 0 == CALLS["more"]


def test_an_error_while_leaving_does_not_hide_the_hold(runs: Runs) -> None:
    """The run is on hold, not failed, although its cleanup raised."""

    @workflow
    def flow() -> None:
        try:
            confirm("go on?")
        finally:
            raise ValueError("cleanup went wrong")

    outcome = runs.start(flow)

    assert ("on_hold", 3) == (outcome.status, outcome.exit_code)
    assert "go on?" == runs.hold().opened.question


def test_a_doubt_weighs_more_than_a_question(runs: Runs) -> None:
    """Of several reasons the highest exit code is given."""

    @workflow
    def flow() -> None:
        parallel(
            ("ask", lambda: confirm("go on?")),
            ("pay", lambda: do("pay", lambda: 1 / 0, once=True)),
            at_once=1,
        )

    runs.start(flow)
    runs.answer("approve")
    outcome = runs.start(flow)

    assert 6 == outcome.exit_code


def test_a_spent_budget_ends_the_life_between_steps(runs: Runs) -> None:
    """Exit 75: run the same command again. The step in hand is finished first."""

    @workflow
    def flow() -> str:
        do("long", lambda: touch("long") and runs.clock.jump(100))
        return do("next", touch, "next")

    outcome = runs.start(flow, budget_s=60)
    assert ("stopped", 75) == (outcome.status, outcome.exit_code)
    assert {"long": 1} == dict(CALLS)

    assert "next" == runs.start(flow, budget_s=60).result


def test_a_budget_spent_in_the_last_step_stops_nothing(runs: Runs) -> None:
    """The work is done: the run succeeds."""

    @workflow
    def flow() -> None:
        do("long", lambda: runs.clock.jump(100))

    assert "succeeded" == runs.start(flow, budget_s=60).status


def test_a_save_is_a_boundary(runs: Runs) -> None:
    """A stop ends the life there, at the cost of no attempt and of nothing done before."""

    def copy() -> list[int]:
        for part in range(saved(0), 4):
            touch(f"part {part}")
            if part == 1 and CALLS["part 1"] == 1:
                runs.stop()
            save(part + 1)
        return list(range(saved()))

    @workflow
    def flow() -> list[int]:
        return do("copy", copy, retry=1)

    outcome = runs.start(flow)
    assert ("stopped", 3) == (outcome.status, outcome.exit_code)

    assert [0, 1, 2, 3] == runs.resume(flow).result
    assert {f"part {n}": 1 for n in range(4)} == dict(CALLS)


def test_saved_does_not_end_a_step(runs: Runs) -> None:
    """Only `save` is a boundary: a step that reads its cursor under a stop goes on."""

    @workflow
    def flow() -> None:
        do("job", lambda: [runs.stop(), saved(), touch("job")])

    runs.start(flow)

    assert "succeeded" == runs.step("job").status


def test_a_stop_ends_a_wait(runs: Runs) -> None:
    """A sleeping run leaves within moments, and the moment it waits for stays."""

    @workflow
    def flow() -> None:
        do("ask", lambda: runs.stop())
        sleep("30d")

    assert "stopped" == runs.start(flow).status


def test_a_stop_from_elsewhere_ends_a_wait_for_the_world(runs: Runs) -> None:
    """`wait_for` looks for requests between its probes."""

    @workflow
    def flow() -> None:
        wait_for("never", lambda: touch("probe") == "" or runs.stop() == "", every="1h")

    assert "stopped" == runs.start(flow).status
    assert 1 == CALLS["probe"]


def test_a_cancel_is_final(runs: Runs) -> None:
    """It leaves at the boundary with exit 3, and a last step that was under way does not make
    the run succeed."""

    @workflow
    def flow() -> None:
        do("last", lambda: commands.cancel(runs.store, "r", runs.clock, TESTER, "no").text)

    outcome = runs.start(flow)

    assert ("cancelled", 3) == (outcome.status, outcome.exit_code)
    assert "cancelled" == runs.row.status
    assert "cancelled" == runs.start(flow).status


def test_nothing_starts_in_other_branches(runs: Runs) -> None:
    """When one branch is stopped, the others finish their step and start no more."""

    def branch(name: str) -> None:
        do("one", lambda: touch("one") and name == "a" and runs.stop())
        do("two", touch, "two")

    @workflow
    def flow() -> None:
        parallel(("a", branch, "a"), ("b", branch, "b"), at_once=1)

    assert "stopped" == runs.start(flow).status
    assert {"one": 1} == dict(CALLS)


def test_why_a_run_left_is_in_its_journal(runs: Runs) -> None:
    """Kind, reason and exit code, once for each life."""

    @workflow
    def flow() -> None:
        confirm("go on?")

    runs.start(flow)
    runs.start(flow, budget_s=0)

    assert [("park", 3), ("time", 75)] == [(f.kind, f.exit_code) for f in runs.facts(RunStopped)]


def test_a_yes_covers_the_retries_of_this_life(runs: Runs) -> None:
    """A person is asked once for a step and its attempts, and again in the next life."""
    person = Says("approve")

    @workflow
    def flow() -> int:
        return do("careful", fail_until, 4, retry=2, confirm=True)

    runs.start(flow, person=person)
    assert 1 == len(person.asked)
    runs.start(flow, person=person)

    assert 2 == len(person.asked)
    assert {"approved by tester"} == {fact.decided_by for fact in runs.facts(StepStarted)}


def test_a_rejected_step_fails_and_is_asked_about_again(runs: Runs) -> None:
    """A no ends the run; a resume asks anew, and nothing has run."""

    @workflow
    def flow() -> str:
        return do("careful", touch, "careful", confirm=True)

    outcome = runs.start(flow, person=Says("reject", comment="not today"))

    assert ("failed", 1, 0) == (outcome.status, outcome.exit_code, CALLS["careful"])
    assert "not today" in outcome.reason
    assert "careful" == runs.start(flow, person=Says("approve")).result


def test_rejecting_a_parked_run_fails_it(runs: Runs) -> None:
    """No process is needed for a no; the next life asks again."""

    @workflow
    def flow() -> None:
        confirm("go on?")

    runs.start(flow)
    runs.answer("reject", comment="no")

    assert "failed" == runs.row.status
    assert "on_hold" == runs.start(flow).status


def test_a_skipped_step_stays_skipped(runs: Runs) -> None:
    """Its result is None, in this life and in every later one, whatever its version."""

    @workflow
    def flow() -> list[object]:
        return [do("careful", touch, "x", confirm=True, version=2), do("stumble", fail_until, 2)]

    runs.start(flow, person=Says("skip", comment="not needed"))
    outcome = runs.start(flow)

    assert [None, 2] == outcome.result
    assert ("skipped", 0) == (runs.step("careful").status, CALLS["x"])
