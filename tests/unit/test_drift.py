"""Edit and resume: which differences between script and journal are asked about, and how."""

from __future__ import annotations

import pytest
from tests.unit.edits import begun, do, flow, held, keys
from tests.unit.runs import CALLS, Script

# --- no question ---


def test_nothing_changed_asks_nothing(script: Script) -> None:
    """A resumed run goes on after what it had finished."""
    begun(script, *do("a", "b"))

    assert "succeeded" == script.resume().status
    assert {"try": 2} == dict(CALLS)


@pytest.mark.parametrize(
    "edited",
    [
        ["# a comment", *do("a", "b")],
        ["extra = 1", *do("a"), "extra += 1", *do("b")],
        [*do("a", "b", "c")],
    ],
)
def test_edits_of_what_is_to_come_ask_nothing(script: Script, edited: list[str]) -> None:
    """Comments, plain code and steps after the finished ones are the script's own business."""
    begun(script, *do("a", "b"))

    assert "succeeded" == script.edit(flow(*edited)).resume().status
    assert 0 == CALLS["a"] + CALLS["b"]


def test_an_edited_failed_step_asks_nothing(script: Script) -> None:
    """What failed may be changed, moved or taken out."""
    begun(script, *do("a"))
    edited = flow(*do("a")).replace("fail_until, 2", "touch, 'other'")

    assert "succeeded" == script.edit(edited).resume().status


def test_arguments_that_cannot_be_recorded_are_not_compared(script: Script) -> None:
    """An open connection is another one in every life."""
    begun(script, 'do("a", lambda c: touch("a"), object())')

    assert "succeeded" == script.resume().status


# --- inserted ---


def test_a_step_inserted_before_finished_ones_holds(script: Script) -> None:
    """The report names the new step and the finished ones, each with file and line."""
    begun(script, *do("a", "b"))
    head = '@step("new")\ndef new():\n    touch("new")\n'
    text = flow("new()", *do("a", "b"), head="").replace("@workflow", f"{_in(head)}\n    @workflow")
    report = held(script.edit(text))

    assert ["a", "b"] == keys(report)
    assert ("new", script.line_of('@step("new")')) == (
        report["new"]["key"], report["new"]["location"],
    )  # fmt: skip
    assert 0 == CALLS["new"]


def _in(text: str) -> str:
    return text.replace("\n", "\n    ").rstrip()


def test_an_accepted_insertion_repeats_nothing(script: Script) -> None:
    """The new step runs; the finished ones that follow it keep their results."""
    begun(script, *do("a", "b"))
    held(script.edit(flow(*do("new", "a", "b"))))
    outcome = script.resume(accept_drift=True)

    assert "succeeded" == outcome.status
    assert {"try": 2, "new": 1} == dict(CALLS)


def test_accepting_covers_what_was_shown_and_nothing_else(script: Script) -> None:
    """A further edit after the question is a question of its own."""
    begun(script, *do("a", "b"))
    held(script.edit(flow(*do("new", "a", "b"))))
    script.edit(flow(*do("newer", "a", "b")))
    outcome = script.resume(accept_drift=True)

    assert ("on_hold", 3) == (outcome.status, outcome.exit_code)
    assert 0 == CALLS["newer"] + CALLS["new"]


def test_without_the_word_the_same_difference_holds_again(script: Script) -> None:
    """Resume alone accepts nothing, however often."""
    begun(script, *do("a"))
    script.edit(flow(*do("new", "a")))
    held(script)
    held(script)

    assert "succeeded" == script.resume(accept_drift=True).status


def test_restoring_the_script_voids_the_question(script: Script) -> None:
    """The run goes on as if nothing had been edited."""
    begun(script, *do("a"))
    held(script.edit(flow(*do("new", "a"))))
    outcome = script.edit(flow(*do("a"))).resume()

    assert "succeeded" == outcome.status
    assert [] == script.runs.state.open_holds
    assert ["void"] == [hold.status for hold in script.runs.state.holds.values()]


def test_a_no_fails_the_run_and_is_asked_again(script: Script) -> None:
    """Rejecting the edit ends the run as failed; resume asks anew."""
    begun(script, *do("a"))
    held(script.edit(flow(*do("new", "a"))))
    script.runs.answer("reject", comment="not so")
    assert "failed" == script.runs.row.status

    held(script)


# --- removed ---


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        (do("a", "b", "c"), do("a", "c"), ["b"]),
        (do("a", "b", "c"), do("b", "c"), ["a"]),
        (do("a", "b", "c"), do("a", "b"), ["c"]),
        (do("a", "b"), [], ["a", "b"]),
    ],
)
def test_finished_steps_that_are_gone_hold(
    script: Script, before: list[str], after: list[str], gone: list[str]
) -> None:
    """In the middle, at the beginning or at the end: judged before the run can succeed."""
    begun(script, *before)
    report = held(script.edit(flow(*after)))

    assert gone == keys(report)


def test_accepted_gone_steps_are_superseded(script: Script) -> None:
    """They are kept, and count no more."""
    begun(script, *do("a", "b"))
    held(script.edit(flow(*do("a"))))
    outcome = script.resume(accept_drift=True)

    assert "succeeded" == outcome.status
    assert ["b"] == [step.key for step in script.runs.state.superseded]


def test_a_gone_step_is_asked_about_once(script: Script) -> None:
    """One yes covers it for all new steps that follow, and at the end of its scope."""
    begun(script, *do("a", "b"))
    held(script.edit(flow(*do("a", "c", "d"))))
    outcome = script.resume(accept_drift=True)

    assert "succeeded" == outcome.status
    assert ["b"] == [step.key for step in script.runs.state.superseded]
    assert 1 == len(script.runs.state.holds)


STAGE = ['with stage("flight"):', '    do("x", touch, "x")', '    do("y", touch, "y")']


def test_a_gone_stage_holds_as_one(script: Script) -> None:
    """Its steps go with it when that is accepted."""
    begun(script, *do("a"), *STAGE)
    assert ["flight"] == keys(held(script.edit(flow(*do("a")))))
    script.resume(accept_drift=True)

    assert ["flight/x", "flight/y"] == [step.key for step in script.runs.state.superseded]


def test_a_step_gone_from_a_stage_holds_at_the_end_of_the_stage(script: Script) -> None:
    """A scope is judged by itself, before what follows it begins."""
    begun(script, *STAGE)
    script.edit(flow(*STAGE[:2], *do("after")))

    assert ["flight/y"] == keys(held(script))
    assert 0 == CALLS["after"]


def test_a_gone_branch_holds(script: Script) -> None:
    """A branch of a parallel that finished and is no longer there."""
    both = 'parallel(("l", touch, "l"), ("r", lambda: do("r", touch, "r")))'
    begun(script, both)
    report = held(script.edit(flow('parallel(("l", touch, "l"))')))

    assert ["r"] == keys(report)


def test_a_changed_branch_is_closed(script: Script) -> None:
    """A finished branch returns its result without being entered: edits in it do not matter."""
    begun(script, 'parallel(("l", lambda: do("l1", touch, "l1")))')
    script.edit(flow('parallel(("l", lambda: do("l2", touch, "l2")))'))

    assert "succeeded" == script.resume().status
    assert 0 == CALLS["l2"]
