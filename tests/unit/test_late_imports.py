"""A class of a module that only what returned it imports: no later life would have it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.unit.runs import Runs

from holdfast import aio, do, each, parallel, require, rollout, step, wait_for, workflow
from holdfast.flow.workflows import Workflow

RECORD = "from dataclasses import dataclass\n\n@dataclass\nclass {}:\n    value: int = 1\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package with a module that importing the package does not load."""
    folder = tmp_path / "late_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(RECORD.format("Early"))
    (folder / "sub.py").write_text(
        f"from late_package import Early\n{RECORD.format('Late')}\nclass Heir(Early):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    package = import_module("late_package")
    monkeypatch.setitem(globals(), "late_package", package)
    yield package
    for name in ("late_package", "late_package.sub"):
        sys.modules.pop(name, None)


def late(*given: object) -> Any:
    """Import, as a body does, what nothing else does."""
    return [import_module("late_package.sub").Late()]


async def late_awaited() -> Any:
    """Do the same in an async step."""
    return late()


@workflow
def nested() -> Any:
    return late()


@aio.workflow
async def awaiting() -> None:
    await aio.do("late", late_awaited)


@aio.workflow
async def branching() -> None:
    await aio.parallel(late_awaited)


def in_workflow(call: Callable[[], object]) -> Workflow[[], None]:
    """Return a workflow that makes this call alone."""

    @workflow
    def flow() -> None:
        call()

    return flow


@pytest.mark.parametrize(
    "flow",
    [
        in_workflow(lambda: do("late", late)),
        in_workflow(lambda: require("late", late)),
        in_workflow(lambda: wait_for("late", late)),
        in_workflow(lambda: step("late", timeout="30s")(late)()),
        in_workflow(lambda: parallel(("late", late))),
        in_workflow(lambda: rollout(["late"], late)),
        in_workflow(lambda: each([1], late, name="late", keep=True)),
        in_workflow(nested),
        awaiting,
        branching,
    ],
    ids=[
        "do", "require", "wait_for", "timeout", "parallel", "rollout", "each", "nested",
        "aio.do", "aio.parallel",
    ],
)  # fmt: skip
def test_a_class_that_only_the_body_imports_is_refused(
    runs: Runs, package: ModuleType, flow: Any
) -> None:
    """When it is recorded: the package's own name in the script led to it, in that life alone."""
    outcome = runs.start(flow)
    told = f"{[*runs.store.read('r')]} {[*runs.store.batches.items('r', 'late')]}"

    assert outcome.status in ("failed", "on_hold")
    assert "no later life could read a late_package.sub:Late back" in told
    assert "import that at the top of the workflow's file" in told


def test_an_heir_that_only_the_body_imports_is_refused(runs: Runs, package: ModuleType) -> None:
    """The annotation with its base finds it only where something has imported it."""

    def heir() -> Any:
        return import_module("late_package.sub").Heir()

    heir.__annotations__["return"] = package.Early
    outcome = runs.start(in_workflow(lambda: do("heir", heir)))

    assert "no later life could read a late_package.sub:Heir back" in outcome.reason


def test_a_class_that_the_workflow_imports_is_recorded(runs: Runs, package: ModuleType) -> None:
    """Every life does that before it comes to the step, whoever else imports it then."""

    @workflow
    def flow() -> int:
        import_module("late_package.sub")
        (found,) = do("late", late)
        return int(found.value)

    outcome = runs.start(flow)

    assert 1 == outcome.result, outcome.reason


def test_a_body_may_import_what_it_does_not_return(runs: Runs, package: ModuleType) -> None:
    """A record of the script's own is found although modules were loaded meanwhile."""

    def early() -> Any:
        late()
        return package.Early(2)

    @workflow
    def flow() -> int:
        return int(do("early", early).value)

    outcome = runs.start(flow)

    assert 2 == outcome.result, outcome.reason
