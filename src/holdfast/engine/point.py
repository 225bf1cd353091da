"""The point of no return: from here on nothing is rolled back, and everybody is told why."""

from __future__ import annotations

from holdfast.engine import drift
from holdfast.engine.effects import Program, now, record_at_boundary
from holdfast.engine.hold import Asked, ask
from holdfast.engine.permission import approved_by, refused
from holdfast.engine.spec import Call
from holdfast.engine.step import reached
from holdfast.errors import StepFailed
from holdfast.model.codec import digest
from holdfast.model.facts import PointPassed
from holdfast.model.json import Json
from holdfast.model.mode import decide
from holdfast.model.state import RunState


def pass_point(call: Call, reason: str) -> Program[None]:
    """Record that the run can no longer be rolled back, and why; where steps ask, this does too,
    and no yes to anything else covers it. Durable on return.

    Raises StepFailed when a person said no.
    """
    state, seen = yield from reached(call)
    if seen is not None and seen.is_finished:
        return
    if seen is not None and seen.status == "failed":
        raise StepFailed(call.key, seen.error_type, seen.error, 1)
    if seen is None:
        yield from drift.before_new(call)
    decided_by = yield from _permission(call, reason, state)
    written = False
    while not written:
        at = yield from now()
        written = yield from record_at_boundary(
            PointPassed(at, call.key, reason, decided_by, call.label, call.location)
        )


def _permission(call: Call, reason: str, state: RunState) -> Program[str]:
    """Return what lets the run pass. Raises StepFailed when a person said no."""
    ruling = decide(call.rules.confirm, False, state.terms, False)
    if not ruling.asks:
        return ruling.rule
    created = state.created
    assert created is not None
    name = state.target or created.workflow
    evidence: dict[str, Json] = {
        "runs": call.label, "reason": reason, "why": ruling.rule, "type_to_confirm": name,
    }  # fmt: skip
    question = f"pass the point of no return? After it no rollback: {reason}"
    bound = digest([call.key, question, state.target])
    answer = yield from ask(
        Asked("confirm", call.key, question, bound, evidence, state.terms.electorate)
    )
    if answer.answer != "approve":
        yield from refused(call, answer)
    return approved_by(state, answer)
