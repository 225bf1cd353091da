"""Does this step proceed by itself, or does a person say so first?"""

from __future__ import annotations

from holdfast.engine.effects import Program, now, record
from holdfast.engine.hold import ask
from holdfast.engine.spec import Call
from holdfast.errors import StepFailed
from holdfast.model.codec import digest
from holdfast.model.facts import AttemptFailed, StepSkipped, Who
from holdfast.model.json import Json
from holdfast.model.mode import decide
from holdfast.model.state import RunState


def permission(call: Call, state: RunState) -> Program[str | None]:
    """Return what lets the step run ("auto: …", "approved by ana"), or None when a person
    skipped it. Raises StepFailed when a person said no."""
    ruling = decide(call.rules.confirm, call.rules.reads, state.mode, state.auto_rest)
    if not ruling.asks:
        return ruling.rule
    seen = state.steps.get(call.key)
    if seen is not None and seen.epoch == state.epoch and seen.decided_by.startswith("approved"):
        return seen.decided_by  # A yes covers the step with its retries in this life.
    evidence: dict[str, Json] = {
        "runs": call.label,
        "inputs": call.shown,
        "undo": call.undo_shown,
        "why": ruling.rule,
        "attempts": seen.attempts if seen else 0,
        "location": call.location,
    }
    bound = digest([call.key, call.inputs, call.code, call.undo_shown, state.target])
    answer = yield from ask("confirm", call.key, f"{call.label}?", bound, evidence)
    by = name_of(answer.by)
    at = yield from now()
    if answer.answer == "skip":
        yield from record(
            StepSkipped(at, call.key, answer.by, answer.comment, call.label, call.rules.version)
        )
        return None
    if answer.answer == "reject":
        message = f"rejected by {by}" + (f": {answer.comment}" if answer.comment else "")
        yield from record(AttemptFailed(at, call.key, 0, "Rejected", message))
        raise StepFailed(call.key, "Rejected", message, 1)
    return f"approved by {by}"


def name_of(who: Who) -> str:
    return who.claimed or who.user
