"""The facts a journal may hold. A fact never changes and is never removed.

Facts are in the past tense. The owner of a run writes most of them; those in `ControlFact` may
be appended by any process, after it validated them against the folded state: they set flags or
answer holds, and never refuse the owner's own writes.

Adding one: a frozen class here, a case in `state.RunState.apply`, a line in a golden journal.
Fields may be added with a default; they are never renamed, retyped or removed, because journals
written by every earlier release must fold for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, get_args

from holdfast.model.hold_facts import Answer as Answer
from holdfast.model.hold_facts import HoldAnswered as HoldAnswered
from holdfast.model.hold_facts import HoldExpired as HoldExpired
from holdfast.model.hold_facts import HoldKind as HoldKind
from holdfast.model.hold_facts import HoldOpened as HoldOpened
from holdfast.model.hold_facts import HoldVoided as HoldVoided
from holdfast.model.json import Json
from holdfast.model.making import made_often
from holdfast.model.parties import Owner as Owner
from holdfast.model.parties import Who as Who
from holdfast.model.terms import Terms

ScopeKind: TypeAlias = Literal["stage", "branch", "workflow", "unit"]
StopKind: TypeAlias = Literal["verb", "signal", "time", "park", "pause", "timer"]


@dataclass(frozen=True, slots=True)
class Spilled:
    """A value too large for its row: the digest names where it is kept."""

    digest: str
    size_bytes: int


# --- the run and its lives ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunCreated:
    """A run exists. Its parameters are in the codec's tagged form.

    `mode` is what the steps will go by at first; `given_mode` and `given_ask` were said for
    this run (`--mode`, `--ask`), and are kept by later lives.
    """

    at: datetime
    workflow: str
    file: str
    params: dict[str, Json]
    params_digest: str
    by: Who
    target: str | None = None
    mode: str = ""
    given_mode: str = ""
    given_ask: str = ""


@dataclass(frozen=True, slots=True)
class LifeStarted:
    """A process took the run up. The first fact of each epoch, made durable before any other.

    `resumed` is True for a person's `resume`: it lifts a stop or pause and grants the failures
    that ended the run their attempts anew. `mode` was given for this life and those after it;
    `terms` are what its steps go by.
    """

    at: datetime
    epoch: int
    owner: Owner
    by: Who
    version: str
    resumed: bool = False
    file: str = ""
    took_over: str = ""
    mode: str = ""
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class RunSucceeded:
    """The workflow returned. No further life follows."""

    at: datetime
    result: Json | Spilled = None


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The workflow raised. A resting state: `resume` retries `failures`, in the same run.

    `superseded` are the steps that ran after the failure (the `finally:` blocks): they will run
    again. `location` is file:line of the user's code.
    """

    at: datetime
    type: str
    message: str
    failures: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    location: str = ""


@dataclass(frozen=True, slots=True)
class RunStopped:
    """The life ended in order, with the run unfinished: see `kind`."""

    at: datetime
    kind: StopKind
    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody asked the run to stop at its next boundary (`now`: its processes are killed)."""

    at: datetime
    by: Who
    now: bool = False
    pause: bool = False


@dataclass(frozen=True, slots=True)
class RunCancelled:
    """Somebody ended the run for good."""

    at: datetime
    by: Who
    reason: str
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class LockStolen:
    """Somebody took the target's lock from this run, for another: it can go on when it is free."""

    at: datetime
    by: Who
    reason: str
    run: str = ""


# --- steps ----------------------------------------------------------------------------------


@made_often
@dataclass(frozen=True, slots=True)
class StepStarted:
    """An attempt is about to run; whether it took effect is unknown until an outcome follows.

    `name` is what all calls of the step are called, where their outcome counts for trust; with
    `earns` a clean one counts, too.
    """

    at: datetime
    key: str
    attempt: int
    label: str = ""
    inputs: str = ""
    shown: str = ""
    code: str = ""
    once: bool = False
    reads: bool = False
    decided_by: str = "auto"
    version: str = ""
    location: str = ""
    name: str = ""
    earns: bool = False


