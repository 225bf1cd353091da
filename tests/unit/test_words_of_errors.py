"""What is told of an error: the one that matters, also in a group, and whatever it says itself."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest
from tests.unit.runs import Runs

from holdfast import StepFailed, aio, do, each, lines, parallel, preflight, workflow
from holdfast.errors import ParallelFailed, message_of
from holdfast.model.facts import AttemptFailed, RunFailed


class Mute(Exception):
    """An error that fails to describe itself."""

    def __str__(self) -> str:
        raise ValueError("no words")


def mute() -> None:
    raise Mute


def grouped() -> None:
    raise ExceptionGroup("all", [ValueError("v"), ExceptionGroup("more", [TypeError("t")])])


@workflow
def failing() -> None:
    mute()


@workflow
def failing_in_preflight() -> None:
    with preflight():
        mute()


@workflow
def failing_in_a_branch() -> None:
    parallel(("one", mute))


@pytest.mark.parametrize(
    "flow", [failing, failing_in_preflight, failing_in_a_branch], ids=lambda flow: flow.name
)
def test_an_error_that_cannot_describe_itself_ends_a_run_in_order(runs: Runs, flow) -> None:
    """It is recorded by its name, wherever it comes from."""
    outcome = runs.start(flow)

    assert ("failed", 1) == (outcome.status, outcome.exit_code)
    assert "Mute: (its message cannot be told)" in outcome.reason
    assert 1 == len(runs.facts(RunFailed))


def test_a_group_says_what_is_in_it(runs: Runs) -> None:
    """Its own text only counts them; the place is that of the first."""

    @workflow
    def flow() -> None:
        do("all", grouped)

    runs.start(flow)
    (failed,) = runs.facts(AttemptFailed)

    assert ("ExceptionGroup", "all: ValueError: v; TypeError: t") == (failed.type, failed.message)
    assert failed.location.startswith(__file__)


def test_tasks_that_failed_are_told_by_what_they_raised(runs: Runs) -> None:
    """asyncio.TaskGroup says no more than how many there were."""

    async def fail() -> None:
        raise ValueError("no such node")

    @aio.workflow
    async def flow() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    outcome = runs.start(flow)

    assert (
        "ExceptionGroup: unhandled errors in a TaskGroup: ValueError: no such node"
        == outcome.reason
    )


def test_a_large_group_is_cut() -> None:
    """It says how many are left out."""
    many = ExceptionGroup("all", [ValueError(n) for n in range(7)])

    assert message_of(many).endswith("; ValueError: 4; and 2 more")


def test_an_error_without_a_message_is_its_name() -> None:
    """No colon speaks of what does not come."""
    failed = StepFailed("a", "AssertionError", "", 1)
    branches = ParallelFailed([("b", AssertionError())])

    assert "step 'a' failed after 1 attempt: AssertionError" == str(failed)
    assert str(branches).endswith("first: AssertionError")


def test_what_we_refuse_is_in_the_scripts_line(runs: Runs, tmp_path: Path) -> None:
    """A library through which we came to refuse it, as to unpack a file, has no part in it."""
    path = tmp_path / "lines.gz"
    path.write_bytes(gzip.compress(b"a\nb\n")[:-4])

    @workflow
    def flow() -> None:
        each(lines(path), print, name="batch")

    runs.start(flow)

    (failed,), (ended,) = runs.facts(AttemptFailed), runs.facts(RunFailed)
    assert "" == failed.location
    assert ended.location.startswith(__file__)
