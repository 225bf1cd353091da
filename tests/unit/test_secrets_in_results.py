"""Secrets are never recorded: not in results, cursors or what is shown of arguments."""

from __future__ import annotations

import pytest

from holdfast import aio
from holdfast.engine.spec import Check
from holdfast.flow.batches import each
from holdfast.flow.decorator import step
from holdfast.flow.inside import save, secret
from holdfast.flow.point import no_return
from holdfast.flow.questions import confirm
from holdfast.flow.scopes import parallel, stage
from holdfast.flow.verbs import do
from holdfast.flow.workflows import workflow
from holdfast.stores.memory import MemoryDisk, MemoryStore
from holdfast.testing.crash import live_once


@step
def leak() -> dict[str, str]:
    return {"header": f"Bearer {secret('API_KEY')}"}


@step
def leak_cursor() -> None:
    save([secret("API_KEY")])


@step
def use(key: str) -> int:
    return len(key)


@workflow
def leaking() -> None:
    leak()


@workflow
def saving() -> None:
    leak_cursor()


@aio.step
async def leak_awaited() -> dict[str, str]:
    return {"header": f"Bearer {secret('API_KEY')}"}


@aio.step
def leak_in_thread() -> str:
    return secret("API_KEY")


@aio.workflow
async def awaiting() -> None:
    await leak_awaited()


@aio.workflow
async def awaiting_a_thread() -> None:
    await leak_in_thread()


@step(check=lambda: Check.done(result=secret("API_KEY")))
def found() -> None:
    raise AssertionError("its check knows that it is done")


@workflow
def finding() -> None:
    found()


@workflow
def keeping() -> None:
    each(["a"], lambda item: item + secret("API_KEY"), name="items", keep=True)


@workflow
def labelling() -> None:
    do(f"fetch {secret('API_KEY')}", int)


@workflow
def passing_short() -> None:
    use(secret("API_KEY"))


@workflow
def staging() -> None:
    with stage(f"with {secret('API_KEY')}"):
        use("x")


@workflow
def naming_branches() -> None:
    parallel((secret("API_KEY"), int))


@workflow
def asking() -> None:
    confirm(f"use {secret('API_KEY')}?")


@workflow
def explaining() -> None:
    no_return(f"{secret('API_KEY')} was spent")


@workflow
def returning() -> str:
    return secret("API_KEY")


@workflow
def branching() -> None:
    parallel(("branch", secret, "API_KEY"))


@workflow
def nesting() -> None:
    returning()


@workflow
def passing() -> int:
    return use(secret("API_KEY"))


@pytest.mark.parametrize("flow", [leaking, saving, awaiting, awaiting_a_thread, keeping])
def test_a_secret_in_what_would_be_recorded_fails_the_step(flow, monkeypatch):
    """The step fails before it counts as done, says which secret it is, and the store is clean."""
    monkeypatch.setenv("API_KEY", "hunter2-hunter2")
    disk = MemoryDisk()
    outcome, _ = live_once(flow, MemoryStore(disk))

    assert outcome is not None and outcome.status == "failed"
    assert "holds the secret API_KEY" in outcome.reason
    assert "hunter2" not in everything_on(disk)


@pytest.mark.parametrize("flow", [returning, branching, nesting, finding, explaining])
def test_a_secret_that_is_returned_fails_the_run(flow, monkeypatch):
    """By a branch, by a nested workflow, by the workflow itself, by a check, and as a reason:
    nothing of it is recorded."""
    monkeypatch.setenv("API_KEY", "hunter2-hunter2")
    disk = MemoryDisk()
    outcome, _ = live_once(flow, MemoryStore(disk))

    assert outcome is not None and outcome.status == "failed"
    assert "holds the secret API_KEY" in outcome.reason
    assert "hunter2" not in everything_on(disk)


@pytest.mark.parametrize(
    "flow", [labelling, passing_short, staging, naming_branches, asking], ids=lambda flow: flow.name
)
def test_a_secret_in_a_label_is_refused(flow, monkeypatch):
    """A label is a part of keys, which are shown everywhere: the run says which secret it is."""
    monkeypatch.setenv("API_KEY", "hunter2-hunter2")
    disk = MemoryDisk()
    outcome, _ = live_once(flow, MemoryStore(disk))

    assert outcome is not None and (outcome.status, outcome.exit_code) == ("failed", 2)
    assert "holds the secret API_KEY" in outcome.reason
    assert "hunter2" not in outcome.reason + everything_on(disk)


@step("trial of {name}")
def trial(name: str) -> int:
    return len(secret("API_KEY"))


@workflow
def trials() -> list[int]:
    return [trial("a"), trial("b")]


def test_a_label_may_say_what_the_script_says(monkeypatch):
    """The password of a trial is often a word that a label in the script holds anyway."""
    monkeypatch.setenv("API_KEY", "trial")
    outcome, _ = live_once(trials, MemoryStore(MemoryDisk()))

    assert outcome is not None and outcome.result == [5, 5], outcome


@pytest.mark.parametrize("text", ['hunter"2', "hunter\\2", "hunter\n2", "hunter\t2", "20260131"])
def test_a_secret_is_found_however_json_writes_it(text, monkeypatch):
    """Quotes, backslashes and line ends are escaped where it is recorded; a number may be one."""
    monkeypatch.setenv("API_KEY", text)
    disk = MemoryDisk()
    outcome, _ = live_once(leaking, MemoryStore(disk))

    assert outcome is not None and outcome.status == "failed"
    assert "holds the secret API_KEY" in outcome.reason
    assert "hunter" not in everything_on(disk)


def test_a_secret_among_the_arguments_is_not_shown(monkeypatch):
    """What is recorded of a call's arguments covers the secret's text."""
    monkeypatch.setenv("API_KEY", "hunter2 " * 6)
    disk = MemoryDisk()
    outcome, _ = live_once(passing, MemoryStore(disk))

    assert outcome is not None and outcome.result == 48
    assert "hunter2" not in everything_on(disk)


def everything_on(disk: MemoryDisk) -> str:
    return "".join(row.body for run in disk.runs.values() for row in run.journal)
