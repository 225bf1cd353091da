"""What a person says that a step returned (`done --output`): is it what the step's type wants?"""

from __future__ import annotations

from typing import Any

from holdfast.app.loading import workflow_of
from holdfast.app.meant import one_step
from holdfast.errors import HoldfastError, UsageError
from holdfast.flow.coercion import Mismatch
from holdfast.flow.hints import example, type_text
from holdfast.flow.returning import fitted, is_of, return_hint, why_not
from holdfast.flow.steps import StepFunction
from holdfast.flow.workflows import Workflow
from holdfast.model.codec import decode, dumps, encode
from holdfast.model.json import Json
from holdfast.model.standing import StepState
from holdfast.model.state import RunState
from holdfast.ports.store import RunRow


def typed_output(row: RunRow, state: RunState, step: str, output: Json) -> tuple[Json, str]:
    """Return a step's output as it is to be recorded, and what is to be said of it, if anything.

    It is typed by the step's annotation where the script can be loaded and has the step. Else it
    is recorded as it is given, and typed when the run goes on. Raises UsageError when it does not
    fit.
    """
    key = one_step(state, step, "done")
    if state.created is not None and state.created.shell:
        _check_decodes(output)
        return output, ""  # A command's output has no type.
    try:
        workflow = workflow_of(row, None, state)
    except HoldfastError as error:
        _check_decodes(output)
        return output, f"its type is looked at when the run goes on: {error}"
    function = _function_of(workflow, state.steps[key])
    if function is None:
        _check_decodes(output)
        return output, ""
    try:
        return encode(fitted(function, output)), ""
    except Mismatch as refusal:
        hint = return_hint(function.body)
        sample = f"--output {dumps(example(hint))!r}"
        if output is None:
            text = f"returns {type_text(hint)}, which later steps may need: add it, as {sample}"
        else:
            text = f"{why_not(function, refusal)}; for example {sample}"
        raise UsageError(f"step {key} {text}") from None


def _check_decodes(output: Json) -> None:
    try:
        decode(output)
    except HoldfastError as error:
        raise UsageError(f"--output: {error}") from error


def _function_of(workflow: Workflow[..., Any], seen: StepState) -> StepFunction[Any, Any] | None:
    """Return the script's function of a recorded step, where it is clear which one it is."""
    functions = {
        id(value): value
        for value in workflow.function.__globals__.values()
        if isinstance(value, StepFunction)
    }.values()
    found = [f for f in functions if seen.code and f.code == seen.code]
    found = found or [f for f in functions if is_of(f, f.options.label, seen)]
    return found[0] if len(found) == 1 else None
