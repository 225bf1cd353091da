"""A question for a value: what a script may offer for an answer."""

from __future__ import annotations

from typing import Literal

import pytest
from tests.unit.runs import Runs

from holdfast import aio
from holdfast.errors import UsageError
from holdfast.flow.questions import ask
from holdfast.flow.shell_questions import asked_value
from holdfast.flow.workflows import workflow
from holdfast.model import facts as f


@workflow
def listed() -> str:
    return ask("which?", choices=["a", "b"], default="z")


@workflow
def literal() -> str:
    return ask("which?", Literal["a", "b"], default="z")  # type: ignore[arg-type]


@aio.workflow
async def awaited() -> str:
    return await aio.ask("which?", choices=["a", "b"], default="z")


@pytest.mark.parametrize("flow", [listed, literal, awaited])
def test_a_default_is_one_of_the_choices(runs: Runs, flow: object) -> None:
    """Any other would be offered as an answer, and then refused."""
    outcome = runs.start(flow)  # type: ignore[arg-type]

    assert ("failed", 2) == (outcome.status, outcome.exit_code)
    assert "default='z' is none of the choices: 'a', 'b'" in outcome.reason
    assert [] == runs.facts(f.HoldOpened)


def test_a_shell_scripts_default_is_one_of_the_choices() -> None:
    """As a Python script's."""
    with pytest.raises(UsageError, match="none of the choices"):
        asked_value("which?", ("a", "b"), "z")


def test_a_default_among_the_choices_is_offered(runs: Runs) -> None:
    """It is taken when somebody types it."""

    @workflow
    def asking() -> int:
        return ask("how many?", int, choices=[1, 2], default=2)

    runs.start(asking)
    runs.answer("value", value=2)

    assert 2 == runs.resume(asking).result
