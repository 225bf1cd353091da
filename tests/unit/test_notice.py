"""What a notice says, and that it is bounded and safe to show."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from holdfast.model.facts import HoldOpened, RunFailed, RunSucceeded, StepStarted, StepSucceeded
from holdfast.model.notice import OCCASIONS
from holdfast.model.notices import EVENTS, KEYS_MAX, Way, notice_of, stall_notice
from holdfast.model.state import RunState
from holdfast.testing.notifiers import LONG, STRANGE, notice_about, sample_notice
from holdfast.testing.samples import AT, life_started, run_created

NOTICE_BYTES_MAX = 256 * 1024
HOLD = HoldOpened(AT, "h1", "confirm", "flight/drop a", "drop a?", "d", {"inputs": "secret"})


def state_after(*facts) -> RunState:
    state = RunState()
    for fact in (run_created(target="db1"), life_started(1), *facts):
        state.apply(fact)
    return state


def test_a_hold_says_what_is_asked_and_how_to_answer():
    """The whole document of a hold, as a command reads it; the evidence stays in the journal."""
    notice = notice_of(HOLD, state_after(HOLD), run="r", ways=[Way("holdfast approve r", "yes")])

    assert {
        "version": 1,
        "id": "r:3:hold",
        "event": "hold",
        "run": "r",
        "workflow": "upgrade",
        "target": "db1",
        "status": "on_hold",
        "host": "host",
        "at": "2026-11-21T04:05:06.789000Z",
        "title": "ON HOLD r on db1: drop a?",
        "text": "drop a?\n"
        "step  flight/drop a\n"
        "run   r on db1, workflow upgrade, host host\n"
        "next  holdfast approve r  # yes",
        "hold": {"id": "h1", "kind": "confirm", "key": "flight/drop a", "question": "drop a?"},
        "error": None,
        "steps": ["flight/drop a"],
        "next": [{"command": "holdfast approve r", "does": "yes"}],
    } == notice.as_json()


def test_a_failure_names_the_steps_and_the_error():
    """The error's type, text and place are there, and the steps that failed."""
    fact = RunFailed(AT, "StepFailed", "it broke", ("a", "b"), location="x.py:3")
    notice = notice_of(fact, state_after(fact), run="r")

    assert ("r:3:failed", "failed", ["a", "b"]) == (notice.id, notice.status, [*notice.steps])
    assert "FAILED r on db1: StepFailed: it broke  [x.py:3]" == notice.title
    assert {"type": "StepFailed", "message": "it broke", "location": "x.py:3"} == (
        notice.as_json()["error"]
    )


def test_a_success_says_how_much_and_how_long():
    """Steps and time are told, the result is not."""
    fact = RunSucceeded(AT + timedelta(minutes=12), {"password": "x"})
    step = (StepStarted(AT, "a", 1), StepSucceeded(AT, "a", "x"))
    notice = notice_of(fact, state_after(*step, fact), run="r")

    assert "SUCCEEDED r on db1: 1 step, 12m" == notice.title
    assert "password" not in json.dumps(notice.as_json())


def test_other_facts_are_not_told():
    """A step's beginning, for one, is nothing to call anybody for."""
    fact = StepStarted(AT, "a", 1)

    assert notice_of(fact, state_after(fact), run="r") is None


def test_each_silence_is_a_notice_of_its_own():
    """Two silences after the same fact have two ids; the first has the plain one."""
    first, second = (stall_notice(state_after(), ("a",), 60, AT, run="r", nth=n) for n in (1, 2))

    assert ("r:2:stalled", "r:2:stalled-2") == (first.id, second.id)
    assert "STALLED r on db1: nothing recorded and nothing written for 1m, in 'a'" == first.title


def test_nothing_in_a_notice_steers_a_terminal():
    """Controls and what turns the direction of text are escaped where people read them."""
    notice = notice_about(replace(HOLD, key=STRANGE, question=STRANGE))
    shown = notice.title + notice.text.replace("\n", "")

    assert [] == [c for c in shown if c in "\x00\x1b\u202e" or "\ud800" <= c <= "\udfff"]


def test_a_notice_is_bounded():
    """However long texts are, and however many steps failed, the document stays small."""
    failures = tuple(f"{LONG}{n}" for n in range(100))
    ways = [Way(f"holdfast log r {LONG}", "cut, it would be another command"), Way("x", "y")]
    fact = RunFailed(AT, LONG, LONG, failures, location=LONG)
    state = state_after(fact)
    state.created = run_created(LONG, target="db1")
    document = notice_of(fact, state, run="r", ways=ways).as_json()

    assert len(json.dumps(document)) < NOTICE_BYTES_MAX
    assert KEYS_MAX == len(document["steps"])
    assert [{"command": "x", "does": "y"}] == document["next"]


def test_the_same_fact_gives_the_same_notice():
    """A notice that is made again, after a crash, is the one that was made before."""
    assert sample_notice("hold") == sample_notice("hold")
    later = state_after(HOLD, StepStarted(AT, "a", 1))

    assert "r:3:hold" == notice_of(HOLD, later, run="r", seq=3).id


def test_events_are_what_an_inventory_may_name():
    """Each occasion of a `[notify]` table is an event of notices, and there is no other."""
    assert OCCASIONS == EVENTS
