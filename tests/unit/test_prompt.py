"""Attending a run: which keys mean what, and that nobody's silence is a yes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from tests.unit.prompting import AT, RUN, STEP, Clock, Desk, Keyboard, Quiet

from holdfast.app.answering import typed_answer
from holdfast.app.nobody import Nobody
from holdfast.cli.asking import key_lines, keys_of, question_lines
from holdfast.cli.prompt import POLL_S, Ask, Prompt, Waiting
from holdfast.errors import Leaving, UsageError
from holdfast.model import facts as f
from holdfast.model.codec import encode
from holdfast.model.state import AUTO_REST, HoldState, RunState
from holdfast.model.terms import Electorate, Terms
from holdfast.testing.samples import OWNER, WHO, run_created

# --- keys ---


@pytest.mark.parametrize(
    ("typed", "answer", "value", "comment"),
    [
        (["y"], "approve", None, ""),
        (["YES"], "approve", None, ""),
        (["a"], "approve", AUTO_REST, ""),
        (["s", "gone"], "skip", None, "gone"),
        (["n", "too late"], "reject", None, "too late"),
        (["", "x", "y"], "approve", None, ""),
        ([None, None, "y"], "approve", None, ""),
        (["d", "y"], "approve", None, ""),
        (["s", "", "y"], "approve", None, ""),
    ],
)
def test_keys_of_a_step_that_asks(
    typed: list[str | None], answer: str, value: object, comment: str
):
    """Each letter is the answer it says; a no and a skip carry their reason."""
    given, _ = Desk(**STEP).attend(*typed)

    assert given is not None
    assert (answer, value, comment) == (given.answer, given.value, given.comment)
    assert ("h1", "digest", WHO) == (given.id, given.digest, given.by)


@pytest.mark.parametrize("typed", ["", " ", "yy", "ok", "u"])
def test_nothing_else_is_a_yes(typed: str):
    """Enter and unknown words answer nothing."""
    given, shown = Desk(**STEP).attend(typed)

    assert given is None
    assert "type one of y, a, s, n, p, d" in shown


@pytest.mark.parametrize("typed", [["p"], []])
def test_parking(typed: list[str]):
    """`p` and the end of input leave the run parked, with exit 3."""
    desk = Desk(**STEP)
    prompt = Prompt(Ask(desk.store, Clock(), WHO, Quiet()), Keyboard(typed))
    with pytest.raises(Leaving) as raised:
        prompt.attend(RUN, desk.journal.state, [HoldState(desk.opened)])

    assert ("park", 3) == (raised.value.kind, raised.value.exit_code)


def test_a_question_is_shown_once(capsys: pytest.CaptureFixture[str]):
    """While a line is being typed the prompt is not printed again."""
    _, shown = Desk(**STEP).attend(None, None, None)

    assert 1 == shown.count("drain n7?")
    assert 1 == shown.count("> ")


def test_what_was_typed_before_is_dropped():
    """Each new question drops what was typed before it was shown; so does the end."""
    desk = Desk(**STEP)
    keyboard = Keyboard([None, None])
    prompt = Prompt(Ask(desk.store, Clock(), WHO, Quiet()), keyboard)
    other = HoldState(f.HoldOpened(AT, "h2", "confirm", "k", "k?", "", {}))
    prompt.attend(RUN, desk.journal.state, [HoldState(desk.opened)])
    prompt.attend(RUN, desk.journal.state, [other])
    prompt.close()

    assert 3 == keyboard.forgotten


def test_a_question_of_the_script_is_not_skipped():
    """Only a step that asks offers skip and auto: for a plain question they mean nothing."""
    assert "ynpd" == "".join(key.letter for key in keys_of(Desk().opened, RunState()))


def test_in_doubt_is_done_with_reason_and_result():
    """In doubt, `y` records the step as done, by whom and why, with the result given."""
    desk = Desk("in_doubt")
    _doubt(desk)
    given, _ = desk.attend("y", "asked her", '{"n": 1}')

    step = desk.journal.refresh().steps["drain n7"]
    assert given is None
    assert ("already_done", {"n": 1}) == (step.status, step.result)


def test_in_doubt_may_run_again():
    """In doubt, `r` lets the step run again."""
    desk = Desk("in_doubt")
    _doubt(desk)
    desk.attend("r")

    assert "waiting" == desk.journal.refresh().steps["drain n7"].status


def test_a_result_that_is_no_json_decides_nothing():
    """A wrong result leaves the step in doubt and is asked again."""
    desk = Desk("in_doubt")
    _doubt(desk)
    _, shown = desk.attend("y", "asked her", "{")

    assert "in_doubt" == desk.journal.refresh().steps["drain n7"].status
    assert "is not JSON" in shown


def _doubt(desk: Desk) -> None:
    desk.journal.append((f.StepStarted(AT, "drain n7", 1, once=True),), only_if_current=True)
    desk.journal.append((f.StepDoubted(AT, "drain n7", 1, "killed"),), only_if_current=True)


# --- more than one step, more than one person, no way back ---


def _in(desk: Desk, kind: str, scope: str) -> None:
    desk.journal.append((f.ScopeEntered(AT, scope, kind),), only_if_current=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["stage", "unit"])
def test_a_yes_to_the_whole_of_it(kind: str):
    """`u` says yes to the unit or stage around the step, and records which."""
    desk = Desk(**STEP)
    _in(desk, kind, "flight")
    desk.opened = replace(desk.opened, key="flight/drain n7")
    given, shown = desk.attend("u")

    assert given is not None
    assert ("approve", "flight") == (given.answer, given.scope)
    assert "[u]n" in shown


def test_a_target_with_approvers_is_not_loosened_at_the_prompt():
    """Neither a whole stage nor the rest of the run is offered."""
    desk = Desk(**STEP)
    desk.journal.append(
        (f.LifeStarted(AT, 1, OWNER, WHO, "0", terms=Terms("confirm", is_guarded=True)),),
        only_if_current=True,
    )
    _in(desk, "stage", "flight")
    desk.opened = replace(desk.opened, key="flight/drain n7")
    given, shown = desk.attend("a", "u", None)

    assert given is None
    assert "[y]es  [s]kip  [n]o  [p]ark  [d]etails" in shown


def test_who_may_not_approve_is_told_so():
    """The answer is not recorded, and the prompt stays for a no, or to park."""
    desk = Desk(**STEP)
    desk.opened = replace(desk.opened, electorate=Electorate(("ben",)))
    given, shown = desk.attend("y", None)

    assert given is None
    assert "Ada Lovelace is none of its approvers: ben" in shown
    assert "from       ben" in shown


def test_one_of_a_quorum_waits_for_the_others():
    """Who has said yes is not asked again: the prompt says so, and lets the run be parked."""
    desk = Desk(**STEP)
    desk.opened = replace(desk.opened, electorate=Electorate(("Ada Lovelace", "ben"), 2))
    keyboard = Keyboard([None])
    hold = HoldState(desk.opened)
    hold.counted.append(f.HoldAnswered(AT, "h1", WHO, "approve"))
    Prompt(Ask(desk.store, Clock(), WHO, Quiet()), keyboard).attend(RUN, RunState(), [hold])

    assert "your answer is recorded; waiting for the others" in keyboard.shown
    assert keyboard.shown.endswith("[p]ark  [d]etails\n> ")


@pytest.mark.parametrize(
    ("typed", "is_yes"), [(["y", "db"], True), (["y", "yes"], False), (["y", ""], False)]
)
def test_where_there_is_no_way_back_the_name_is_typed(typed: list[str], is_yes: bool):
    """A yes alone is not enough: the target's name says that it is meant."""
    given, shown = Desk(type_to_confirm="db", **STEP).attend(*typed)

    assert is_yes == (given is not None)
    assert "there is no way back: type db to go on: " in shown


