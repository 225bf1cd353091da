"""What a person sees beside a question, and what is offered to type, wherever a hold is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from holdfast.app.evidence import GONE_SHOWN_MAX, evidence_of
from holdfast.app.hold_ways import hold_ways
from holdfast.app.reasons import why_of
from holdfast.app.views import view_run
from holdfast.cli.ending import ending
from holdfast.cli.options import Common
from holdfast.cli.paper import Paper
from holdfast.cli.showing import next_lines, run_lines, why_lines
from holdfast.flow.running import Outcome
from holdfast.model import facts as f
from holdfast.model.state import HoldState
from holdfast.stores.memory import MemoryStore
from holdfast.testing.samples import AT, run_created

NOW = datetime(2026, 11, 21, 5, 0, 0, tzinfo=UTC)
COLUMNS = 60
CHANGED = {
    "gone": [],
    "changed": {"key": "copy a", "location": "s.py:4", "recorded": "n=1", "now": "n=2"},
}
CONFIRM = {
    "runs": "drain n7",
    "inputs": "node='n7'",
    "undo": "",
    "why": "confirm: the step says so",
    "location": "s.py:7",
}


def _opened(kind: Any, key: str = "", **evidence: Any) -> f.HoldOpened:
    return f.HoldOpened(AT, "h1", kind, key, "go on?", "d", evidence)


def _commands(opened: f.HoldOpened) -> list[str]:
    return [way.line() for way in hold_ways("r1", HoldState(opened), is_only=True)]


def _faces(opened: f.HoldOpened, columns: int | None = COLUMNS) -> dict[str, list[str]]:
    """Return how each command shows a run that holds with this."""
    store = MemoryStore()
    store.create("r1", run_created())
    store.append("r1", [opened], after=1, epoch=None)
    view = view_run(store, "r1")
    sheet = Paper(columns, has_colour=False, can_redraw=False, is_plain=False)
    outcome = Outcome("on_hold", None, "r1", 3, "it holds")
    return {
        "stop report": list(ending(outcome, view, Common(), columns)),
        "why": list(why_lines(why_of(view), sheet, NOW)),
        "show": list(run_lines(view, sheet, NOW)),
    }


@pytest.mark.parametrize("face", ["stop report", "why", "show"])
def test_a_changed_input_is_shown_wherever_the_run_is(face: str):
    """The step, its place, the recorded inputs, those of now, and both ways on."""
    text = "\n".join(_faces(_opened("drift", **CHANGED))[face])

    wanted = ("copy a  [s.py:4]", "n=1", "n=2", "--accept-drift", "holdfast retry r1 'copy a'")
    assert [] == [part for part in wanted if part not in text]


@pytest.mark.parametrize("face", ["stop report", "why", "show"])
def test_a_parked_question_shows_what_it_takes(face: str):
    """Type, choices and default are there, and the exact command that gives the default."""
    opened = _opened("question", "which?", type="str", choices=["red", "blue"], default="blue")
    text = "\n".join(_faces(opened)[face])

    wanted = ("str", "red, blue", "holdfast answer r1 blue", "holdfast answer r1 VALUE")
    assert [] == [part for part in wanted if part not in text]


@pytest.mark.parametrize("face", ["stop report", "why", "show"])
def test_a_parked_yes_shows_what_runs_and_why_it_asks(face: str):
    """Whoever answers from elsewhere sees the step, its inputs and the rule that asks."""
    text = "\n".join(_faces(_opened("confirm", "drain n7", **CONFIRM))[face])

    wanted = ("drain n7  [s.py:7]", "node='n7'", "confirm: the step says so")
    assert [] == [part for part in wanted if part not in text]


@pytest.mark.parametrize("face", ["stop report", "why", "show"])
def test_evidence_fits_a_narrow_terminal(face: str):
    """Inputs of any length are wrapped below their name; only commands are never wrapped."""
    changed = {
        "key": "copy a",
        "location": "s.py:4",
        "recorded": "n=" + "9" * 99,
        "now": "1, " * 50,
    }
    lines = _faces(_opened("drift", gone=[], changed=changed))[face]

    assert [] == [line for line in lines if len(line) > COLUMNS and "holdfast " not in line]


def test_a_store_that_cannot_be_read_leaves_commands_that_fit():
    """What each does stands below it, where there is no room beside it."""
    outcome = Outcome("interrupted", None, "r1", 74, "the disk is full")
    common = Common("/var/lib/a folder/holdfast.db")
    lines = list(ending(outcome, None, common, COLUMNS))

    assert [
        "  next   holdfast --store '/var/lib/a folder/holdfast.db' doctor",
        "           # what is wrong with the store",
        "         holdfast --store '/var/lib/a folder/holdfast.db' resume r1",
        "           # once it is well",
    ] == lines[-4:]


def test_a_step_that_is_gone_and_one_that_is_new_name_their_lines():
    """Both sides of an edit are shown with their place in the script, and with their labels as
    the script has them."""
    gone = [{"key": "a 1%2F2", "location": "s.py:3", "recorded": "n=1"}]
    opened = _opened("drift", gone=gone, new={"key": "b", "location": "s.py:9", "now": "n=2"})

    assert (
        ("new", "b  [s.py:9]"),
        ("now", "n=2"),
        ("gone", "a 1/2  [s.py:3]"),
        ("recorded", "n=1"),
    ) == evidence_of(opened)


def test_a_renamed_step_is_told_how_to_keep_its_record():
    """Where a new step has the code of a gone one, `was=` is named."""
    opened = _opened("drift", gone=[{"key": "a"}], new={"key": "b"}, renamed_or_volatile=["a"])

    assert "was=" in dict(evidence_of(opened))["same code"]


def test_many_gone_steps_are_counted():
    """A script that lost a hundred steps does not fill the screen with them."""
    opened = _opened("drift", gone=[{"key": f"s{number}"} for number in range(100)])

    assert ("gone", f"and {100 - GONE_SHOWN_MAX} more") == evidence_of(opened)[-1]


def test_a_default_that_looks_like_an_option_can_be_typed():
    """The printed command gives -5 as a value."""
    assert "holdfast answer r1 -- -5" == _commands(_opened("question", type="int", default=-5))[0]


def test_an_edited_script_may_be_put_back():
    """A plain `resume` of an edited script says what has to come first."""
    text = "\n".join(_faces(_opened("drift", **CHANGED), 120)["why"])

    assert "go on, once the script is put back" in text


def test_what_a_command_does_stands_below_it_where_there_is_no_room():
    """On a narrow terminal a command is a line of its own, to be copied."""
    ways = list(hold_ways("r1", HoldState(_opened("drift", **CHANGED)), is_only=True))

    assert "  holdfast retry r1 'copy a'" in list(next_lines(ways, (), COLUMNS))
