"""Does this step proceed by itself, or does a person say so first?

A yes covers the step with its retries in this life. Where the terms say so it covers a whole
unit or stage: the hold then lists the steps that the plan knows of it, and the yes is to exactly
these; a step that no plan could name asks for itself. A step with `confirm=True` always does.
"""

from __future__ import annotations

from holdfast.engine.earning import judged, name_of
from holdfast.engine.effects import Program, now, record
from holdfast.engine.hold import Asked, ask
from holdfast.engine.spec import Ahead, Call
from holdfast.errors import StepFailed
from holdfast.model.codec import digest
from holdfast.model.facts import AttemptFailed, HoldAnswered, StepSkipped
from holdfast.model.json import Json
from holdfast.model.keys import label_of, scope_of
from holdfast.model.mode import Ruling, decide
from holdfast.model.state import RunState

_SCOPES = {"unit": ("unit",), "stage": ("stage",)}
_ASKED = "asked before: a question is answered by a person"


def permission(call: Call, state: RunState) -> Program[str | None]:
    """Return what lets the step run ("auto: …", "approved by ana"), or None when a person
    skipped it. Raises StepFailed when a person said no."""
    ruling = decide(call.rules.confirm, call.rules.reads, state.terms, state.auto_rest)
    history = ""
    if ruling.asks and state.terms.mode == "earned" and not call.rules.confirm:
        ruling, history = yield from judged(call, state)
    if not ruling.asks:
        if not _is_asked_about(call.key, state):
            return ruling.rule
        ruling = Ruling(True, _ASKED)
    seen = state.steps.get(call.key)
    if seen is not None and seen.epoch == state.epoch and seen.decided_by.startswith("approved"):
        return seen.decided_by
    if not call.rules.confirm:
        wide = state.holds.covering(call.key, state.epoch)
        if wide is not None and wide.answer is not None:
            return approved_by(state, wide.answer)
    asked = _whole_scope(call, state, ruling) or _one_step(call, state, ruling, history)
    answer = yield from ask(asked)
    if answer.answer == "skip":
        at = yield from now()
        skipped = StepSkipped(
            at, call.key, answer.by, answer.comment, call.label, call.rules.version,
            name_of(call, state),
        )  # fmt: skip
        yield from record(skipped)
        return None
    if answer.answer == "reject":
        yield from refused(call, answer, name_of(call, state))
    return approved_by(state, answer)


def _is_asked_about(key: str, state: RunState) -> bool:
    """Whether a question about the step, or a scope around it, waits for an answer or was
    answered and not yet heeded: what loosened the mode since does not answer it."""
    if not state.holds:
        return False
    about = key
    while about:
        hold = state.holds.latest(about, "confirm")
        if hold is not None and not hold.is_used:
            if about == key or key in hold.opened.covers:
                return True
        about = scope_of(about)
    return False


def approved_by(state: RunState, answer: HoldAnswered) -> str:
    """Return who let a step run, as it is recorded: everybody of a quorum, and for how much."""
    hold = state.holds[answer.id]
    names = ", ".join(hold.agreeing(answer))
    scope = hold.opened.key if hold.opened.covers else answer.scope
    return f"approved by {names}" + (f" for {scope}" if scope else "")


def refused(call: Call, answer: HoldAnswered, name: str = "") -> Program[None]:
    """Record that a person said no, and raise StepFailed. `name` is the step's, for trust."""
    message = f"rejected by {answer.by.name}" + (f": {answer.comment}" if answer.comment else "")
    at = yield from now()
    yield from record(AttemptFailed(at, call.key, 0, "Rejected", message, name=name))
    raise StepFailed(call.key, "Rejected", message, 1)


def _one_step(call: Call, state: RunState, ruling: Ruling, history: str) -> Asked:
    seen = state.steps.get(call.key)
    evidence: dict[str, Json] = {
        "runs": call.label,
        "inputs": call.shown,
        "undo": call.undo_shown,
        "why": ruling.rule,
        "attempts": seen.attempts if seen else 0,
        "location": call.location,
        **_on_trial(call, state),
    }
    if history:
        evidence["history"] = history
    question = f"{call.label}?"
    bound = digest([call.key, question, call.inputs, call.code, call.undo_shown, state.target])
    return Asked("confirm", call.key, question, bound, evidence, state.terms.electorate)


def _whole_scope(call: Call, state: RunState, ruling: Ruling) -> Asked | None:
    """Return the question about the unit or stage around the step, when the terms ask about
    these and the plan knows the step."""
    kinds = _SCOPES.get(state.terms.ask, ())
    scope = "" if call.rules.confirm else state.enclosing(call.key, *kinds)
    steps = _unfinished(state, call.ahead(scope)) if scope else ()
    if call.key not in [step.key for step in steps]:
        return None
    plan: list[Json] = [{"key": step.key, "inputs": step.shown} for step in steps]
    evidence: dict[str, Json] = {
        "runs": scope, "plan": plan, "why": ruling.rule, **_on_trial(call, state),
    }  # fmt: skip
    count = "1 step" if len(steps) == 1 else f"{len(steps)} steps"
    question = f"{state.terms.ask} {label_of(scope)}: run {count}?"
    bound = digest([scope, state.target, [[step.key, step.shown, step.code] for step in steps]])
    return Asked(
        "confirm",
        scope,
        question,
        bound,
        evidence,
        state.terms.electorate,
        tuple(step.key for step in steps),
    )


def _on_trial(call: Call, state: RunState) -> dict[str, Json]:
    """Return the name under which a no, given while no process is there, counts for trust."""
    name = name_of(call, state)
    return {"name": name} if name else {}


def _unfinished(state: RunState, steps: tuple[Ahead, ...]) -> tuple[Ahead, ...]:
    return tuple(
        step
        for step in steps
        if (seen := state.steps.get(step.key)) is None or not seen.is_finished
    )
