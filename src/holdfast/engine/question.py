"""A question to a person as a step: its answer is recorded once."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.engine import drift
from holdfast.engine.effects import Program, now, record
from holdfast.engine.hold import Asked, ask
from holdfast.engine.permission import refused
from holdfast.engine.spec import Call
from holdfast.engine.step import reached
from holdfast.errors import StepFailed, UsageError
from holdfast.model.codec import digest, encode
from holdfast.model.facts import HoldAnswered, HoldKind, Spilled, StepSucceeded
from holdfast.model.hold_facts import OnExpiry
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.model.state import RunState
from holdfast.model.terms import Electorate


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a yes, or a value of a type, perhaps one of `choices`.

    Without `electorate` it is the target's. `expires_s` is counted from when it is asked. Where
    the script `wants_who` said yes, what does not tell that is no answer.
    """

    text: str
    kind: HoldKind
    type: object = str
    choices: tuple[object, ...] | None = None
    default: object = None
    electorate: Electorate | None = None
    expires_s: float | None = None
    on_expiry: OnExpiry = "ask"
    wants_who: bool = False


def question(call: Call, asked: Question) -> Program[Json | Spilled]:
    """Return the recorded answer, asking when there is none yet.

    For a confirm: who, when and the comment. Raises StepFailed when a person said no.
    """
    state, step = yield from reached(call)
    if step is not None and step.is_finished and _is_answer(asked, step.result):
        return step.result
    if step is not None and step.status == "failed":
        raise StepFailed(call.key, step.error_type, step.error, 1)
    if step is None:
        yield from drift.before_new(call)
    answer = yield from ask(_asked(call, asked, state))
    if answer.answer in ("reject", "skip"):
        yield from refused(call, answer)
    at = yield from now()
    result = _result(asked, answer, state)
    yield from record(StepSucceeded(at, call.key, result))
    return result


def check_default(choices: Sequence[object] | None, default: object) -> None:
    """Raise UsageError for a default that would be offered, and refused as an answer."""
    if choices and default is not None and default not in choices:
        names = ", ".join(map(repr, choices))
        raise UsageError(f"default={default!r} is none of the choices: {names}")


def _is_answer(asked: Question, result: Json | Spilled) -> bool:
    """Whether a recorded result can be given to the script: `done` and `skip` once put null in
    the place of who said yes, and such a run must be asked again to go on at all."""
    if not asked.wants_who or isinstance(result, Spilled):
        return True
    return isinstance(result, dict) and result.keys() >= {"by", "at", "comment"}


def _asked(call: Call, asked: Question, state: RunState) -> Asked:
    kind = getattr(asked.type, "__name__", str(asked.type))
    choices: Json = None
    if asked.choices is not None:
        choices = [encode(choice) for choice in asked.choices]
    return Asked(
        asked.kind,
        call.key,
        asked.text,
        digest([call.key, asked.text, kind, choices, state.target]),
        {"type": kind, "choices": choices, "default": encode(asked.default)},
        asked.electorate or state.terms.electorate,
        expires_s=asked.expires_s,
        on_expiry=asked.on_expiry,
    )


def _result(asked: Question, answer: HoldAnswered, state: RunState) -> Json:
    if asked.kind == "question":
        return answer.value
    return {
        "by": ", ".join(state.holds[answer.id].agreeing(answer)),
        "at": encode(answer.at),
        "comment": answer.comment,
    }
