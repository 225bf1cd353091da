"""Scopes in a script: stages, parallel branches, nested workflows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextvars import Token
from types import TracebackType
from typing import Any, Literal, Self, get_args

from holdfast.engine.effects import Program, Raised
from holdfast.engine.giving_back import undo_stage
from holdfast.engine.scope import Branch, close, enter, recorded_value, side_by_side
from holdfast.engine.trace import Contract, Trace
from holdfast.errors import (
    DuplicateLabel,
    HoldfastError,
    Leaving,
    ParallelFailed,
    UsageError,
    error_text,
    message_of,
)
from holdfast.flow.giving_back import ways_of
from holdfast.flow.noting import note_failure, note_left, note_reached
from holdfast.flow.recorded import read_back, refuse_later
from holdfast.flow.secret import refuse_secret_name, refuse_secrets
from holdfast.model.codec import decode, encode
from holdfast.model.facts import ScopeKind
from holdfast.model.keys import check_label, join
from holdfast.model.types import Types
from holdfast.runtime.context import FRAME, Frame, in_workflow
from holdfast.runtime.driving import drive
from holdfast.runtime.life import UNDO_FAILED, UNDONE, Life
from holdfast.runtime.replay import REPLAYING, WALKED, BranchWalked, walk_over

OnFailure = Literal["stop", "undo"]
BRANCHES_MAX = 1_000
_GENERATORS = 0x20 | 0x80 | 0x200
"""co_flags of generators, coroutines and async generators."""
_COROUTINE = 0x80


class Stage:
    """A named part of a workflow in which labels are unique. Use it as `with stage("name"):`."""

    def __init__(
        self, name: str, on_failure: OnFailure, depth: int = 2, *, restores: bool = False
    ) -> None:
        if on_failure not in get_args(OnFailure):
            raise UsageError(f"stage {name!r}: on_failure={on_failure!r}: choose stop or undo")
        self.name, self.on_failure = name, on_failure
        self.contract: Contract = "undo" if on_failure == "undo" else "restore" if restores else ""
        flags = sys._getframe(depth).f_code.co_flags
        if flags & _GENERATORS & ~_COROUTINE:
            raise UsageError(
                f"stage {name!r} stands in a generator, which can be left and taken up out of "
                "order; use it in a plain function"
            )
        self._outer: Frame | None = None
        self._inner: Frame | None = None
        self.token: Token[Frame | None] | None = None

    def open(self) -> Frame:
        """Return the stage's place in the run, entered. No step of it has begun."""
        outer = self.place()
        key = scope_key(outer, self.name)
        self._outer = outer
        state = outer.life.journal.state
        trace = Trace(state, key, outer.trace, outer.lane, contract=self.contract)
        self._inner = Frame(outer.life, trace)
        return self._inner

    def place(self) -> Frame:
        """Return where the stage stands."""
        return in_workflow(f"stage {self.name!r}")

    def __enter__(self) -> Self:
        inner = self.open()
        drive(enter(inner.trace, "stage"), inner.life.performer())
        self.token = FRAME.set(inner)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        inner = self.leave(error)
        drive(end_program(inner, error), inner.life.performer())

    def leave(self, error: BaseException | None) -> Frame:
        """Step out of the stage; a failure has now reached the scope around it."""
        assert self._inner is not None and self._outer is not None and self.token is not None
        FRAME.reset(self.token)
        if error is not None and not isinstance(error, Leaving):
            note_left(self._inner, self._outer)
            note_failure(self._outer, error)
        return self._inner


def end_program(inner: Frame, error: BaseException | None) -> Program[None]:
    """Return the program that ends a stage: its end is recorded where its block ended well. One
    that undoes itself is undone for any failure, also that of its end; then Leaving is raised."""
    failure = error
    if failure is None:
        try:
            yield from close(inner.trace, "stage")
            return
        except Exception as refused:
            if not is_to_be_undone(inner, refused):
                raise
            failure = refused
    if is_to_be_undone(inner, failure):
        try:
            yield from undo_program(inner, failure)
        except Exception as undoing:
            raise left_undone(inner.life, failure, undoing) from undoing
        raise left_undone(inner.life, failure) from failure