@pytest.mark.parametrize(("kind", "key"), [("gate", "y"), ("debt", "y"), ("gate", "n")])
def test_a_yes_against_what_was_found_takes_its_reason(kind: f.HoldKind, key: str):
    """A gate that failed, and a debt that is left, are agreed to with a reason, as with `-m`."""
    given, shown = Desk(kind).attend(key, "", key, "known, and safe")

    assert given is not None
    assert {"y": "approve", "n": "reject"}[key] == given.answer
    assert "known, and safe" == given.comment
    assert "nothing was decided: a reason is needed" in shown


@pytest.mark.parametrize("columns", [60, 120])
def test_the_keys_fit(columns: int):
    """However narrow the terminal is."""
    state = RunState()
    state.apply(run_created())
    state.apply(f.ScopeEntered(AT, "flight", "stage"))
    opened = replace(Desk(**STEP).opened, key="flight/drain n7")

    assert max(map(len, key_lines(keys_of(opened, state), columns))) <= columns


def test_what_was_answered_is_not_asked_again_by_another_branch():
    """Branches that hold at the same time see each other's questions, for a moment also one that
    was answered just now."""
    desk = Desk(**STEP)
    keyboard = Keyboard(["y", "n", "why not"])
    prompt = Prompt(Ask(desk.store, Clock(), WHO, Quiet()), keyboard)
    first, second = HoldState(desk.opened), HoldState(replace(desk.opened, id="h2"))
    given = prompt.attend(RUN, desk.journal.state, [first, second])
    again = prompt.attend(RUN, desk.journal.state, [first, second])
    first.status = "approved"
    other = prompt.attend(RUN, desk.journal.state, [first, second])
    other = other or prompt.attend(RUN, desk.journal.state, [second])

    assert given is not None and other is not None
    assert (None, 2) == (again, keyboard.shown.count("drain n7?"))
    assert [("h1", "approve"), ("h2", "reject")] == [(a.id, a.answer) for a in (given, other)]


