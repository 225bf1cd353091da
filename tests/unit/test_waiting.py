"""Durable waiting, and questions to a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

import pytest
from tests.unit.runs import CALLS, Runs, Says, fail_until, touch

from holdfast import ask, confirm, do, require, sleep, sleep_until, wait_for, workflow
from holdfast.model.codec import encode
from holdfast.model.facts import StepSucceeded
from holdfast.runtime.listening import Quiet


class Size(Enum):
    SMALL = 1
    LARGE = 2


@dataclass(frozen=True)
class Pod:
    name: str


# --- sleep ---


def test_a_sleep_ends_when_its_moment_has_come(runs: Runs) -> None:
    """Not before, and it is counted from when it was reached."""

    @workflow
    def flow() -> None:
        sleep("2h")

    before = runs.clock.now()
    runs.start(flow)

    assert runs.clock.now() - before >= timedelta(hours=2)


def test_a_sleep_survives_the_process(runs: Runs) -> None:
    """The moment is durable: a life that comes late does not sleep again."""

    @workflow
    def flow() -> None:
        sleep("2h")
        touch("awake")

    runs.start(flow, budget_s=1)
    due = runs.step("sleep 2h").next_at
    runs.clock.jump(7200)
    before = runs.clock.now()
    runs.start(flow)

    assert due is not None and due < before
    assert (runs.clock.now() - before).total_seconds() < 60
    assert 1 == CALLS["awake"]


def test_a_person_ends_a_sleep(runs: Runs) -> None:
    """`retry STEP` makes it over at once, and `done` does too."""

    @workflow
    def flow() -> None:
        sleep("30d")
        sleep("30d")

    runs.start(flow, budget_s=1)
    before = runs.clock.now()
    runs.rearm("sleep 30d")
    runs.start(flow, budget_s=1)
    runs.done("sleep 30d#2")

    assert "succeeded" == runs.start(flow).status
    assert runs.clock.now() - before < timedelta(days=1)


def test_a_person_ends_a_sleep_of_a_living_run(runs: Runs) -> None:
    """Somebody else's word is seen within a moment, not when the time is over."""

    class Impatient(Quiet):
        """A listener that ends the wait once it has begun."""

        def fact(self, fact, state) -> None:
            if type(fact).__name__ == "TimerSet":
                runs.rearm("sleep 30d")

    @workflow
    def flow() -> None:
        sleep("30d")

    before = runs.clock.now()
    runs.start(flow, listeners=[Impatient()])

    assert runs.clock.now() - before < timedelta(days=1)


def test_sleeping_until_a_moment(runs: Runs) -> None:
    """A moment that is over is no wait; one without a time zone, or that UTC does not have, is
    refused."""

    @workflow
    def flow(at: datetime) -> None:
        sleep_until(at)

    assert "succeeded" == runs.start(flow, {"at": datetime(2030, 1, 2, tzinfo=UTC)}).status
    assert runs.clock.now() >= datetime(2030, 1, 2, tzinfo=UTC)
    naive = runs.start(flow, {"at": datetime(2030, 1, 2)}, id="other")
    assert 2 == naive.exit_code
    west = timezone(timedelta(hours=-1))
    beyond = runs.start(flow, {"at": datetime.max.replace(tzinfo=west)}, id="beyond")
    assert (2, True) == (beyond.exit_code, "beyond what a calendar holds" in beyond.reason)


# --- wait_for ---


def test_the_first_truthy_value_is_recorded(runs: Runs) -> None:
    """It is asked again and again until then, and never after."""

    def look() -> object:
        touch("look")
        return Pod("a") if CALLS["look"] == 3 else None

    @workflow
    def flow() -> object:
        return [wait_for("pod", look, every="1m"), do("stumble", fail_until, 2)]

    runs.start(flow)

    assert [Pod("a"), 2] == runs.start(flow).result
    assert 3 == CALLS["look"]


def test_a_wait_that_fails_is_retried_on_resume(runs: Runs) -> None:
    """An error of the probe fails it like any step."""

    @workflow
    def flow() -> int:
        return wait_for("stumble", fail_until, 2)

    assert ("failed", 1) == (runs.start(flow).status, CALLS["try"])
    assert 2 == runs.start(flow).result


def test_a_value_that_cannot_be_recorded_fails_the_wait(runs: Runs) -> None:
    """As it fails a step: the run says where in the value, and nothing counts as done."""

    @workflow
    def flow() -> None:
        wait_for("odd", lambda: [object()])

    outcome = runs.start(flow)

    assert ("failed", "failed") == (outcome.status, runs.step("odd").status)
    assert "[0]" in outcome.reason


def test_a_wait_that_takes_too_long_holds(runs: Runs) -> None:
    """The deadline counts over all lives; a yes waits as long again, a no fails the step."""

    @workflow
    def flow() -> object:
        return wait_for("never", lambda: CALLS["ready"], every="1m", timeout="1h")

    assert ("on_hold", 3) == (runs.start(flow).status, runs.start(flow).exit_code)
    assert runs.hold().opened.question.endswith(" UTC; wait 1h longer?")
    runs.answer("approve")
    runs.start(flow)
    CALLS["ready"] = 1
    runs.answer("approve")

    assert 1 == runs.start(flow).result