# --- a stage that failed ---


def is_to_be_undone(inner: Frame, error: BaseException) -> bool:
    """Whether an error that leaves a stage makes it undo itself: any failure, and no leaving."""
    life = inner.life
    return (
        isinstance(error, Exception | SystemExit)
        and life.undoes
        and not life.replays_here()
        and life.leaving is None
        and bool(inner.trace.undone_with())
    )


def undo_program(inner: Frame, failure: BaseException) -> Program[None]:
    """Return the program that undoes the stage, with the one around it when that does so too.
    Branches and tasks within it begin nothing more. Raises Leaving when one of them did this."""
    life, scope = inner.life, inner.trace.undone_with()
    life.journal.shut(scope)
    why = life.redactor(error_text(type(failure).__name__, message_of(failure)))
    return undo_stage(scope, ways_of(life), why, life.under_way)


def left_undone(life: Life, failure: BaseException, undoing: Exception | None = None) -> Leaving:
    """Return what takes the run out of the script: it has failed, and nothing more may start.

    `undoing` is what went wrong with an undo, if something did.
    """
    life.failure = undoing or failure
    code = failure.exit_code if isinstance(failure, HoldfastError) else 1
    if undoing is None:
        return life.leave(life.redactor(message_of(failure)), code, UNDONE)
    return life.leave(life.redactor(message_of(undoing)), code, UNDO_FAILED)


def stage(name: str, *, on_failure: OnFailure = "stop") -> Stage:
    """Return a stage: a scope whose end is recorded when its block ends well.

    A `return` inside completes it; an exception leaves it open, to be gone on with. With
    `on_failure="undo"` a failure undoes what the stage did, in reverse order, settles its debts
    and ends the run `failed` with nothing committed: it runs again whole when it is resumed. One
    that has ended well is past that: a failure in its block in a later life undoes nothing.
    Raises UsageError in a generator, and outside a run.
    """
    return Stage(name, on_failure)


def preflight() -> Stage:
    """Return the stage for what comes before anything is committed: a failure undoes it."""
    return Stage("pre-flight", "undo")


def flight() -> Stage:
    """Return the stage that commits: a failure stops the run, which stays resumable."""
    return Stage("flight", "stop")


def postflight() -> Stage:
    """Return the stage that restores what the run changed for its own sake."""
    return Stage("post-flight", "stop", restores=True)


def scope_key(frame: Frame, label: str) -> str:
    """Return the key of the scope that `label` begins here, noting that it was reached. Raises
    UsageError for what is no label."""
    check_label(label)
    refuse_secret_name(frame.life, label)
    key = join(frame.trace.scope, label, frame.trace.number(label))
    note_reached(frame, key)
    frame.trace.reach(key)
    return key


# --- parallel branches ---


def parallel(*calls: Any, at_once: int | None = None) -> list[Any]:
    """Run the calls side by side and return their results in order.

    A call is a callable, or `(label, callable, *args)`; each is a scope of its own, closed when
    it returns: a finished branch is not entered again. Every branch runs to its end; then
    ParallelFailed is raised when some failed. Raises DuplicateLabel before anything starts.
    """
    frame = in_workflow("parallel")
    branches = branches_of(frame, calls, run_branch)
    outcomes = drive(side_by_side(branches, limit_of(at_once, branches)), frame.life.performer())
    return joined(frame, branches, outcomes)


