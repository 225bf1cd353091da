"""The words for what happens in a life, whether it is written for a log or drawn on a screen."""

from __future__ import annotations

from datetime import datetime

from holdfast.app.wording import ANSWERED, count
from holdfast.cli.text import safe
from holdfast.cli.text import took as between
from holdfast.errors import error_text
from holdfast.model import facts as f
from holdfast.model.durations import show
from holdfast.model.keys import unescape
from holdfast.model.state import RunState, StepState


def clean(text: str) -> str:
    """Return `text` on one line, with control and bidirectional characters escaped."""
    return text if text.isprintable() else safe(" ".join(text.split("\n")))


def shown(key: str) -> str:
    """Return a key as a person reads it."""
    return clean(unescape(key) if "%" in key else key)


def fraction(done: float, total: float | None) -> str:
    """Return `340/1000 34%`, or `340` when nobody knows the end; less than all is never 100%."""
    if total is None or total <= 0:
        return _number(done)
    percent = 100 * done / total
    shown = 99.0 if done < total and percent > 99 else percent
    return f"{_number(done)}/{_number(total)} {shown:.0f}%"


def _number(value: float) -> str:
    """Return a number with all its digits where it is whole."""
    return f"{value:.0f}" if value // 1 == value else f"{value:g}"


def took(step: StepState | None, at: datetime) -> str:
    """Return how long a step's last attempt took until `at`."""
    return "" if step is None else between(step.started_at, at)


def beginning(run: str, state: RunState, now: datetime) -> str:
    """Return the first line: what begins, or what is gone on with."""
    created = state.created
    assert created is not None
    where = f" on {created.target}" if created.target else ""
    if len(state.lives) <= 1:
        return f"run {run}: {created.workflow}{where}"
    by, age = created.by.name, show(max(0.0, (now - created.at).total_seconds()))
    done = sum(step.is_finished for step in state.steps.values())
    text = f"resuming {run}{where} (started by {by} {age} ago): {count(done, 'step')} done"
    if state.ledger.is_going_back or (state.lives and state.lives[-1].errand):
        return f"{text}, going back"
    at = _goes_on_with(state)
    return f"{text}, going on with {shown(at)}" if at else text


def _goes_on_with(state: RunState) -> str:
    """Return the step that was in hand, else the failure that ended the run: an earlier one was
    caught, and is an outcome; nothing where all is done."""
    left = [s for s in state.steps.values() if not s.is_finished and s.status != "superseded"]
    in_hand = [step.key for step in left if step.status != "failed"]
    return in_hand[0] if in_hand else left[-1].key if left else ""


def reason(type: str, message: str) -> str:
    """Return why an attempt failed, in one line."""
    return clean(error_text(type, message))


def retry_note(fact: f.AttemptFailed) -> str:
    """Return when the next attempt follows a failed one, and which it is."""
    assert fact.next_at is not None
    wait = show(max(0.0, (fact.next_at - fact.at).total_seconds()))
    return f"retry in {wait} (attempt {fact.attempt + 1})"


def answer_note(fact: f.HoldAnswered) -> str:
    """Return who answered a hold, and how."""
    comment = f": {fact.comment}" if fact.comment else ""
    return f"{ANSWERED.get(fact.answer, 'answered')} by {fact.by.name}{comment}"


def stop_note(fact: f.StopRequested) -> str:
    """Return who asked for a stop."""
    word = "pause" if fact.pause else "stop"
    return f"asked to {word} by {fact.by.name}; leaving after the step in hand"


def left_note(key: str, state: RunState) -> str:
    """Return what of a step that was left is kept."""
    return "its items are checkpointed" if key in state.batches else "its cursor saved"
