"""What the facts of a step do to the state of its run: the part of the fold that is its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from sys import intern
from typing import Any, Final, Protocol

from holdfast.model import batching
from holdfast.model import facts as f
from holdfast.model.keys import scope_of
from holdfast.model.rewinding import Folded, reopen
from holdfast.model.standing import ScopeState, StepState
from holdfast.model.status import RECORDED, StepStatus
from holdfast.model.undoing import is_giving_back


class Stepped(Folded, Protocol):
    """What the facts of a step look at and change of a run's state."""

    batches: dict[str, batching.BatchState]

    def scope(self, key: str) -> ScopeState:
        """Return the scope, making an empty one when the journal does not know it."""

    def forget_member(self, key: str) -> None:
        """Take a key out of its scope."""


def _step_started(state: Stepped, fact: f.StepStarted) -> None:
    key, begun = fact.key, _begun(fact, state)
    step = state.steps.setdefault(key, begun)
    is_anew = step is begun or step.is_finished
    if step is begun:
        step.reached_seq = state.seq
    else:
        if is_anew:
            _begin_anew(step)
        for name in _TOLD_BY_START:
            setattr(step, name, getattr(begun, name))
    if fact.is_batch:
        batching.began(state, key, anew=is_anew)
    if fact.owes is not None:
        state.ledger.started(fact, step, state.seq, state.epoch)
    parent = scope_of(key)
    scope = state.scopes.get(parent) or state.scope(parent)
    if scope.running:
        scope.overlapped = True
    scope.running.add(key)
    if state.holds:
        state.holds.spend(key, state.epoch)


def _begun(fact: f.StepStarted, state: Stepped) -> StepState:
    """Return a step as its start tells it. Made at once and by position, and what is the same in
    many is kept once: a long journal has a hundred thousand of these."""
    key, label = fact.key, fact.label
    return StepState(
        key,
        key if label == key else label,
        "running",
        fact.attempt,
        state.epoch,
        state.seq,
        fact.at,
        fact.inputs,
        fact.shown,
        intern(fact.code),
        fact.version,
        fact.once,
        fact.reads,
        fact.decided_by,
        intern(fact.location),
        fact.name,
        fact.earns,
        fact.undoes,
        fact.settles,
        fact.asks_when_interrupted,
        fact.is_batch,
        fact.commands,
    )


_TOLD_BY_START: Final = (
    *("label", "status", "attempts", "epoch", "started_seq", "started_at", "inputs", "shown"),
    *("code", "version", "once", "reads", "decided_by", "location", "name", "earns", "undoes"),
    *("settles", "asks_when_interrupted", "is_batch", "commands"),
    *("ended_seq", "ended_at", "next_at"),
)
"""What a step that starts again is told anew: how it ended before counts no more."""


def _begin_anew(step: StepState) -> None:
    """A finished step is to run again: its earlier execution counts no more."""
    step.forgiven, step.next_at = step.attempts, None
    step.saved, step.has_saved, step.accepted_inputs, step.world = None, False, (), ""


def _step_ended(state: Stepped, step: StepState, status: StepStatus, at: datetime) -> None:
    key = step.key
    step.status, step.ended_at, step.ended_seq = status, at, state.seq
    step.next_at = None
    if state.holds:
        state.holds.spend(key, state.epoch)
    parent = scope_of(key)
    scope = state.scopes.get(parent) or state.scope(parent)
    scope.running.discard(key)
    if status in RECORDED and not is_giving_back(key):
        if parent and key not in scope.members:
            state.note_member(parent)
        scope.members[key] = None
        if step.undoes and step.attempts and status != "skipped":
            state.ledger.standing[key] = step


def _step_succeeded(state: Stepped, fact: f.StepSucceeded) -> None:
    step = state.steps.get(fact.key) or _unstarted(state, fact.key)
    step.result = fact.result
    step.error_type = step.error = ""
    _step_ended(state, step, "succeeded", fact.at)


