"""What the engine is told about a step: its rules, and one call of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum

from holdfast.engine.trace import Trace
from holdfast.model.making import dataclass, field, made_often
from holdfast.model.retry import Retry
from holdfast.model.shell_facts import Commands
from holdfast.model.state import RunState
from holdfast.model.trials import Trial
from holdfast.model.types import NO_TYPES, Types
from holdfast.model.undo_facts import Owed


class Check(Enum):
    """What a step's `check` says of the world: is it already so?"""

    DONE = "done"
    ABSENT = "absent"
    PARTIAL = "partial"
    UNKNOWN = "unknown"

    @staticmethod
    def done(result: object = None) -> FoundDone:
        """Say that it is so, and what the step would have returned."""
        return FoundDone(result)


@dataclass(frozen=True, slots=True)
class FoundDone:
    """A check's DONE with the result the step would have returned."""

    result: object = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every call of one step. Durations are in seconds.

    `asks_when_interrupted` says that it may fail and be retried like any other, but that an
    attempt which a death cut short is not repeated unasked.
    """

    retry: Retry = field(default_factory=lambda: Retry(attempts=1))
    timeout_s: float | None = None
    once: bool = False
    confirm: bool = False
    reads: bool = False
    fresh_s: float | None = None
    version: str = ""
    has_check: bool = False
    owes: bool = False
    undoes: bool = False
    asks_when_interrupted: bool = False

    @property
    def leaves_doubt(self) -> bool:
        """Whether an attempt without a known end is in doubt, and not simply made again."""
        return self.once or self.asks_when_interrupted

    @property
    def hardens_start(self) -> bool:
        """Whether the intent must survive power loss before the body runs (DESIGN 4)."""
        return self.once or self.has_check or self.owes or self.undoes


@made_often
@dataclass(frozen=True, slots=True)
class Ahead:
    """One step that the plan made at the beginning of this life says will be asked about."""

    key: str
    shown: str
    code: str


def nothing_ahead(scope: str) -> tuple[Ahead, ...]:
    """Return what is known of a scope's steps where no plan was made."""
    return ()


def no_trials(limit: int) -> Sequence[Trial]:
    """Return what is known of a step of which nothing is."""
    return ()


@made_often
@dataclass(frozen=True, slots=True)
class Call:
    """One call of a step, ready to be decided.

    `body` runs the user's function in the step's context; `check` asks its check, or is None.
    Both are given the call, instead of holding it: a call that is not part of a cycle is gone
    when it has ended, and a run of many steps leaves the collector nothing to look for.
    `abort` kills the programs of the step with this key. `inputs` is the fingerprint of the
    arguments and `shown` what a person sees of them. `code` is evidence, never identity. `lane`
    is not 0 in a task beside the one that walks the scope; `redact` covers secrets in an error;
    `edited` hears that the code of a finished step is not what was run; `ahead` tells which
    steps of a scope the plan knows. `name` is what all calls of the step are called, `trials`
    reads what became of the newest so many of them, in every run, newest first. `owes` is what
    the step borrows; `settles` tells whose debts its success settles, None where nothing is owed;
    `gives_back` is the step that this one undoes. `fits` tells, behind a window, when the step
    may begin from a moment on: not when it would still run when the window closes. `commands` are
    what a step of a shell script runs.
    """

    key: str
    label: str
    rules: Rules
    body: Callable[[Call], object]
    trace: Trace
    inputs: str = ""
    shown: str = ""
    code: str = ""
    was: str = ""
    location: str = ""
    check: Callable[[Call], object] | None = None
    abort: Callable[[str], object] = str
    undo_shown: str = ""
    lane: int = 0
    redact: Callable[[str], str] = str
    edited: Callable[[str], object] = str
    types: Types = NO_TYPES
    ahead: Callable[[str], tuple[Ahead, ...]] = nothing_ahead
    name: str = ""
    trials: Callable[[int], Sequence[Trial]] = no_trials
    owes: Owed | None = None
    settles: Callable[[RunState], tuple[str, ...]] | None = None
    gives_back: str = ""
    fits: Callable[[RunState, datetime], datetime] | None = None
    commands: Commands | None = None
