"""What a resumed run repeats of a failure: among branches, in stages, after cleanups."""

from __future__ import annotations

import asyncio
import json

from tests.unit.runs import CALLS, Runs, fail_until, touch

from holdfast import StepFailed, aio, do, parallel, stage, workflow
from holdfast.model.facts import AttemptFailed, RunFailed


def test_all_attempts_are_counted_whoever_tells_of_them(runs: Runs) -> None:
    """What the run failed with, its log and `why` have one number, also after a resume."""

    @workflow
    def flow() -> None:
        do("bad", fail_until, 9, retry=2)

    runs.start(flow)
    runs.start(flow)

    assert [1, 2, 3, 4] == [fact.attempt for fact in runs.facts(AttemptFailed)]
    assert ["2 attempts", "4 attempts"] == [
        fact.message.partition("after ")[2].partition(":")[0] for fact in runs.facts(RunFailed)
    ]


def test_finished_steps_of_siblings_are_kept(runs: Runs) -> None:
    """One branch fails first; what the other did after that is not repeated."""

    def failing() -> None:
        do("bad", fail_until, 2)

    def other() -> None:
        do("one", touch, "one")
        do("two", touch, "two")

    @workflow
    def flow() -> None:
        parallel(("failing", failing), ("other", other), at_once=1)

    assert "failed" == runs.start(flow).status
    assert "succeeded" == runs.start(flow).status
    assert {"try": 2, "one": 1, "two": 1} == dict(CALLS)


def test_all_failed_branches_are_retried(runs: Runs) -> None:
    """The run ended by several failures goes on with every one of them."""

    @workflow
    def flow() -> list[object]:
        return parallel(
            ("a", lambda: do("bad", fail_until, 2, "a")),
            ("b", lambda: do("bad", fail_until, 2, "b")),
        )

    runs.start(flow)

    assert [2, 2] == runs.start(flow).result


def test_a_cleanup_in_a_branch_is_superseded_with_it(runs: Runs) -> None:
    """The failure and its `finally:` belong together, wherever they stand."""

    def branch() -> None:
        try:
            do("bad", fail_until, 2)
        finally:
            do("clean", touch, "clean")

    @workflow
    def flow() -> None:
        parallel(("branch", branch), ("other", lambda: do("one", touch, "one")))

    runs.start(flow)
    assert ("branch/clean",) == runs.facts(RunFailed)[0].superseded
    runs.start(flow)

    assert {"try": 2, "clean": 2, "one": 1} == dict(CALLS)


def test_a_whole_scope_after_the_failure_is_superseded(runs: Runs) -> None:
    """A stage that ran in a `finally:` runs again whole."""

    @workflow
    def flow() -> None:
        try:
            with stage("flight"):
                do("bad", fail_until, 2)
        finally:
            with stage("post-flight"):
                do("restore", touch, "restore")

    runs.start(flow)
    runs.start(flow)

    assert {"try": 2, "restore": 2} == dict(CALLS)


def test_a_nested_workflow_that_failed_marks_what_follows(runs: Runs) -> None:
    """Its failure reaches the scope around it, as a stage's does."""

    @workflow
    def inner() -> None:
        do("bad", fail_until, 2)

    @workflow
    def flow() -> None:
        failure = None
        try:
            inner()
        except StepFailed as caught:
            failure = caught
        do("after", touch, "after")
        if failure:
            raise failure

    runs.start(flow)
    runs.start(flow)

    assert {"try": 2, "after": 2} == dict(CALLS)


def test_an_error_of_the_script_itself_is_resumable(runs: Runs) -> None:
    """Plain code that raised runs again; what was done before it does not."""

    @workflow
    def flow() -> None:
        do("one", touch, "one")
        if touch("code") and CALLS["code"] == 1:
            raise KeyError("odd")

    first = runs.start(flow)

    assert ("failed", 1, "KeyError: 'odd'") == (first.status, first.exit_code, first.reason)
    assert "succeeded" == runs.start(flow).status
    assert {"one": 1, "code": 2} == dict(CALLS)


def test_a_failure_names_its_line(runs: Runs) -> None:
    """The journal says file and line of the script, not of holdfast."""

    @workflow
    def flow() -> None:
        do("one", touch, "one")
        raise KeyError("odd")

    runs.start(flow)
    place = runs.facts(RunFailed)[0].location

    assert f"{__file__}:{flow.function.__code__.co_firstlineno + 3}" == place


def test_a_failure_in_a_library_names_the_line_that_called_it(runs: Runs) -> None:
    """Where in the standard library or an installed package it was raised helps nobody; only
    where no line is the script's."""

    def parse(text: str) -> object:
        return json.loads(text)

    @workflow
    def flow() -> None:
        do("one", parse, "nothing")

    runs.start(flow)
    place = runs.facts(AttemptFailed)[0].location

    assert f"{__file__}:{parse.__code__.co_firstlineno + 1}" == place


def test_a_failure_without_a_line_of_the_script_names_the_librarys(runs: Runs) -> None:
    """A function of the standard library may be the step itself."""

    @workflow
    def flow() -> None:
        do("one", json.loads, "nothing")

    runs.start(flow)

    assert json.decoder.__file__ in runs.facts(AttemptFailed)[0].location


# --- tasks ---


@aio.step("{name}")
async def work(name: str, tries: int = 1) -> str:
    await asyncio.sleep(0)
    if touch(name) and CALLS[name] < tries:
        raise OSError("no luck")
    return name


def test_finished_steps_of_sibling_tasks_are_kept(runs: Runs) -> None:
    """A task that failed supersedes nothing that its siblings did."""

    async def chain(name: str, tries: int) -> None:
        async with aio.stage(name):
            for number in range(4):
                await work(f"{name}{number}", tries)

    @aio.workflow
    async def flow() -> None:
        await asyncio.gather(chain("a", 2), chain("b", 1))

    while runs.start(flow).status != "succeeded":
        assert sum(CALLS.values()) < 20

    assert {f"b{n}": 1 for n in range(4)} == {k: v for k, v in CALLS.items() if k[0] == "b"}
    assert {f"a{n}": 2 for n in range(4)} == {k: v for k, v in CALLS.items() if k[0] == "a"}


def test_nested_workflows_side_by_side_are_no_drift(runs: Runs) -> None:
    """Which of two tasks comes first on resume means nothing."""

    @aio.workflow
    async def child(name: str, steps: int, tries: int) -> str:
        for number in range(steps):
            await work(f"{name}{number}", tries if number == steps - 2 else 1)
        return name

    @aio.workflow
    async def flow() -> list[str]:
        return list(await asyncio.gather(child("a", 6, 2), child("b", 1, 1)))

    assert "failed" == runs.start(flow).status
    outcome = runs.start(flow)

    assert ("succeeded", ["a", "b"]) == (outcome.status, outcome.result)
    assert 1 == CALLS["b0"]