@made_often
@dataclass(frozen=True, slots=True)
class StepSucceeded:
    """A step returned. Its result is what every later life gets."""

    at: datetime
    key: str
    result: Json | Spilled = None


@dataclass(frozen=True, slots=True)
class StepFoundDone:
    """A step's check, or a person, says it is already so: recorded, not run."""

    at: datetime
    key: str
    result: Json | Spilled = None
    decided_by: str = "check"
    label: str = ""
    inputs: str = ""
    shown: str = ""
    code: str = ""
    reason: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """One attempt raised. `next_at` is when the next one is due; None means none follows.

    Attempt 0 is a person's no. `name` is the step's, as in `StepStarted`, when it never was.
    """

    at: datetime
    key: str
    attempt: int
    type: str
    message: str
    next_at: datetime | None = None
    location: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class StepDoubted:
    """A `once` step began and no outcome is known: it holds until somebody decides."""

    at: datetime
    key: str
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class StepRearmed:
    """A person said the step may run again; an in-doubt step is thereby decided."""

    at: datetime
    key: str
    by: Who
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """A person said to go on without the step; its result is None. `name` as in `StepStarted`."""

    at: datetime
    key: str
    by: Who
    reason: str
    label: str = ""
    version: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class StepRenamed:
    """The step recorded under `was` is the one now called `key` (`was=` in the script)."""

    at: datetime
    key: str
    was: str


@dataclass(frozen=True, slots=True)
class CursorSaved:
    """A long step saved where it is (`save`)."""

    at: datetime
    key: str
    value: Json | Spilled


@dataclass(frozen=True, slots=True)
class StepLeft:
    """A step left in order, right after a `save`: it costs no attempt and is not in doubt."""

    at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class TimerSet:
    """A durable wait: over at `until`, whether or not a process is there."""

    at: datetime
    key: str
    until: datetime | None
    label: str = ""
    inputs: str = ""
    shown: str = ""
    location: str = ""


# --- scopes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScopeEntered:
    """A stage, branch, unit or nested workflow began."""

    at: datetime
    key: str
    kind: ScopeKind


@dataclass(frozen=True, slots=True)
class ScopeClosed:
    """A scope ended well. A closed branch, unit or nested workflow is not entered again."""

    at: datetime
    key: str
    kind: ScopeKind
    result: Json | Spilled = None


@dataclass(frozen=True, slots=True)
class DriftAccepted:
    """Somebody accepted exactly this difference between the journal and the script.

    `changed` maps steps reached with other inputs to the digest of those inputs. `gone` are
    recorded steps that were not reached: when a `new` step came first they may still follow and
    keep their results; without one their scope has ended, and they are superseded.
    """

    at: datetime
    by: Who
    scope: str
    gone: tuple[str, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    new: str = ""


ControlFact: TypeAlias = (
    StopRequested
    | RunCancelled
    | LockStolen
    | HoldAnswered
    | StepRearmed
    | StepSkipped
    | DriftAccepted
    | StepFoundDone
)
Fact: TypeAlias = (
    RunCreated
    | LifeStarted
    | RunSucceeded
    | RunFailed
    | RunStopped
    | StopRequested
    | RunCancelled
    | LockStolen
    | StepStarted
    | StepSucceeded
    | StepFoundDone
    | AttemptFailed
    | StepDoubted
    | StepRearmed
    | StepSkipped
    | StepRenamed
    | CursorSaved
    | StepLeft
    | TimerSet
    | ScopeEntered
    | ScopeClosed
    | DriftAccepted
    | HoldOpened
    | HoldAnswered
    | HoldVoided
    | HoldExpired
)
KINDS: dict[str, type[Fact]] = {kind.__name__: kind for kind in get_args(Fact)}
