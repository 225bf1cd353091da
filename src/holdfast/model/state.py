"""Where a run stands: the fold of its journal.

`RunState` is a private mutable builder: one journal folds facts into it as they are appended or
read, in order, and programs only look at it. Folding is a pure function of the facts, so every
process that folds the same journal sees the same state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from holdfast.model import facts as f
from holdfast.model.asking import AUTO_REST
from holdfast.model.asking import FOLD as _HOLD_FOLD
from holdfast.model.holds import Holds, HoldState
from holdfast.model.json import Json
from holdfast.model.keys import scope_of
from holdfast.model.rewinding import FOLD as _REWIND_FOLD
from holdfast.model.rewinding import note_world, reopen
from holdfast.model.standing import ScopeState, StepState
from holdfast.model.status import FINISHED, GLANCED, RunStatus, StepStatus, glance
from holdfast.model.terms import AUTO, Terms
from holdfast.model.undoing import FOLD as _UNDO_FOLD
from holdfast.model.undoing import Ledger, is_giving_back, is_inside, take_up_failures

__all__ = ["AUTO_REST", "HoldState", "RunState", "ScopeState", "StepState"]


class RunState:
    """Everything the engine, the views and the verbs know of one run."""

    def __init__(self) -> None:
        self.seq = 0
        self.epoch = 0
        self.given_mode = ""
        self.given_ask = ""
        self.terms = AUTO
        self.target: str | None = None
        self.auto_rest = False
        self.status: RunStatus = "queued"
        self.created: f.RunCreated | None = None
        self.params: dict[str, Json] = {}
        self.params_digest = ""
        self.lives: list[f.LifeStarted] = []
        self.steps: dict[str, StepState] = {}
        self.superseded: list[StepState] = []
        self.scopes: dict[str, ScopeState] = {}
        self.holds = Holds()
        self.ledger = Ledger()
        self.stop: f.StopRequested | None = None
        self.cancelled: f.RunCancelled | None = None
        self.stolen: f.LockStolen | None = None
        self.stopped: f.RunStopped | None = None
        self.failed: f.RunFailed | None = None
        self.rewound: f.Rewound | None = None
        self.rechecked: f.Rechecked | None = None
        self.result: Json | f.Spilled = None
        self.ended_at: datetime | None = None

    # --- questions ---

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    @property
    def mode(self) -> str:
        return self.terms.mode

    @property
    def open_holds(self) -> list[HoldState]:
        return self.holds.open

    @property
    def starters(self) -> list[f.Who]:
        """Who started the run and who took it up since."""
        created = [] if self.created is None else [self.created.by]
        return [*created, *(life.by for life in self.lives)]

    def enclosing(self, key: str, *kinds: str) -> str:
        """Return the innermost scope of one of these kinds around a step, or an empty text."""
        while key:
            key = scope_of(key)
            found = self.scopes.get(key)
            if key and found is not None and found.kind in kinds:
                return key
        return ""

    def undone_with(self, key: str) -> str:
        """Return the outermost open stage around a step that undoes itself, or an empty text."""
        around = [k for k, s in self.scopes.items() if s.undoes and not s.closed]
        return min((k for k in around if is_inside(key, k)), key=len, default="")

    def scope(self, key: str) -> ScopeState:
        """Return the scope, making an empty one when the journal does not know it."""
        found = self.scopes.get(key)
        if found is None:
            found = self.scopes[key] = ScopeState(key)
        return found

    def life_of(self, step: StepState) -> f.LifeStarted | None:
        """Return the life in which the step was last started."""
        for life in reversed(self.lives):
            if life.epoch == step.epoch:
                return life
        return None

    def in_doubt(self) -> list[StepState]:
        """Return the steps that began and whose outcome nobody knows."""
        return [
            step
            for step in self.steps.values()
            if step.status == "in_doubt" or (step.status == "running" and step.epoch < self.epoch)
        ]

    # --- the fold ---

    def apply(self, fact: f.Fact) -> None:
        """Fold in the next fact of the journal."""
        self.seq += 1
        _FOLD[type(fact)](self, fact)
        if type(fact) in GLANCED:
            change = glance(fact)
            if change.status is not None:
                self.status = change.status

    def _created(self, fact: f.RunCreated) -> None:
        self.created = fact
        self.params, self.params_digest = fact.params, fact.params_digest
        self.target = fact.target
        self.given_mode, self.given_ask = fact.given_mode, fact.given_ask
        self.terms = _terms_of(fact.mode)

    def _life_started(self, fact: f.LifeStarted) -> None:
        self.epoch = fact.epoch
        self.lives.append(fact)
        self.given_mode = fact.mode or self.given_mode
        self.terms = fact.terms or _terms_of(fact.mode or self.mode)
        self.stopped, self.stolen, self.rewound, self.ended_at = None, None, None, None
        for scope in self.scopes.values():
            scope.running.clear()
        if fact.resumed:
            self.stop = None
        take_up_failures(self, is_going_back=bool(fact.errand or self.ledger.begun))

    def set_aside(self, key: str, status: StepStatus = "superseded") -> None:
        """Set a step, or all that a scope holds, aside: kept for `log --all`, run again."""
        prefix = key + "/"
        is_step = key in self.steps and key not in self.scopes
        names = [key] if is_step else [k for k in self.steps if k == key or k.startswith(prefix)]
        for name in names:
            step = self.steps.pop(name)
            if step.is_finished:
                self.ledger.former[name] = replace(step)
            step.status = status
            self.superseded.append(step)
        for name in [k for k in self.scopes if not is_step and (k == key or k.startswith(prefix))]:
            del self.scopes[name]
        self._forget_member(key)

    def _forget_member(self, key: str) -> None:
        """Take a key out of its scope, and out of theirs the open scopes that are empty then."""
        while True:
            parent = scope_of(key)
            scope = self.scope(parent)
            scope.members.pop(key, None)
            scope.passed.pop(key, None)
            if not parent or scope.members or scope.closed:
                return
            key = parent

    def _run_succeeded(self, fact: f.RunSucceeded) -> None:
        self.result, self.ended_at = fact.result, fact.at
        self.holds.void_open()

    def _run_failed(self, fact: f.RunFailed) -> None:
        self.failed, self.ended_at = fact, fact.at

    def _run_stopped(self, fact: f.RunStopped) -> None:
        self.stopped, self.ended_at = fact, fact.at

    def _stop_requested(self, fact: f.StopRequested) -> None:
        self.stop = fact

    def _cancelled(self, fact: f.RunCancelled) -> None:
        self.cancelled, self.ended_at = fact, fact.at
        self.holds.void_open()

    def _step_started(self, fact: f.StepStarted) -> None:
        key = fact.key
        step = self.steps.get(key)
        if step is None:
            step = self.steps[key] = StepState(key, reached_seq=self.seq)
        elif step.is_finished:
            self._begin_anew(step)
        step.status, step.attempts, step.epoch = "running", fact.attempt, self.epoch
        step.started_seq, step.ended_seq = self.seq, 0
        step.started_at, step.ended_at, step.next_at = fact.at, None, None
        step.label, step.inputs, step.shown, step.code = (
            fact.label, fact.inputs, fact.shown, fact.code,
        )  # fmt: skip
        step.once, step.reads, step.version = fact.once, fact.reads, fact.version
        step.decided_by, step.location = fact.decided_by, fact.location
        step.name, step.earns = fact.name, fact.earns
        step.undoes, step.settles = fact.undoes, fact.settles
        if fact.owes is not None:
            self.ledger.started(fact, step, self.seq, self.epoch)
        scope = self.scope(scope_of(key))
        if scope.running:
            scope.overlapped = True
        scope.running.add(key)
        if self.holds:
            self.holds.spend(key, self.epoch)

    def _begin_anew(self, step: StepState) -> None:
        """A finished step is to run again: its earlier execution counts no more."""
        step.forgiven, step.next_at = step.attempts, None
        step.saved, step.has_saved, step.accepted_inputs, step.world = None, False, (), ""

    def _step_ended(self, step: StepState, status: StepStatus, at: datetime) -> None:
        key = step.key
        step.status, step.ended_at, step.ended_seq = status, at, self.seq
        step.next_at = None
        if self.holds:
            self.holds.spend(key, self.epoch)
        parent = scope_of(key)
        scope = self.scope(parent)
        scope.running.discard(key)
        if step.is_finished and not is_giving_back(key):
            if key not in scope.members:
                scope.members[key] = None
                if parent:
                    self.note_member(parent)
            if step.undoes and step.attempts and status != "skipped":
                self.ledger.standing[key] = step

    def note_member(self, key: str) -> None:
        """Note that a key has something finished in it, and so have the scopes around it."""
        while True:
            parent = scope_of(key)
            members = self.scope(parent).members
            if key in members:
                return
            members[key] = None
            if not parent:
                return
            key = parent

    def _step_succeeded(self, fact: f.StepSucceeded) -> None:
        step = self.steps.get(fact.key) or self._unstarted(fact.key)
        step.result = fact.result
        step.error_type = step.error = ""
        self._step_ended(step, "succeeded", fact.at)

    def _step_found_done(self, fact: f.StepFoundDone) -> None:
        step = self.steps.get(fact.key) or self._unstarted(fact.key)
        step.result, step.decided_by = fact.result, fact.decided_by
        if fact.label:
            step.label, step.inputs, step.shown = fact.label, fact.inputs, fact.shown
            step.code, step.version = fact.code, fact.version
        self._step_ended(step, "already_done", fact.at)

    def _unstarted(self, key: str) -> StepState:
        step = self.steps[key] = StepState(
            key, epoch=self.epoch, reached_seq=self.seq, started_seq=self.seq
        )
        return step

    def _attempt_failed(self, fact: f.AttemptFailed) -> None:
        step = self.steps.get(fact.key) or self._unstarted(fact.key)
        step.error_type, step.error = fact.type, fact.message
        step.name = fact.name or step.name
        self._step_ended(step, "failed" if fact.next_at is None else "waiting", fact.at)
        step.next_at = fact.next_at
        if fact.location:
            step.location = fact.location

    def _step_doubted(self, fact: f.StepDoubted) -> None:
        step = self.steps.get(fact.key) or self._unstarted(fact.key)
        step.error = fact.why
        self._step_ended(step, "in_doubt", fact.at)

    def _step_rearmed(self, fact: f.StepRearmed) -> None:
        step = self.steps.get(fact.key)
        if step is None:
            return
        if step.is_finished:
            self._begin_anew(step)
            reopen(self, fact.key)
            self._forget_member(fact.key)
        step.status, step.forgiven, step.next_at = "waiting", step.attempts, None
        self.holds.spend(fact.key, self.epoch)

    def _step_skipped(self, fact: f.StepSkipped) -> None:
        step = self.steps.get(fact.key) or self._unstarted(fact.key)
        step.result, step.decided_by = None, f"skipped by {fact.by.name}"
        self.ledger.left_out(fact.key)
        if fact.label:
            step.label, step.version = fact.label, fact.version
        self._step_ended(step, "skipped", fact.at)

    def _step_renamed(self, fact: f.StepRenamed) -> None:
        step = self.steps.pop(fact.was, None)
        if step is None:
            return
        step.key = fact.key
        self.steps[fact.key] = step
        self.holds.rename(fact.was, fact.key)
        self.ledger.renamed(fact)
        self._forget_member(fact.was)
        if step.is_finished:
            self.note_member(fact.key)

    def _cursor_saved(self, fact: f.CursorSaved) -> None:
        step = self.steps.get(fact.key) or self._unstarted(fact.key)
        step.saved, step.has_saved = fact.value, True

    def _step_left(self, fact: f.StepLeft) -> None:
        step = self.steps.get(fact.key) or self._unstarted(fact.key)
        step.forgiven += 1
        self._step_ended(step, "waiting", fact.at)

    def _timer_set(self, fact: f.TimerSet) -> None:
        step = self.steps.get(fact.key)
        if step is None:
            step = self.steps[fact.key] = StepState(
                fact.key, reached_seq=self.seq, started_at=fact.at
            )
            step.started_seq, step.epoch = self.seq, self.epoch
        if step.is_finished:  # A window that has to be open once more.
            self._begin_anew(step)
            self._forget_member(fact.key)
        step.status, step.next_at, step.label = "waiting", fact.until, fact.label or step.label
        step.inputs, step.shown, step.location = fact.inputs, fact.shown, fact.location
        self.holds.spend(fact.key, self.epoch)

    def _scope_entered(self, fact: f.ScopeEntered) -> None:
        scope = self.scope(fact.key)
        scope.kind, scope.undoes, scope.entered_seq = fact.kind, fact.undoes, self.seq

    def _scope_closed(self, fact: f.ScopeClosed) -> None:
        scope = self.scope(fact.key)
        scope.kind, scope.closed, scope.result = fact.kind, True, fact.result
        self.note_member(fact.key)

    def _drift_accepted(self, fact: f.DriftAccepted) -> None:
        for key in fact.gone:
            if fact.new:
                self.scope(scope_of(key)).passed[key] = fact.by
            else:
                self.set_aside(key)
        for key, inputs in fact.changed:
            step = self.steps.get(key)
            if step is not None:
                step.accepted_inputs += (inputs,)
        note_world(self, fact.world, "")
        self.holds.spend(fact.scope, self.epoch)

    def _lock_stolen(self, fact: f.LockStolen) -> None:
        self.stolen = fact


def _terms_of(mode: str) -> Terms:
    """Return the terms of a life whose journal says no more than its mode."""
    return Terms("confirm", "confirm: the run's mode") if mode == "confirm" else AUTO


_FOLD: dict[type[f.Fact], Callable[[RunState, Any], None]] = {
    f.RunCreated: RunState._created,
    f.LifeStarted: RunState._life_started,
    f.RunSucceeded: RunState._run_succeeded,
    f.RunFailed: RunState._run_failed,
    f.RunStopped: RunState._run_stopped,
    f.StopRequested: RunState._stop_requested,
    f.RunCancelled: RunState._cancelled,
    f.StepStarted: RunState._step_started,
    f.StepSucceeded: RunState._step_succeeded,
    f.StepFoundDone: RunState._step_found_done,
    f.AttemptFailed: RunState._attempt_failed,
    f.StepDoubted: RunState._step_doubted,
    f.StepRearmed: RunState._step_rearmed,
    f.StepSkipped: RunState._step_skipped,
    f.StepRenamed: RunState._step_renamed,
    f.CursorSaved: RunState._cursor_saved,
    f.StepLeft: RunState._step_left,
    f.TimerSet: RunState._timer_set,
    f.ScopeEntered: RunState._scope_entered,
    f.ScopeClosed: RunState._scope_closed,
    f.DriftAccepted: RunState._drift_accepted,
    f.LockStolen: RunState._lock_stolen,
    **_UNDO_FOLD,
    **_HOLD_FOLD,
    **_REWIND_FOLD,
}