def branches_of(
    frame: Frame,
    calls: Sequence[Any],
    runner: Callable[[Frame, str, Callable[[], Any], Types], Callable[[], Any]],
) -> list[Branch]:
    """Return the branches that `calls` describe; `runner` makes the call that runs one."""
    if len(calls) > BRANCHES_MAX:
        raise UsageError(f"parallel takes at most {BRANCHES_MAX} branches; use holdfast.each")
    named = [_named(call) for call in calls]
    seen: set[str] = set()
    for label, _, _ in named:
        if label in seen:
            raise DuplicateLabel(label, frame.trace.scope)
        seen.add(label)
    keys = [scope_key(frame, label) for label, _, _ in named]
    return [
        Branch(label, key, runner(frame, key, call, types))
        for key, (label, call, types) in zip(keys, named, strict=True)
    ]


def _named(call: Any) -> tuple[str, Callable[[], Any], Types]:
    if isinstance(call, tuple) and len(call) >= 2 and isinstance(call[0], str):
        label, function, *args = call
        if not callable(function):
            raise UsageError(f"parallel: {function!r}, given for {label!r}, cannot be called")
        return label, lambda: function(*args), Types.of_result(function)
    name = getattr(call, "__name__", "")
    if not callable(call) or not name or name == "<lambda>":
        raise UsageError(
            f"parallel takes functions, or (label, function, *args); {call!r} has no name of its "
            "own"
        )
    return name, call, Types.of_result(call)


def limit_of(at_once: int | None, branches: Sequence[Branch]) -> int:
    """Return how many branches run at once: all of them, unless said. Raises UsageError."""
    if at_once is not None and at_once < 1:
        raise UsageError(f"at_once={at_once}: at least one branch must run")
    return at_once or max(1, len(branches))


def run_branch(frame: Frame, key: str, call: Callable[[], Any], types: Types) -> Callable[[], Any]:
    """Return the call that runs one branch, in a thread of its own, and closes its scope."""
    return lambda: in_scope(frame, key, "branch", call, types)


def in_scope(frame: Frame, key: str, kind: ScopeKind, call: Callable[[], Any], types: Types) -> Any:
    """Return what `call` returns in the scope `key`, or what it returned when it was closed."""
    life = frame.life
    closed, value = drive(recorded_value(key), life.performer())
    if closed and not is_entered_again(frame):
        return read_back(life, value, types)
    inner = Frame(life, Trace(life.journal.state, key, frame.trace, is_replay=closed))
    drive(enter(inner.trace, kind), life.performer())
    token, replaying = FRAME.set(inner), REPLAYING.set(closed or REPLAYING.get())
    modules = len(sys.modules)
    try:
        result = call()
        refuse_secrets(life, f"what {kind} {key!r} returns", result)
        refuse_later(result, types, modules)
        life.journal.refuse_shut(key)
        drive(close(inner.trace, kind, result, types), life.performer())
    except Leaving as end:
        if end.kind != WALKED or not (closed or kind in ("branch", "unit")):
            raise
        if not closed:
            raise BranchWalked from end
    except Exception as error:
        if closed:
            return read_back(life, value, types)
        if kind == "workflow":
            note_left(inner, frame)
            note_failure(frame, error)
        raise
    finally:
        FRAME.reset(token)
        REPLAYING.reset(replaying)
    if closed:
        return read_back(life, value, types)
    return decode(encode(result), types)


def is_entered_again(frame: Frame) -> bool:
    """Whether a closed scope is walked through all the same: to learn how its steps are undone."""
    return frame.trace.is_replay or bool(frame.trace.undone_with())


def joined(frame: Frame, branches: Sequence[Branch], outcomes: Any) -> list[Any]:
    """Return the branches' values in order, or raise what became of those that failed."""
    failures = [
        (branch.label, outcome.error)
        for branch in branches
        if isinstance(outcome := outcomes[branch.label], Raised)
    ]
    if any(isinstance(error, BranchWalked) for _, error in failures):
        raise walk_over()
    if failures:
        failed = ParallelFailed(failures)
        note_failure(frame, failed)
        raise failed from failures[0][1]
    return [outcomes[branch.label].value for branch in branches]
