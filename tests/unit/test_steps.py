"""Results, failures and attempts of single steps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pytest
from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import Retry, StepFailed, do, save, saved, step, workflow
from holdfast.model.facts import AttemptFailed, StepStarted
from holdfast.testing.crash import Crash


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Node:
    name: str
    colour: Colour


@step
def tell(value: object) -> object:
    touch("tell")
    return value


# --- results ---


@pytest.mark.parametrize(
    "value", [(1, 2), Node("a", Colour.RED), Colour.RED, {"a": (1,)}, {1, 2}, b"x", None, [1.5]]
)
def test_first_run_and_replay_give_equal_values(runs: Runs, value: object) -> None:
    """The caller gets the decoded value on the first run too."""
    seen: list[object] = []

    @workflow
    def flow() -> None:
        seen.append(do("tell", lambda: value))
        do("stumble", fail_until, 2)

    runs.start(flow)
    runs.start(flow)

    assert [value, value] == seen
    assert [type(value), type(value)] == [type(each) for each in seen]


def test_the_caller_never_shares_a_value_with_the_step(runs: Runs) -> None:
    """What the script does to a result does not reach what the step returned."""
    own = [1]

    @workflow
    def flow() -> list[int]:
        result = do("tell", lambda: own)
        result.append(2)
        return own

    assert [1] == runs.start(flow).result


def test_a_value_that_cannot_be_recorded_fails_the_step(runs: Runs) -> None:
    """It fails before it counts as done, once, and the message names the path in the value."""

    @workflow
    def flow() -> None:
        do("odd", lambda: touch("odd", {"nodes": [1, object()]}), retry=3)

    outcome = runs.start(flow)

    assert "failed" == runs.step("odd").status
    assert "nodes" in outcome.reason and "[1]" in outcome.reason
    assert 1 == CALLS["odd"]


def test_a_large_value_comes_back_from_its_spill(runs: Runs) -> None:
    """Over 64 KiB it is kept outside its row, and replay gives the same."""
    large = "x" * 100_000

    @workflow
    def flow() -> int:
        value = do("large", lambda: touch("large", [large]))
        do("stumble", fail_until, 2)
        return len(value[0])

    runs.start(flow)
    outcome = runs.start(flow)

    assert 100_000 == outcome.result
    assert 1 == CALLS["large"]


# --- failures ---


def test_a_failure_is_the_same_on_replay(runs: Runs) -> None:
    """StepFailed has the same key, type, message and attempts the first time and ever after."""
    seen: list[tuple[str, str, str, int]] = []

    @workflow
    def flow() -> None:
        try:
            do("bad", lambda: 1 / 0, retry=Retry(attempts=2, first="1s"))
        except StepFailed as failure:
            seen.append((failure.key, failure.type, failure.message, failure.attempts))
        do("stumble", fail_until, 2)

    runs.start(flow)
    runs.start(flow)

    assert [("bad", "ZeroDivisionError", "division by zero", 2)] * 2 == seen


def test_a_failure_that_the_script_caught_is_an_outcome(runs: Runs) -> None:
    """Resume does not retry it, although the run failed later."""

    @workflow
    def flow() -> None:
        try:
            do("bad", lambda: touch("bad") and 1 / 0)
        except StepFailed:
            pass
        do("stumble", fail_until, 2)

    runs.start(flow)
    outcome = runs.start(flow)

    assert "succeeded" == outcome.status
    assert 1 == CALLS["bad"]


def test_the_failure_that_ended_the_run_is_retried(runs: Runs) -> None:
    """Resume goes on in the same run, with the attempts granted anew."""

    @workflow
    def flow() -> int:
        return do("stumble", fail_until, 4, retry=Retry(attempts=2, first="1s"))

    first = runs.start(flow)
    second = runs.start(flow)

    assert ("failed", 1) == (first.status, first.exit_code)
    assert ("succeeded", 4) == (second.status, second.result)
    assert 4 == runs.step("stumble").attempts


def test_a_wrapped_failure_is_retried_too(runs: Runs) -> None:
    """The script may raise an error of its own from the step's."""

    @workflow
    def flow() -> int:
        try:
            return do("stumble", fail_until, 2)
        except StepFailed as failure:
            raise RuntimeError("no luck") from failure

    runs.start(flow)

    assert 2 == runs.start(flow).result