# --- values ---


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        ("str", "12", "12"),
        ("int", "12", 12),
        ("float", "1.5", 1.5),
        ("bool", "true", True),
        ("list", '["a"]', ["a"]),
        ("date", "2026-01-31", encode(datetime(2026, 1, 31).date())),
        ("Something", '{"a": 1}', {"a": 1}),
    ],
)
def test_a_value_is_of_its_type(type: str, text: str, value: object):
    """A typed answer is recorded as the question's type wants it."""
    given, _ = Desk("question", type=type).attend(text)

    assert given is not None
    assert ("value", value) == (given.answer, given.value)


@pytest.mark.parametrize(("type", "text"), [("int", "x"), ("date", "soon"), ("bool", "maybe")])
def test_a_wrong_value_is_asked_again(type: str, text: str):
    """A value of another type answers nothing."""
    with pytest.raises(UsageError):
        typed_answer(Desk("question", type=type).opened, text)

    given, shown = Desk("question", type=type).attend(text, None)
    assert given is None
    assert f"is no {type}" in shown


def test_a_default_is_only_taken_when_typed():
    """Enter does not take the default."""
    given, shown = Desk("question", type="int", default=3).attend("", None)

    assert given is None
    assert "3 (type it to take it)" in shown


def test_a_choice_is_typed_by_its_name():
    """Choices are listed, and an Enum's member is chosen by its name."""
    red = {"$": "enum", "t": "script:Colour", "v": "RED"}
    given, shown = Desk("question", type="Colour", choices=[red, "blue"]).attend("RED")

    assert given is not None
    assert red == given.value
    assert "RED, blue" in shown


# --- what is shown ---


@pytest.mark.parametrize("columns", [60, 120])
def test_what_is_shown_fits(columns: int):
    """Every line of a question fits the terminal, however long the inputs are."""
    opened = Desk(runs="drain", inputs="node=" + "n7 " * 200, undo="", why="because").opened

    assert max(map(len, question_lines(RunState(), opened, columns))) <= columns


def test_what_is_shown_is_escaped():
    """A question cannot steer the terminal."""
    opened = f.HoldOpened(AT, "h1", "confirm", "k", "k\x1b[2J\u202e?", "", {})

    assert ["? k\\x1b[2J\\u202e?"] == question_lines(RunState(), opened, 80)


def test_an_interrupted_attempt_is_shown():
    """Before a step runs again its person sees where the last attempt was interrupted."""
    state = RunState()
    state.apply(run_created())
    state.apply(f.LifeStarted(AT, 1, OWNER, WHO, "0"))
    state.apply(f.StepStarted(AT, "drain n7", 1))
    text = " ".join(question_lines(state, Desk(**STEP).opened, 200))

    assert "1 attempt; the last began 2026-11-21 05:00:00 UTC in pid 4242 on host" in text
    assert "interrupted" in text


def test_an_edited_script_shows_both_sides():
    """A drift hold shows what was recorded, what is new and what is gone."""
    report: dict[str, Any] = {
        "gone": [{"key": "a", "location": "s.py:3"}],
        "new": {"key": "b", "location": "s.py:9"},
        "changed": {"key": "c", "location": "s.py:4", "recorded": "n=1", "now": "n=2"},
    }
    text = "\n".join(question_lines(RunState(), Desk("drift", **report).opened, 100))

    assert all(part in text for part in ("a  [s.py:3]", "b  [s.py:9]", "n=1", "n=2"))


# --- nobody here ---


def test_parking_names_what_is_asked():
    """Without anybody the run leaves, and the reason says what it waits for."""
    hold = HoldState(Desk(**STEP).opened)
    with pytest.raises(Leaving, match=r"drain n7\?") as raised:
        Nobody().attend(RUN, RunState(), [hold])

    assert ("park", 3) == (raised.value.kind, raised.value.exit_code)


def test_waiting_says_once_what_for():
    """With --wait the process looks a few times a second and says once what it waits for."""
    told: list[str] = []
    waits: list[float] = []
    waiting = Waiting(told.append, waits.append)
    hold = HoldState(Desk(**STEP).opened)
    answers = [waiting.attend(RUN, RunState(), [hold]) for _ in range(3)]

    assert [None] * 3 == answers
    assert [POLL_S] * 3 == waits
    assert ["waits for an answer to h1: drain n7?"] == told
