"""The facts a journal may hold. A fact never changes and is never removed.

Facts are in the past tense. The owner of a run writes most of them; those in `ControlFact` may
be appended by any process, after it validated them against the folded state: they set flags or
answer holds, and never refuse the owner's own writes.

Adding one: a frozen class in the file of its subject, a case in the fold (`model/state.py` and
what it imports), a line in a golden journal.
Fields may be added with a default; they are never renamed, retyped or removed, because journals
written by every earlier release must fold for ever.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias, get_args

from holdfast.model.batch_facts import BudgetGranted as BudgetGranted
from holdfast.model.batch_facts import ItemDecided as ItemDecided
from holdfast.model.batch_facts import ItemsRearmed as ItemsRearmed
from holdfast.model.gate_facts import GateOpened as GateOpened
from holdfast.model.gate_facts import GateOverridden as GateOverridden
from holdfast.model.gate_facts import SampleTaken as SampleTaken
from holdfast.model.hold_facts import Answer as Answer
from holdfast.model.hold_facts import HoldAnswered as HoldAnswered
from holdfast.model.hold_facts import HoldExpired as HoldExpired
from holdfast.model.hold_facts import HoldKind as HoldKind
from holdfast.model.hold_facts import HoldOpened as HoldOpened
from holdfast.model.hold_facts import HoldVoided as HoldVoided
from holdfast.model.json import Json
from holdfast.model.json import Spilled as Spilled
from holdfast.model.making import dataclass
from holdfast.model.parties import Owner as Owner
from holdfast.model.parties import Who as Who
from holdfast.model.rewind_facts import ParameterSet as ParameterSet
from holdfast.model.rewind_facts import Rechecked as Rechecked
from holdfast.model.rewind_facts import Rewound as Rewound
from holdfast.model.rollout_facts import FailuresGranted as FailuresGranted
from holdfast.model.rollout_facts import RolloutPlanned as RolloutPlanned
from holdfast.model.rollout_facts import UnitFailed as UnitFailed
from holdfast.model.shell_facts import Commands as Commands
from holdfast.model.shell_facts import PlaceReached as PlaceReached
from holdfast.model.step_facts import AttemptFailed as AttemptFailed
from holdfast.model.step_facts import CursorSaved as CursorSaved
from holdfast.model.step_facts import StepDoubted as StepDoubted
from holdfast.model.step_facts import StepFoundDone as StepFoundDone
from holdfast.model.step_facts import StepLeft as StepLeft
from holdfast.model.step_facts import StepRearmed as StepRearmed
from holdfast.model.step_facts import StepRenamed as StepRenamed
from holdfast.model.step_facts import StepSkipped as StepSkipped
from holdfast.model.step_facts import StepStarted as StepStarted
from holdfast.model.step_facts import StepSucceeded as StepSucceeded
from holdfast.model.step_facts import TimerSet as TimerSet
from holdfast.model.terms import Terms
from holdfast.model.undo_facts import DebtAccepted as DebtAccepted
from holdfast.model.undo_facts import DebtSettled as DebtSettled
from holdfast.model.undo_facts import ErrandKind as ErrandKind
from holdfast.model.undo_facts import Owed as Owed
from holdfast.model.undo_facts import PointPassed as PointPassed
from holdfast.model.undo_facts import RollbackBegun as RollbackBegun
from holdfast.model.undo_facts import RolledBack as RolledBack
from holdfast.model.undo_facts import Settling as Settling
from holdfast.model.undo_facts import StageUndone as StageUndone
from holdfast.model.undo_facts import StepUndone as StepUndone
from holdfast.model.undo_facts import UndoBegun as UndoBegun

ScopeKind: TypeAlias = Literal["stage", "branch", "workflow", "unit"]
StopKind: TypeAlias = Literal["verb", "signal", "time", "park", "pause", "timer"]


# --- the run and its lives ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunCreated:
    """A run exists. Its parameters are in the codec's tagged form.

    `mode` is what the steps will go by at first; `given_mode` and `given_ask` were said for
    this run (`--mode`, `--ask`), and are kept by later lives. A `shell` script owns its run itself.
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
    shell: bool = False


@dataclass(frozen=True, slots=True)
class LifeStarted:
    """A process took the run up. The first fact of each epoch, made durable before any other.

    `resumed` is True for a person's `resume`: it lifts a stop or pause and grants the failures
    that ended the run their attempts anew. `mode` was given for this life and those after it;
    `terms` are what its steps go by. With an `errand` the life goes back instead of on. `commands`
    are what the shell was started with, where a shell owns the run.
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
    errand: ErrandKind = ""
    commands: Commands | None = None


@dataclass(frozen=True, slots=True)
class RunSucceeded:
    """The workflow returned. No further life follows."""

    at: datetime
    result: Json | Spilled = None


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The workflow raised. A resting state: `resume` retries `failures`, in the same run.

    `superseded` are the steps that ran after the failure (the `finally:` blocks): they will run
    again. `location` is file:line of the user's code. `is_undone` says that it failed in a stage
    which has undone itself: nothing is committed.
    """

    at: datetime
    type: str
    message: str
    failures: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    location: str = ""
    is_undone: bool = False


@dataclass(frozen=True, slots=True)
class RunStopped:
    """The life ended in order, with the run unfinished: see `kind`.

    `due_at` is when the run can go on without a person: a wait is over then, or a question has
    expired. A stop, a pause and Ctrl-C have none.
    """

    at: datetime
    kind: StopKind
    reason: str
    exit_code: int
    due_at: datetime | None = None


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


# --- scopes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScopeEntered:
    """A stage, branch, unit or nested workflow began. `undoes` is a stage that undoes itself
    when it fails."""

    at: datetime
    key: str
    kind: ScopeKind
    undoes: bool = False


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
    keep their results; without one their scope has ended, and they are superseded. `world` are
    steps whose check did not say that it is so, and what it said.
    """

    at: datetime
    by: Who
    scope: str
    gone: tuple[str, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    new: str = ""
    world: tuple[tuple[str, str], ...] = ()


ControlFact: TypeAlias = (
    StopRequested
    | RunCancelled
    | LockStolen
    | HoldAnswered
    | StepRearmed
    | StepSkipped
    | DriftAccepted
    | StepFoundDone
    | DebtSettled
    | UndoBegun
    | ItemsRearmed
    | ItemDecided
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
    | DebtSettled
    | DebtAccepted
    | PointPassed
    | UndoBegun
    | StageUndone
    | RollbackBegun
    | StepUndone
    | RolledBack
    | Rewound
    | ParameterSet
    | Rechecked
    | ItemsRearmed
    | ItemDecided
    | BudgetGranted
    | GateOpened
    | SampleTaken
    | GateOverridden
    | RolloutPlanned
    | UnitFailed
    | FailuresGranted
    | PlaceReached
)
KINDS: dict[str, type[Fact]] = {kind.__name__: kind for kind in get_args(Fact)}