def test_a_message_that_cannot_be_told_is_no_trouble(runs: Runs) -> None:
    """An exception whose text raises fails its step like any other."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def body() -> None:
        raise Mute

    @workflow
    def flow() -> None:
        do("mute", body)

    runs.start(flow)

    assert ("failed", "Mute") == (runs.step("mute").status, runs.step("mute").error_type)


def test_leaving_the_interpreter_in_a_step_is_a_failure(runs: Runs) -> None:
    """`sys.exit()` in a body does not end the process unrecorded."""

    def body() -> None:
        raise SystemExit(3)

    @workflow
    def flow() -> None:
        do("exit", body)

    assert "failed" == runs.start(flow).status
    assert "failed" == runs.step("exit").status


# --- attempts ---


def test_waits_between_attempts_stay_within_their_jitter(runs: Runs) -> None:
    """Each wait grows by the factor and is shortened by the jitter's share at most."""

    @workflow
    def flow() -> int:
        retry = Retry(attempts=4, first="10s", factor=2, jitter=0.5)
        return do("stumble", fail_until, 4, retry=retry)

    runs.start(flow)
    failed = runs.facts(AttemptFailed)
    waits = [(fact.next_at - fact.at).total_seconds() for fact in failed]

    assert 3 == len(waits)
    assert all(full / 2 <= wait <= full for wait, full in zip(waits, (10, 20, 40), strict=True))


def test_a_wait_survives_the_process(runs: Runs) -> None:
    """The next life waits until the recorded moment, not for another full wait."""

    @workflow
    def flow() -> int:
        return do("stumble", fail_until, 2, retry=Retry(attempts=2, first="1h", most="1h"))

    runs.start(flow, budget_s=1)
    assert ("waiting", "waiting") == (runs.row.status, runs.step("stumble").status)
    due = runs.step("stumble").next_at
    runs.start(flow)
    started = runs.facts(StepStarted)[-1]

    assert due is not None and due <= started.at
    assert 2 == started.attempt


def test_a_person_ends_a_wait(runs: Runs) -> None:
    """`retry STEP` makes the next attempt due at once."""

    @workflow
    def flow() -> int:
        return do("stumble", fail_until, 2, retry=Retry(attempts=2, first="1h", most="1h"))

    runs.start(flow, budget_s=1)
    before = runs.clock.now()
    runs.rearm("stumble")
    runs.start(flow)

    assert (runs.facts(StepStarted)[-1].at - before).total_seconds() < 60


def test_an_error_that_is_not_named_is_not_retried(runs: Runs) -> None:
    """`on=` says which errors may be followed by another attempt."""

    @workflow
    def flow() -> None:
        do("bad", lambda: touch("bad") and 1 / 0, retry=Retry(attempts=5, on=OSError))

    runs.start(flow)

    assert 1 == CALLS["bad"]


def test_every_life_makes_an_attempt(runs: Runs) -> None:
    """Interrupted attempts count, but a life that finds them used up still tries once."""

    @workflow
    def flow() -> int:
        return do("die", die, retry=1)

    def die() -> int:
        if touch("die") and CALLS["die"] < 3:
            dying[-1].is_dead = True
            raise Crash
        return CALLS["die"]

    dying: list = []
    runs.die_in(flow, dying.append)
    runs.die_in(flow, dying.append)

    assert 3 == runs.start(flow).result


# --- taken anew ---


def test_a_new_version_forces_a_new_execution(runs: Runs) -> None:
    """It has all its attempts, no cursor of the earlier one, and its own result."""

    def body() -> object:
        before = saved("nothing")
        save("something")
        return [before, fail_until(CALLS["try"] + 1)]

    def flow_of(version: int):
        @workflow(name="flow")
        def flow() -> object:
            return [do("job", body, version=version), do("stumble", fail_until, 3, "stumble")]

        return flow

    runs.start(flow_of(1))
    runs.start(flow_of(2))
    outcome = runs.start(flow_of(2))

    assert [["nothing", 2], 3] == outcome.result
    assert 2 == CALLS["try"]


def test_an_old_result_is_taken_anew_on_resume(runs: Runs) -> None:
    """`fresh=` says how old it may be; within one life it stays."""

    @workflow
    def flow() -> object:
        value = do("look", lambda: touch("look") and CALLS["look"], fresh="1h")
        do("stumble", fail_until, 3)
        return value

    runs.start(flow)
    runs.clock.jump(60)
    runs.start(flow)
    runs.clock.jump(7200)

    assert 2 == runs.start(flow).result
