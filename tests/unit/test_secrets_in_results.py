"""Secrets are never recorded: not in results, cursors or what is shown of arguments."""

from __future__ import annotations

import pytest

from holdfast.flow.decorator import step
from holdfast.flow.inside import save, secret
from holdfast.flow.scopes import parallel
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


@pytest.mark.parametrize("flow", [leaking, saving])
def test_a_secret_in_what_would_be_recorded_fails_the_step(flow, monkeypatch):
    """The step fails before it counts as done, says which secret it is, and the store is clean."""
    monkeypatch.setenv("API_KEY", "hunter2-hunter2")
    disk = MemoryDisk()
    outcome, _ = live_once(flow, MemoryStore(disk))

    assert outcome is not None and outcome.status == "failed"
    assert "holds the secret API_KEY" in outcome.reason
    assert "hunter2" not in everything_on(disk)


@pytest.mark.parametrize("flow", [returning, branching, nesting])
def test_a_secret_that_is_returned_fails_the_run(flow, monkeypatch):
    """By a branch, by a nested workflow, and by the workflow itself: nothing of it is recorded."""
    monkeypatch.setenv("API_KEY", "hunter2-hunter2")
    disk = MemoryDisk()
    outcome, _ = live_once(flow, MemoryStore(disk))

    assert outcome is not None and outcome.status == "failed"
    assert "holds the secret API_KEY" in outcome.reason
    assert "hunter2" not in everything_on(disk)


def test_a_secret_among_the_arguments_is_not_shown(monkeypatch):
    """What is recorded of a call's arguments covers the secret's text."""
    monkeypatch.setenv("API_KEY", "hunter2 " * 6)
    disk = MemoryDisk()
    outcome, _ = live_once(passing, MemoryStore(disk))

    assert outcome is not None and outcome.result == 48
    assert "hunter2" not in everything_on(disk)


def everything_on(disk: MemoryDisk) -> str:
    return "".join(row.body for run in disk.runs.values() for row in run.journal)
