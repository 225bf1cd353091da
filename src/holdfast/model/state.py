"""Where a run stands: the fold of its journal.

`RunState` is a private mutable builder: one journal folds facts into it as they are appended or
read, in order, and programs only look at it. Folding is a pure function of the facts, so every
process that folds the same journal sees the same state.

A program looks while other threads fold. What it goes through is therefore a copy made in one call,
`list(state.steps.values())`: a dictionary that grows cannot be gone through.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, TypeAlias

from holdfast.model import facts as f
from holdfast.model.asking import AUTO_REST
from holdfast.model.asking import FOLD as _HOLD_FOLD
from holdfast.model.batching import FOLD as _BATCH_FOLD
from holdfast.model.batching import BatchState
from holdfast.model.gating import FOLD as _GATE_FOLD
from holdfast.model.hashing import blake2b
from holdfast.model.holds import Holds, HoldState
from holdfast.model.json import Json
from holdfast.model.jsontext import digest
from holdfast.model.keys import scope_of, scopes_around
from holdfast.model.making import replace
from holdfast.model.rewinding import FOLD as _REWIND_FOLD
from holdfast.model.rewinding import note_world
from holdfast.model.rolling import FOLD as _ROLLOUT_FOLD
from holdfast.model.rollout import RolloutState
from holdfast.model.shelling import FOLD as _SHELL_FOLD
from holdfast.model.shelling import Walk
from holdfast.model.standing import ScopeState, StepState
from holdfast.model.status import FINISHED, GLANCED, RunStatus, StepStatus, glance
from holdfast.model.stepping import FOLD as _STEP_FOLD
from holdfast.model.terms import AUTO, Terms
from holdfast.model.undoing import FOLD as _UNDO_FOLD
from holdfast.model.undoing import Ledger, is_inside, take_up_failures

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
        self.rollouts: dict[str, RolloutState] = {}
        self.holds = Holds()
        self.ledger = Ledger()
        self.batches: dict[str, BatchState] = {}
        self.walk = Walk()
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
        around = [s.key for s in list(self.scopes.values()) if s.undoes and not s.closed]
        return min((k for k in around if is_inside(key, k)), key=len, default="")

    def scope(self, key: str) -> ScopeState:
        """Return the scope, making an empty one when the journal does not know it."""
        found = self.scopes.get(key)
        if found is None:
            found = self.scopes[key] = ScopeState(key)
        return found

    def token_of(self, run: str, key: str, version: str) -> str:
        """Return one string for all attempts of a step of `run`, which this is the state of. An
        execution that a new `version=` forces has another; the steps of a shell have no version.
        Both are made as they always were: a run may be older than this release."""
        at = self.created.at.isoformat() if self.created else ""
        if self.created is not None and self.created.shell:
            return digest([run, key, at])
        return blake2b(f"{run}\0{key}\0{at}\0{version}".encode(), digest_size=16).hexdigest()

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
            for step in list(self.steps.values())
            if step.status == "in_doubt"
            or (step.status == "running" and step.epoch < self.epoch and not step.is_batch)
        ]

    # --- the fold ---

    def apply(self, fact: f.Fact) -> None:
        """Fold in the next fact of the journal."""
        self.seq += 1
        _FOLD[fact.__class__](self, fact)

    def _created(self, fact: f.RunCreated) -> None:
        self.created = fact
        self.params, self.params_digest = fact.params, fact.params_digest
        self.target = fact.target
        self.given_mode, self.given_ask = fact.given_mode, fact.given_ask
        self.terms = _terms_of(fact.mode)

    def _life_started(self, fact: f.LifeStarted) -> None:
        self.epoch = fact.epoch
        self.lives.append(fact)
        self.walk.begin_anew()
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
        self.set_all_aside((key,), status)

    def set_all_aside(self, keys: Collection[str], status: StepStatus = "superseded") -> None:
        """Set many steps and scopes aside, in this order. What is known is gone through once,
        however many scopes they are, and not at all for steps alone."""
        scopes = {key for key in keys if key in self.scopes or key not in self.steps}
        steps_of = _grouped(self.steps, scopes) if scopes else {}
        scopes_of = _grouped(self.scopes, scopes) if scopes else {}
        for key in keys:
            for name in steps_of.get(key, ()) if key in scopes else (key,):
                step = self.steps.pop(name, None)
                if step is None:
                    continue  # It was set aside with a scope around it.
                if step.is_finished:
                    self.ledger.former[name] = replace(step)
                step.status = status
                self.superseded.append(step)
            for name in scopes_of.get(key, ()):
                self.scopes.pop(name, None)
            self.forget_member(key)

    def forget_member(self, key: str) -> None:
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

    def _scope_entered(self, fact: f.ScopeEntered) -> None:
        scope = self.scope(fact.key)
        scope.kind, scope.undoes, scope.entered_seq = fact.kind, fact.undoes, self.seq

    def _scope_closed(self, fact: f.ScopeClosed) -> None:
        scope = self.scope(fact.key)
        scope.kind, scope.closed, scope.result = fact.kind, True, fact.result
        self.note_member(fact.key)

    def _drift_accepted(self, fact: f.DriftAccepted) -> None:
        if fact.new:
            for key in fact.gone:
                self.scope(scope_of(key)).passed[key] = fact.by
        else:
            self.set_all_aside(fact.gone)
        for key, inputs in fact.changed:
            step = self.steps.get(key)
            if step is not None:
                step.accepted_inputs += (inputs,)
        note_world(self, fact.world, "")
        self.holds.spend(fact.scope, self.epoch)

    def _lock_stolen(self, fact: f.LockStolen) -> None:
        self.stolen = fact


def _grouped(names: Iterable[str], scopes: Collection[str]) -> dict[str, list[str]]:
    """Return which of these names each of the scopes is or holds, in their order."""
    found: dict[str, list[str]] = {}
    for name in names:
        for key in (name, *scopes_around(name)):
            if key in scopes:
                found.setdefault(key, []).append(name)
    return found


def _terms_of(mode: str) -> Terms:
    """Return the terms of a life whose journal says no more than its mode."""
    return Terms("confirm", "confirm: the run's mode") if mode == "confirm" else AUTO


Fold: TypeAlias = Callable[[RunState, Any], None]


def _with_status(fold: Fold) -> Fold:
    """Return the fold of a fact that may also say where the run stands."""

    def folded(state: RunState, fact: f.Fact) -> None:
        fold(state, fact)
        status = glance(fact).status
        if status is not None:
            state.status = status

    return folded


_PARTS: dict[type[f.Fact], Fold] = {
    f.RunCreated: RunState._created,
    f.LifeStarted: RunState._life_started,
    f.RunSucceeded: RunState._run_succeeded,
    f.RunFailed: RunState._run_failed,
    f.RunStopped: RunState._run_stopped,
    f.StopRequested: RunState._stop_requested,
    f.RunCancelled: RunState._cancelled,
    f.ScopeEntered: RunState._scope_entered,
    f.ScopeClosed: RunState._scope_closed,
    f.DriftAccepted: RunState._drift_accepted,
    f.LockStolen: RunState._lock_stolen,
    **_STEP_FOLD,
    **_BATCH_FOLD,
    **_UNDO_FOLD,
    **_HOLD_FOLD,
    **_REWIND_FOLD,
    **_GATE_FOLD,
    **_ROLLOUT_FOLD,
    **_SHELL_FOLD,
}
_FOLD: dict[type[f.Fact], Fold] = {
    kind: _with_status(fold) if kind in GLANCED else fold for kind, fold in _PARTS.items()
}
