"""The facts of a step: its attempts, how they ended, what it saved, and what people said of it."""

from __future__ import annotations

from datetime import datetime

from holdfast.model.json import Json, Spilled
from holdfast.model.making import dataclass, made_often
from holdfast.model.parties import Who
from holdfast.model.shell_facts import Commands
from holdfast.model.undo_facts import Owed


@made_often
@dataclass(frozen=True, slots=True)
class StepStarted:
    """An attempt is about to run; whether it took effect is unknown until an outcome follows.

    `name` is what all calls of the step are called, where their outcome counts for trust; with
    `earns` a clean one counts, too.
    `undoes` says that it has an undo. `owes` is what it borrows, from this moment on; `settles`
    are the steps whose debts its success settles. `is_batch` says that it is made of items,
    `asks_when_interrupted` of an undo that nobody promised it may run twice. `commands` are what a
    step of a shell script runs.
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
    undoes: bool = False
    owes: Owed | None = None
    settles: tuple[str, ...] = ()
    asks_when_interrupted: bool = False
    is_batch: bool = False
    commands: Commands | None = None


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
    """A step began that is not repeated unasked, one with `once` or an undo, and no outcome is
    known: it holds until somebody decides."""

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
