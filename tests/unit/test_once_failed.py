"""A `once` step that raised: in doubt, unless it did nothing by its own word or its check's."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from tests.unit.runs import CALLS, Runs, touch

from holdfast import Check, ask, do, workflow
from holdfast.errors import UsageError
from holdfast.flow.workflows import Workflow


def failing(check: Any) -> Workflow[..., Any]:
    def pay() -> None:
        touch("pay")
        raise OSError("the line is down")

    @workflow(name="paying")
    def paying() -> None:
        do("pay", pay, once=True, check=check)

    return paying


@pytest.mark.parametrize("absent", [False, Check.ABSENT])
def test_what_failed_without_an_effect_has_failed(runs: Runs, absent: object) -> None:
    """Its check says so: it is no doubt, and it is tried once in a life, not for ever."""
    outcome = runs.start(failing(lambda: absent))

    assert ("failed", 1) == (outcome.status, outcome.exit_code)
    assert "OSError: the line is down" in outcome.reason
    assert 1 == CALLS["pay"]
    runs.resume(failing(lambda: absent))
    assert 2 == CALLS["pay"]


@pytest.mark.parametrize("says", [None, Check.UNKNOWN, Check.PARTIAL])
def test_what_may_have_taken_effect_is_in_doubt(runs: Runs, says: object) -> None:
    """Nothing is guessed from an exception."""
    outcome = runs.start(failing(lambda: says))

    assert ("on_hold", 6, 1) == (outcome.status, outcome.exit_code, CALLS["pay"])


def test_what_took_effect_all_the_same_is_done(runs: Runs) -> None:
    """The exception came after it."""
    outcome = runs.start(failing(lambda: CALLS["pay"] > 0))

    assert ("succeeded", "already_done") == (outcome.status, runs.step("pay").status)


def test_a_literal_is_a_choice(runs: Runs) -> None:
    """Nothing else is taken for an answer."""

    @workflow
    def wizard() -> str:
        return ask("Which table?", Literal["orders", "sessions"])  # type: ignore[arg-type]

    runs.start(wizard)
    opened = runs.hold().opened
    from holdfast.app.answering import typed_answer

    assert ["orders", "sessions"] == opened.evidence["choices"]
    with pytest.raises(UsageError, match="none of the choices: orders, sessions"):
        typed_answer(opened, "nonsense")