def _step_found_done(state: Stepped, fact: f.StepFoundDone) -> None:
    step = state.steps.get(fact.key) or _unstarted(state, fact.key)
    step.result, step.decided_by = fact.result, fact.decided_by
    if fact.label:
        step.label, step.inputs, step.shown = fact.label, fact.inputs, fact.shown
        step.code, step.version = fact.code, fact.version
    _step_ended(state, step, "already_done", fact.at)


def _unstarted(state: Stepped, key: str) -> StepState:
    step = state.steps[key] = StepState(
        key, epoch=state.epoch, reached_seq=state.seq, started_seq=state.seq
    )
    return step


def _attempt_failed(state: Stepped, fact: f.AttemptFailed) -> None:
    step = state.steps.get(fact.key) or _unstarted(state, fact.key)
    step.error_type, step.error = fact.type, fact.message
    step.name = fact.name or step.name
    _step_ended(state, step, "failed" if fact.next_at is None else "waiting", fact.at)
    step.next_at = fact.next_at
    if fact.location:
        step.location = fact.location
    if step.is_batch:
        batching.failed(state, fact.key)


def _step_doubted(state: Stepped, fact: f.StepDoubted) -> None:
    step = state.steps.get(fact.key) or _unstarted(state, fact.key)
    step.error = fact.why
    _step_ended(state, step, "in_doubt", fact.at)


def _step_rearmed(state: Stepped, fact: f.StepRearmed) -> None:
    step = state.steps.get(fact.key)
    if step is None:
        return
    if step.is_finished:
        _begin_anew(step)
        reopen(state, fact.key)
        state.forget_member(fact.key)
    step.status, step.forgiven, step.next_at = "waiting", step.attempts, None
    state.holds.spend(fact.key, state.epoch)


def _step_skipped(state: Stepped, fact: f.StepSkipped) -> None:
    step = state.steps.get(fact.key) or _unstarted(state, fact.key)
    step.result, step.decided_by = None, f"skipped by {fact.by.name}"
    state.ledger.left_out(fact.key)
    if fact.label:
        step.label, step.version = fact.label, fact.version
    _step_ended(state, step, "skipped", fact.at)


def _step_renamed(state: Stepped, fact: f.StepRenamed) -> None:
    step = state.steps.pop(fact.was, None)
    if step is None:
        return
    step.key = fact.key
    state.steps[fact.key] = step
    state.holds.rename(fact.was, fact.key)
    state.ledger.renamed(fact)
    state.forget_member(fact.was)
    if step.is_finished:
        state.note_member(fact.key)


def _cursor_saved(state: Stepped, fact: f.CursorSaved) -> None:
    step = state.steps.get(fact.key) or _unstarted(state, fact.key)
    step.saved, step.has_saved = fact.value, True


def _step_left(state: Stepped, fact: f.StepLeft) -> None:
    step = state.steps.get(fact.key) or _unstarted(state, fact.key)
    step.forgiven += 1
    _step_ended(state, step, "waiting", fact.at)


def _timer_set(state: Stepped, fact: f.TimerSet) -> None:
    step = state.steps.get(fact.key)
    if step is None:
        step = state.steps[fact.key] = StepState(
            fact.key, reached_seq=state.seq, started_at=fact.at
        )
        step.started_seq, step.epoch = state.seq, state.epoch
    if step.is_finished:  # A window that has to be open once more.
        _begin_anew(step)
        state.forget_member(fact.key)
    step.status, step.next_at, step.label = "waiting", fact.until, fact.label or step.label
    step.inputs, step.shown, step.location = fact.inputs, fact.shown, fact.location
    state.holds.spend(fact.key, state.epoch)


FOLD: dict[type[f.Fact], Callable[[Stepped, Any], None]] = {
    f.StepStarted: _step_started,
    f.StepSucceeded: _step_succeeded,
    f.StepFoundDone: _step_found_done,
    f.AttemptFailed: _attempt_failed,
    f.StepDoubted: _step_doubted,
    f.StepRearmed: _step_rearmed,
    f.StepSkipped: _step_skipped,
    f.StepRenamed: _step_renamed,
    f.CursorSaved: _cursor_saved,
    f.StepLeft: _step_left,
    f.TimerSet: _timer_set,
}
