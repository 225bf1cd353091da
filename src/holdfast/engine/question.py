"""A question to a person as a step: its answer is recorded once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from holdfast.engine import drift
from holdfast.engine.effects import Program, look, now, record
from holdfast.engine.hold import ask
from holdfast.engine.permission import name_of
from holdfast.engine.spec import Call
from holdfast.errors import StepFailed
from holdfast.model.codec import digest, encode
from holdfast.model.facts import AttemptFailed, HoldAnswered, HoldKind, Spilled, StepSucceeded
from holdfast.model.json import Json


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a yes, or a value of a type, perhaps one of `choices`."""

    text: str
    kind: HoldKind
    type: object = str
    choices: tuple[object, ...] | None = None
    default: object = None


def question(call: Call, asked: Question) -> Program[Json | Spilled]:
    """Return the recorded answer, asking when there is none yet.

    For a confirm: who, when and the comment. Raises StepFailed when a person said no.
    """
    state = yield from look()
    step = state.steps.get(call.key)
    call.trace.reach(call.key)
    if step is not None and step.is_finished:
        return step.result
    if step is not None and step.status == "failed":
        raise StepFailed(call.key, step.error_type, step.error, 1)
    if step is None:
        yield from drift.before_new(call)

    evidence: dict[str, Json] = {
        "type": getattr(asked.type, "__name__", str(asked.type)),
        "choices": None if asked.choices is None else [encode(choice) for choice in asked.choices],
        "default": encode(asked.default),
    }
    bound = digest([call.key, asked.text, state.target])
    answer = yield from ask(asked.kind, call.key, asked.text, bound, evidence)
    at = yield from now()
    if answer.answer in ("reject", "skip"):
        message = f"rejected by {name_of(answer.by)}: {answer.comment}".removesuffix(": ")
        yield from record(AttemptFailed(at, call.key, 1, "Rejected", message))
        raise StepFailed(call.key, "Rejected", message, 1)
    result = _result(asked, answer, at)
    yield from record(StepSucceeded(at, call.key, result))
    return result


def _result(asked: Question, answer: HoldAnswered, at: datetime) -> Json:
    if asked.kind == "question":
        return answer.value
    return {
        "by": name_of(answer.by),
        "at": encode(answer.at),
        "comment": answer.comment,
    }
