"""Edit and resume: which differences between script and journal are asked about, and how."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.runs import CALLS, Runs, Script

from holdfast import UsageError
from holdfast.model.facts import DriftAccepted, StepSucceeded

FLOW = """
    from tests.unit.runs import fail_until

    @workflow
    def flow():
        {body}
        do("stumble", fail_until, {fails})
"""


def flow(*lines: str, fails: int = 2, head: str = "") -> str:
    """Return a script with these lines, which fails in its last step until the n-th try."""
    body = "\n        ".join(lines) or "pass"
    return head + FLOW.format(body=body, fails=fails)


def do(*names: str) -> list[str]:
    return [f'do("{name}", touch, "{name}")' for name in names]


def begun(script: Script, *lines: str, fails: int = 2) -> Script:
    """Run a first life of the script, which ends in a failure."""
    assert "failed" == script.edit(flow(*lines, fails=fails)).start().status
    CALLS.clear()
    CALLS["try"] = 1
    return script


def held(script: Script) -> dict[str, Any]:
    """Resume, and return the report of the drift that the run holds on."""
    outcome = script.resume()
    assert ("on_hold", 3) == (outcome.status, outcome.exit_code)
    opened = script.runs.hold().opened
    assert "drift" == opened.kind
    return opened.evidence


def keys(report: dict[str, Any]) -> list[str]:
    return [gone["key"] for gone in report["gone"]]


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


# --- changed inputs, order, names ---


def test_changed_inputs_hold_and_show_both(script: Script) -> None:
    """The report has what was recorded, what it is now, and where."""
    begun(script, 'do("a", touch, "one")')
    report = held(script.edit(flow('do("a", touch, "two")')))

    assert "a" == report["changed"]["key"]
    assert "one" in report["changed"]["recorded"] and "two" in report["changed"]["now"]
    assert ":" in report["changed"]["location"]


def test_accepted_inputs_keep_the_recorded_result(script: Script) -> None:
    """Nothing runs again, and the same inputs are not asked about twice."""
    begun(script, 'do("a", touch, "one")', fails=3)
    held(script.edit(flow('do("a", touch, "two")', fails=3)))
    assert "failed" == script.resume(accept_drift=True).status

    assert "succeeded" == script.resume().status
    assert 0 == CALLS["two"]


def test_other_inputs_than_the_accepted_ones_hold(script: Script) -> None:
    """A yes to one change is none to the next."""
    begun(script, 'do("a", touch, "one")', fails=3)
    held(script.edit(flow('do("a", touch, "two")', fails=3)))
    script.resume(accept_drift=True)

    held(script.edit(flow('do("a", touch, "three")', fails=3)))


def test_retry_runs_a_step_with_its_changed_inputs(script: Script) -> None:
    """That is how a finished step runs again; without a change it is refused."""
    begun(script, 'do("a", touch, "one")')
    with pytest.raises(UsageError, match="changed input"):
        script.runs.rearm("a")
    held(script.edit(flow('do("a", touch, "two")')))
    script.runs.rearm("a")

    assert "succeeded" == script.resume().status
    assert 1 == CALLS["two"]


def test_a_reordered_loop_holds(script: Script) -> None:
    """A new item before finished ones is a question; accepting it repeats none of them."""
    loop = 'for n in {}:\n            do(f"n{{n}}", touch, f"n{{n}}")'
    begun(script, loop.format([1, 2]))
    script.edit(flow(loop.format([3, 2, 1])))
    assert ["n1", "n2"] == keys(held(script))
    script.resume(accept_drift=True)

    assert {"try": 2, "n3": 1} == dict(CALLS)


def test_finished_steps_in_another_order_ask_nothing(script: Script) -> None:
    """Steps have names, not positions: all are there, and none is new."""
    begun(script, *do("a", "b"))

    assert "succeeded" == script.edit(flow(*do("b", "a"))).resume().status


def test_a_label_that_changes_is_reported_as_volatile(script: Script) -> None:
    """The same code under another name: a rename, or a timestamp in the label."""
    step = '@step("at {now}")\n    def at(now): touch("at")\n'
    text = flow("at(1)").replace("@workflow", f"{step}\n    @workflow")
    script.edit(text).start()
    report = held(script.edit(text.replace("at(1)", "at(2)")))

    assert ["at 1"] == report["renamed_or_volatile"]


def test_was_renames_a_step(script: Script) -> None:
    """The recorded result is found under the old label, also when that was used often."""
    begun(script, *do("a", "a"), fails=3)
    renamed = ['do("b", touch, "a", was="a")'] * 2
    script.edit(flow(*renamed, fails=3)).resume()

    assert "succeeded" == script.resume().status
    assert 0 == CALLS["a"]
    assert ["b", "b#2"] == [key for key in script.runs.state.steps if key.startswith("b")]


def test_was_tells_apart_what_had_one_name(script: Script) -> None:
    """Calls that shared a label may get labels of their own."""
    begun(script, *do("a", "a"))
    renamed = [f'do("a {n}", touch, "a", was="a")' for n in (1, 2)]

    assert "succeeded" == script.edit(flow(*renamed)).resume().status
    assert 0 == CALLS["a"]


def test_a_changed_body_of_a_finished_step_is_mentioned(script: Script) -> None:
    """The recorded result is kept, and a person is told, once."""
    step = '@step("a {n}")\n    def a(n): return touch("a")\n'
    text = flow("a(1)", "a(2)").replace("@workflow", f"{step}\n    @workflow")
    script.edit(text).start()
    notes: list[str] = []
    script.edit(text.replace('touch("a")', 'touch("a", 5)'))
    script.runs.setting = _noting(script.runs, notes)

    assert "succeeded" == script.resume().status
    assert 2 == CALLS["a"]
    assert 1 == len([note for note in notes if "edited" in note])


def _noting(runs: Runs, notes: list[str]) -> Any:
    from dataclasses import replace

    class Notes:
        def fact(self, fact, state): ...
        def progress(self, key, done, total, note): ...
        def output(self, output): ...
        def note(self, text):
            notes.append(text)

    return replace(runs.setting, listeners=[Notes()])


# --- time, and lives ---


ASYNC = """
    import asyncio
    from holdfast import aio
    from tests.unit.runs import fail_until

    @aio.step("slow {{n}}")
    async def slow(n):
        await asyncio.sleep(0)
        return touch(f"slow {{n}}")

    @aio.workflow
    async def flow():
        await asyncio.gather({calls})
        await aio.do("stumble", fail_until, 2)
