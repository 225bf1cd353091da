"""Edit and resume: changed inputs, another order, other names, and steps side by side."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.edits import begun, do, flow, held, keys
from tests.unit.runs import CALLS, Runs, Script

from holdfast import UsageError
from holdfast.model.facts import DriftAccepted, StepSucceeded
from holdfast.runtime.listening import Quiet

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

    class Notes(Quiet):
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


def test_changed_inputs_of_a_wait_hold(script: Script) -> None:
    """What was waited for with other arguments is a difference like any other."""
    begun(script, 'wait_for("a", touch, "one")')
    report = held(script.edit(flow('wait_for("a", touch, "two")')))

    assert "one" in report["changed"]["recorded"] and "two" in report["changed"]["now"]
