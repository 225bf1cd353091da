"""Which steps a person means by STEP, when they say what becomes of these."""

from __future__ import annotations

from holdfast.app.rollout_views import failed_steps, is_about_units
from holdfast.app.wording import latest_of, some_of, stands
from holdfast.errors import UsageError
from holdfast.model.facts import HoldOpened
from holdfast.model.keys import find, is_meant
from holdfast.model.making import dataclass
from holdfast.model.standing import StepState
from holdfast.model.state import RunState


@dataclass(frozen=True, slots=True)
class Meant:
    """The steps that a text names: one by its key or last part, or all in a scope."""

    keys: tuple[str, ...]
    is_scope: bool


def meant(state: RunState, text: str) -> Meant:
    """Return which steps `text` names. Raises UsageError when the run has reached none such."""
    keys = [key for key in find(list(state.steps), text) if key in state.steps]
    if not keys:
        raise UsageError(_unknown(state, text))
    is_step = len(keys) == 1 and is_meant(keys[0], text)
    return Meant(tuple(keys), not is_step)


def one_step(state: RunState, text: str, verb: str) -> str:
    """Return the key of the one step that `text` names; a scope is refused with its steps."""
    found = meant(state, text)
    if found.is_scope:
        raise UsageError(
            f"{text!r} is a scope, and {verb} is about one step: {some_of(found.keys)}"
        )
    return found.keys[0]


def to_retry(state: RunState, text: str) -> tuple[str, ...]:
    """Return the steps that `retry` has run again: the one that is named, also one that waits,
    with what failed after it in its unit; or all in a scope that failed or wait for their next
    attempt.

    What is in doubt is decided by its own name only. Raises UsageError when nothing is left.
    """
    found = meant(state, text)
    if not found.is_scope:
        key = found.keys[0]
        if state.steps[key].is_finished and not has_changed(state, key):
            raise UsageError(
                f"step {key} {stands(state.steps[key].status)}; only a changed input, a new "
                "version= or `rewind` makes a finished step run again"
            )
        return (*found.keys, *_failed_for_it(state, key))
    keys = tuple(key for key in found.keys if _has_failed(state.steps[key]))
    if not keys:
        left = [key for key in found.keys if not state.steps[key].is_finished]
        other = f"; unfinished in it: {some_of(left)}" if left else ""
        raise UsageError(f"no step in {text!r} has failed{other}")
    return keys


def _failed_for_it(state: RunState, key: str) -> tuple[str, ...]:
    """Return the steps with which the unit of a finished step failed: when that one is to run
    with other inputs, it is so that these may do better."""
    unit = state.enclosing(key, "unit") if state.steps[key].is_finished else ""
    asked = [hold.opened for hold in state.holds.values() if is_about_units(hold.opened)]
    failed = failed_steps(asked[-1]) if unit and asked else []
    return tuple(
        step
        for step in failed
        if step.startswith(f"{unit}/") and step in state.steps and _has_failed(state.steps[step])
    )


def has_changed(state: RunState, key: str) -> bool:
    """Whether a finished step was reached with other inputs than those of its result, or its check
    says that it is not so any more."""
    if state.steps[key].accepted_inputs or state.steps[key].world:
        return True
    changes = (hold.opened.evidence.get("changed") for hold in state.open_holds)
    return any(isinstance(change, dict) and change.get("key") == key for change in changes)


def _has_failed(step: StepState) -> bool:
    return step.status == "failed" or (step.next_at is not None and step.attempts > 0)


def asked_about(state: RunState, text: str) -> HoldOpened | None:
    """Return the open question of the step that `text` names, when that has not begun."""
    if text in state.steps:
        return None
    asked = [hold.opened for hold in state.open_holds if hold.opened.key not in state.steps]
    named = [opened for opened in asked if is_meant(opened.key, text)]
    return named[0] if len(named) == 1 else None


def is_question(state: RunState, key: str) -> bool:
    """Whether a step is a question of the script, `confirm` or `ask`: its result is an answer."""
    kinds = ("confirm", "question")
    asked = (hold.opened for hold in state.holds.values() if hold.opened.key == key)
    return any(opened.kind in kinds and "type" in opened.evidence for opened in asked)


def _unknown(state: RunState, text: str) -> str:
    known = latest_of(state.steps)
    opened = asked_about(state, text)
    if opened is not None:
        return (
            f"step {opened.key} has not begun: it asks ({opened.id}); answer that with approve, "
            "reject or answer"
        )
    return f"no step {text!r} in this run; it has {known}: only what was reached can be decided"