"""


def calls(*numbers: int) -> str:
    return ASYNC.format(calls=", ".join(f"slow({n})" for n in numbers))


def test_steps_that_overlapped_are_judged_at_the_end(script: Script) -> None:
    """Among steps side by side order means nothing: a new one is no question, a gone one is."""
    script.edit(calls(1, 2)).start()
    CALLS.clear()
    CALLS["try"] = 1
    assert ["slow 1"] == keys(held(script.edit(calls(3, 2))))

    assert 1 == CALLS["slow 3"]


def test_an_answer_survives_a_crash_before_it_is_acted_upon(script: Script) -> None:
    """Approved, killed, resumed: the answer counts, and is used once."""
    begun(script, *do("a", "b"))
    held(script.edit(flow(*do("new", "a", "b"))))
    script.runs.answer("approve")

    assert "succeeded" == script.resume().status
    assert 1 == len(script.runs.facts(DriftAccepted))


def test_a_run_may_be_edited_in_every_life(script: Script) -> None:
    """An accepted insertion stays accepted, and its step is a finished one like others."""
    begun(script, *do("a"), fails=4)
    held(script.edit(flow(*do("new", "a"), fails=4)))
    script.resume(accept_drift=True)
    script.resume()
    outcome = script.edit(flow(*do("new", "a", "z"), fails=4)).resume()

    assert "succeeded" == outcome.status
    assert ["a", "new", "z", "stumble"] == [fact.key for fact in script.runs.facts(StepSucceeded)]