def test_a_no_to_a_longer_wait_fails_it(runs: Runs) -> None:
    """And the next life waits anew."""

    @workflow
    def flow() -> object:
        return wait_for("never", lambda: CALLS["ready"], every="1m", timeout="1h")

    outcome = runs.start(flow, person=Says("reject"))
    CALLS["ready"] = 1

    assert ("failed", 1) == (outcome.status, outcome.exit_code)
    assert 1 == runs.start(flow).result


# --- require ---


def test_a_requirement_that_is_not_met_fails_the_run(runs: Runs) -> None:
    """It is asked again by the next life; what it returned is its value."""

    @workflow
    def flow() -> object:
        return require("ready", lambda: CALLS["ready"])

    assert "ready" in runs.start(flow).reason
    CALLS["ready"] = 7

    assert 7 == runs.start(flow).result


def test_a_fresh_requirement_is_asked_again(runs: Runs) -> None:
    """A pre-flight that was fine yesterday is not taken for granted today."""

    @workflow
    def flow() -> None:
        require("backup", lambda: touch("backup"), fresh="1h")
        do("stumble", fail_until, 2)

    runs.start(flow)
    runs.clock.jump(7200)
    runs.start(flow)

    assert 2 == CALLS["backup"]


def test_a_requirement_never_asks_a_person(runs: Runs) -> None:
    """It only reads, so `--mode confirm` lets it pass."""

    @workflow
    def flow() -> None:
        require("ready", lambda: True)

    assert "succeeded" == runs.start(flow, mode="confirm").status


# --- questions ---


def test_a_yes_is_recorded_with_its_giver(runs: Runs) -> None:
    """Who, when and the comment; it is asked once."""

    @workflow
    def flow() -> list[object]:
        answer = confirm("upgrade?")
        do("stumble", fail_until, 2)
        return [answer.by, answer.comment, isinstance(answer.at, datetime)]

    person = Says("approve", comment="fine")
    runs.start(flow, person=person)

    assert ["tester", "fine", True] == runs.start(flow, person=person).result
    assert 1 == len(person.asked)


def test_a_no_can_be_caught(runs: Runs) -> None:
    """StepFailed like any other, of the type Rejected, with who and why."""
    from holdfast import StepFailed

    @workflow
    def flow() -> list[str]:
        try:
            confirm("upgrade?")
        except StepFailed as failure:
            return [failure.type, failure.message]
        return []

    outcome = runs.start(flow, person=Says("reject", comment="not now"))

    assert ["Rejected", "rejected by tester: not now"] == outcome.result


@pytest.mark.parametrize(
    ("type", "value"), [(str, "a"), (int, 3), (Size, Size.LARGE), (Pod, Pod("x"))]
)
def test_an_answer_has_its_type(runs: Runs, type: type, value: object) -> None:
    """On the first run and on replay."""

    @workflow
    def flow() -> list[object]:
        answer = ask("which?", type)
        do("stumble", fail_until, 2)
        return [answer]

    runs.start(flow, person=Says("value", encode(value)))

    assert [value] == runs.start(flow).result


def test_a_default_is_never_taken_by_itself(runs: Runs) -> None:
    """Without a person the run holds, whatever the default."""

    @workflow
    def flow() -> str:
        return ask("which?", default="a")

    outcome = runs.start(flow)

    assert ("on_hold", 3) == (outcome.status, outcome.exit_code)
    assert "a" == runs.hold().opened.evidence["default"]


def test_the_same_question_twice_is_two_questions(runs: Runs) -> None:
    """One yes answers one of them."""

    @workflow
    def flow() -> None:
        confirm("go?")
        confirm("go?")

    runs.start(flow)
    runs.answer("approve")

    assert "on_hold" == runs.start(flow).status
    assert "confirm go?#2" == runs.hold().opened.key


def test_a_mode_asks_for_every_step(runs: Runs) -> None:
    """`--mode confirm` asks before each step that changes something; `reads=True` never asks."""

    @workflow
    def flow() -> None:
        do("look", touch, "look", reads=True)
        do("change", touch, "change")

    person = Says("approve")
    runs.start(flow, person=person, mode="confirm")

    assert ["change?"] == person.asked
    assert ["auto: only reads", "approved by tester"] == [
        runs.step(fact.key).decided_by for fact in runs.facts(StepSucceeded)
    ]


def test_an_answer_is_void_when_its_question_changed(runs: Runs) -> None:
    """A yes to other inputs is none to these: it is asked again."""

    def flow_of(image: str):
        @workflow(name="flow")
        def flow() -> str:
            return do("set", touch, image, confirm=True)

        return flow

    runs.start(flow_of("v1"))
    runs.answer("approve")
    outcome = runs.start(flow_of("v2"))

    assert ("on_hold", 0) == (outcome.status, CALLS["v2"])
    assert ["void", "open"] == [hold.status for hold in runs.state.holds.values()]
