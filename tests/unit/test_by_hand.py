"""`done --output`: what a person says that a step returned, typed by the step."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from tests.unit.runs import Runs, Script

from holdfast import UsageError
from holdfast.app import commands
from holdfast.app.given_outputs import typed_output
from holdfast.app.reasons import why
from holdfast.flow.questions import confirm
from holdfast.flow.workflows import workflow
from holdfast.model import facts as f
from holdfast.model.json import Json
from holdfast.testing.crash import TESTER

SCRIPT = """
    from dataclasses import dataclass
    from datetime import date

    @dataclass
    class Backup:
        taken: date
        size: int

    @step
    def take(n: int) -> Backup:
        raise OSError("no space")

    @step("count {what}")
    def count(what: str) -> int:
        raise OSError("no")

    @step
    def anything(fail: bool):
        raise OSError("no")

    @workflow(name="flow")
    def flow():
        {body}
"""


def begun(runs: Runs, script: Script, body: str) -> Script:
    script.edit(dedent(SCRIPT).replace("{body}", body)).start()
    return script


def done(runs: Runs, step: str, output: Json) -> str:
    given, note = typed_output(runs.row, runs.state, step, output)
    commands.mark_done(runs.store, "r", step, runs.clock, TESTER, given, "by hand")
    return note


def test_later_steps_see_a_typed_value(runs: Runs, script: Script) -> None:
    """A date in a dataclass, from plain JSON."""
    begun(runs, script, "return [take(1).taken.year, take(2)]")
    done(runs, "take 1", {"taken": "2026-01-31", "size": 3})
    script.resume()

    assert "take 2" == runs.state.failed.failures[0]  # type: ignore[union-attr]
    assert "obj" == runs.step("take 1").result["$"]  # type: ignore[index,call-overload]


def test_a_value_that_does_not_fit_is_refused_at_once(runs: Runs, script: Script) -> None:
    """With what the step returns, and an example; so is no value where there must be one."""
    begun(runs, script, "return count('rows')")

    with pytest.raises(UsageError, match=r"step count rows returns int, and 'many' is not that"):
        done(runs, "count rows", "many")
    with pytest.raises(UsageError, match=r"returns int, which later steps may need: .*--output"):
        done(runs, "count rows", None)
    done(runs, "count rows", 7)
    assert 7 == script.resume().result


def test_a_step_without_an_annotation_takes_anything(runs: Runs, script: Script) -> None:
    """As it is given; but a value that only looks like a tagged one is refused."""
    begun(runs, script, "return anything(True)")

    with pytest.raises(UsageError, match="of nobody"):
        done(runs, "anything fail=True", {"$": "of nobody"})
    done(runs, "anything fail=True", {"a": [1]})
    assert {"a": [1]} == script.resume().result


def test_a_script_that_cannot_be_loaded_is_said(runs: Runs, script: Script) -> None:
    """The value is recorded as it is, and typed when the run goes on."""
    begun(runs, script, "return take(1).taken.year")
    good = script.file.read_text("utf-8")
    script.file.rename(script.file.with_suffix(".away"))

    assert "no file" in done(runs, "take 1", {"taken": "2026-01-31", "size": 3})
    Path(script.file).write_text(good, "utf-8")
    assert 2026 == script.resume().result


def test_a_wrong_value_is_found_when_the_run_goes_on(runs: Runs, script: Script) -> None:
    """The run fails with the verb that corrects it; corrected, it goes on."""
    begun(runs, script, "return count('rows') + 1")
    runs.done("count rows", "many")
    outcome = script.resume()

    assert ("failed", 2) == (outcome.status, outcome.exit_code)
    assert "holdfast done r 'count rows' --output JSON -m REASON" in outcome.reason
    done(runs, "count rows", 41)
    assert 42 == script.resume().result


def test_a_value_that_was_used_is_not_corrected(runs: Runs, script: Script) -> None:
    """Later steps were made of it: there is `rewind`."""
    begun(runs, script, "return [count('rows'), anything(True)]")
    runs.done("count rows", 1)
    script.resume()

    with pytest.raises(UsageError, match="was done already"):
        runs.done("count rows", 2)


def test_an_edited_function_is_found_by_its_label(runs: Runs, script: Script) -> None:
    """Its code is another one; the template of its label still fits."""
    begun(runs, script, "return count('rows')")
    script.edit(dedent(SCRIPT).replace("{body}", "return count('rows')").replace('"no"', '"not"'))
    row = replace(runs.row, file=str(script.file))

    with pytest.raises(UsageError, match="returns int"):
        typed_output(row, runs.state, "count rows", "many")


def test_an_awaited_step_is_typed_too(runs: Runs) -> None:
    """Its annotation says what is awaited."""
    from holdfast import aio

    @aio.step
    async def when() -> float:
        await asyncio.sleep(0)
        raise OSError("no")

    @aio.workflow(name="flow")
    async def flow() -> object:
        return await when()

    runs.start(flow)
    runs.done("when", "soon")
    assert "returns float" in runs.start(flow).reason
    runs.done("when", 5)

    result = runs.start(flow).result
    assert (5.0, float) == (result, type(result))


# --- a question -------------------------------------------------------------------------------


@workflow
def asking() -> str:
    return confirm("go on?").by


KEY = "confirm go on?"


@pytest.mark.parametrize("verb", ["done", "skip"])
def test_a_question_gets_its_result_by_an_answer_only(runs: Runs, verb: str) -> None:
    """Nobody may put something in the place of who said yes; it is not offered either."""
    runs.start(asking)
    runs.answer("reject", comment="not now")
    with pytest.raises(UsageError, match=f"is a question, and {verb} is no answer.*resume r"):
        if verb == "done":
            runs.done(KEY)
        else:
            commands.skip(runs.store, "r", KEY, runs.clock, TESTER, "by hand")

    ways = [way.argv[0] for way in why(runs.store, "r").next]
    assert ["resume", "cancel"] == ways


def test_a_rejected_question_is_asked_again_by_retry(runs: Runs) -> None:
    """As `resume` does."""
    runs.start(asking)
    runs.answer("reject", comment="not now")
    runs.rearm(KEY)
    asked = runs.resume(asking)
    runs.answer("approve")

    assert "on_hold" == asked.status
    assert TESTER.name == runs.resume(asking).result


def test_what_was_put_in_the_place_of_a_yes_is_asked_again(runs: Runs) -> None:
    """Earlier releases let `done` do so, and the script could not go on with it."""
    runs.start(asking)
    runs.answer("reject", comment="not now")
    put = f.StepFoundDone(runs.clock.now(), KEY, None, "done by ana")
    runs.store.append("r", [put], after=runs.state.seq, epoch=None)
    asked = runs.resume(asking)
    runs.answer("approve")

    assert "on_hold" == asked.status
    assert TESTER.name == runs.resume(asking).result
