"""`no_return`: from here on nothing is rolled back."""

from __future__ import annotations

from holdfast.engine.effects import Program
from holdfast.engine.point import pass_point
from holdfast.errors import UsageError
from holdfast.flow.secret import refuse_secrets
from holdfast.flow.verbs import plain_call
from holdfast.model.making import replace
from holdfast.runtime.context import Frame, in_workflow
from holdfast.runtime.driving import drive

LABEL = "point of no return"


def no_return(reason: str) -> None:
    """Say that from here on the run cannot be rolled back, and why.

    Durable before it returns: a rollback is refused with this reason. Where steps ask, this does
    too. Raises UsageError in a stage that undoes itself, such as `preflight()`, and in
    `postflight()`; StepFailed when a person says no.
    """
    frame = in_workflow("no_return")
    drive(point_program(frame, reason), frame.life.performer())


def point_program(frame: Frame, reason: str) -> Program[None]:
    """Return the program that passes the point. Raises UsageError where there can be none."""
    for trace in frame.trace.chain():
        if trace.contract == "undo":
            raise UsageError(
                f"no_return stands in stage {trace.scope!r}, which undoes itself when it fails; "
                "put it into flight()"
            )
        if trace.contract == "restore":
            raise UsageError(
                f"no_return stands in stage {trace.scope!r}, which only restores; put it into "
                "flight(), before the step that cannot be taken back"
            )
    if not reason.strip():
        raise UsageError("no_return needs the reason: it is what a refused rollback says")
    refuse_secrets(frame.life, "the reason of no_return", reason)
    call = plain_call(frame, LABEL)
    return pass_point(replace(call, shown=reason), reason)
