"""Steps, scopes and whole workflows that are awaited. Loaded only by those who need asyncio."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from itertools import count
from types import TracebackType
from typing import Any, ClassVar, Generic, ParamSpec, Self, TypeVar, cast
from weakref import WeakKeyDictionary

from holdfast.engine import drift
from holdfast.engine.effects import Program
from holdfast.engine.scope import close, enter, recorded_value
from holdfast.engine.spec import Call, Rules
from holdfast.engine.step import step as step_program
from holdfast.engine.trace import Trace
from holdfast.errors import Leaving, StepFailed, UsageError
from holdfast.flow.aside import asked_aside, attempt_of, chosen, usable
from holdfast.flow.decorator import refuse_generator
from holdfast.flow.noting import note_failure, note_left
from holdfast.flow.recorded import read_back, refuse_later
from holdfast.flow.returning import given_value
from holdfast.flow.scopes import Stage, end_program, is_entered_again, scope_key
from holdfast.flow.secret import refuse_secrets
from holdfast.flow.steps import (
    Options,
    Performs,
    StepFunction,
    plain,
    prepare,
    refuse_secret_result,
    tell_of_changed,
)
from holdfast.flow.unawaited import note, refuse_unawaited
from holdfast.flow.workflows import Workflow, succeed
from holdfast.model.called import is_async, is_awaitable
from holdfast.model.codec import decode, encode
from holdfast.model.facts import ScopeKind
from holdfast.model.making import replace
from holdfast.model.types import Types
from holdfast.runtime.aio import AsyncPerformer, drive, land, reopen, until_left
from holdfast.runtime.capture import current_step
from holdfast.runtime.context import FRAME, Frame, outside, outside_steps
from holdfast.runtime.journal import SHUT
from holdfast.runtime.life import Life
from holdfast.runtime.replay import REPLAYING, WALKED, BranchWalked

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class AsyncStepFunction(StepFunction[P, Coroutine[Any, Any, R]], Generic[P, R]):
    """A step that is awaited. Its function may be async, or plain: then it runs in a thread. So
    may its check, and what gives it back."""

    is_awaited: ClassVar[bool] = True

    def __init__(
        self, function: Callable[P, Awaitable[R] | R], rules: Rules, options: Options
    ) -> None:
        if not callable(function):
            raise UsageError(f"step: {function!r:.80} cannot be called; it stands above a function")
        refuse_generator("step: ", function)
        super().__init__(cast(Callable[P, Coroutine[Any, Any, R]], function), rules, options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        frame = FRAME.get()
        if frame is None or frame.step is not None:
            self._refuse_unrecorded(frame)
            made = called(self.body, *args, **kwargs)
        else:
            made = recorded(frame, self, self.arguments(args, kwargs))
        return note(f"step {self.name!r}", cast(Coroutine[Any, Any, R], made))

    def run(
        self, frame: Frame, what: Performs, arguments: Mapping[str, object]
    ) -> Callable[[Call], object]:
        async def awaited(call: Call) -> object:
            return await run_in_step(frame, what, arguments, call)

        return awaited

    def ask(
        self, frame: Frame, check: Callable[..., object], arguments: Mapping[str, object]
    ) -> Callable[[Call], object]:
        function, taken = plain(check), chosen(check, arguments)

        async def awaited(call: Call) -> object:
            with asked_aside(frame, call):
                return usable(frame.life, function, await called(function, **taken))

        return awaited


async def called(function: Callable[..., object], *args: object, **kwargs: object) -> object:
    """Call a function of the script, in a thread unless it is async, and await what it returns
    where that has to be."""
    if is_async(function):
        return await cast(Awaitable[object], function(*args, **kwargs))
    made = await asyncio.to_thread(function, *args, **kwargs)
    return await cast(Awaitable[object], made) if is_awaitable(made) else made


async def recorded(frame: Frame, step: StepFunction[Any, Any], arguments: dict[str, object]) -> Any:
    """Run one call of a step as a checkpoint and return its recorded value."""
    frame = _in_lane(frame)
    call = prepare_async(frame, step, arguments)
    frame.life.under_way.add(call.key)
    try:
        result = await drive(step_program(call), AsyncPerformer(frame.life))
    except StepFailed as failure:
        note_failure(frame, failure)
        raise
    finally:
        frame.life.under_way.discard(call.key)
    seen = frame.life.journal.state.steps.get(call.key)
    if seen is not None and seen.is_by_hand:
        return given_value(frame, step, seen)
    return read_back(frame.life, result, step.types)


def _in_lane(frame: Frame) -> Frame:
    """Return the frame with the task's own lane: 0 in the task that walks the scope."""
    task = asyncio.current_task()
    owner = frame.trace.task
    if owner is None or task is owner:
        return frame
    assert task is not None
    return replace(frame, lane=_LANES.setdefault(task, next(_NUMBERS)))


_LANES: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
_NUMBERS = count(1)


def place(verb: str) -> Frame:
    """Return the calling code's place in an async workflow, with its lane."""
    return _in_lane(outside_steps(verb))


def prepare_async(frame: Frame, step: StepFunction[Any, Any], arguments: dict[str, object]) -> Call:
    """Return the call with a body that is awaited, and an abort that cancels it."""
    if not step.is_awaited:
        step = AsyncStepFunction(step.function, step.rules, step.options)
    call = prepare(frame, step, arguments)
    loop, running = asyncio.get_running_loop(), list[asyncio.Task[Any]]()

    async def body(whole: Call) -> object:
        task = asyncio.current_task()
        assert task is not None
        running.append(task)
        return await run_in_step(frame, step, arguments, whole)

    def abort(key: str) -> None:
        call.abort(key)
        if is_async(step.body):  # A thread cannot be cancelled: it may still be running.
            for task in running:
                loop.call_soon_threadsafe(task.cancel)

    return replace(call, body=body, abort=abort)


async def run_in_step(
    frame: Frame, step: Performs, arguments: Mapping[str, object], call: Call
) -> object:
    """Run a step's body in its own task, where `save` and `sh` find the step they belong to."""
    attempt = attempt_of(frame, call)
    inside = FRAME.set(Frame(frame.life, frame.trace, call, frame.lane))
    logged = current_step.set((call.key, attempt))
    modules = len(sys.modules)
    try:
        if is_async(step.body):
            value = await cast(Awaitable[object], step.perform(arguments))
        else:
            value = await called(step.perform, arguments)
        refuse_unawaited(frame.life, call.key, is_scope=False)
        refuse_secret_result(frame.life, call.key, value)
        refuse_later(value, call.types, modules)
        tell_of_changed(frame.life, call, arguments)
        return value
    finally:
        frame.life.end_of_body(call.key, attempt)
        current_step.reset(logged)
        FRAME.reset(inside)


# --- scopes ---


def async_branch(
    frame: Frame, key: str, call: Callable[[], Any], types: Types
) -> Callable[[], Awaitable[Any]]:
    """Return the call that runs one branch, as a task of its own, and closes its scope."""

    async def run() -> Any:
        return await in_scope(frame, key, "branch", call, types)

    return run


async def in_scope(
    frame: Frame, key: str, kind: ScopeKind, call: Callable[[], Any], types: Types
) -> Any:
    """Return what `call` returns in the scope `key`, or what it returned when it was closed."""
    life = frame.life
    closed, value = await drive(recorded_value(key), AsyncPerformer(life))
    if closed and not is_entered_again(frame):
        return read_back(life, value, types)
    trace = Trace(life.journal.state, key, frame.trace, frame.lane, is_replay=closed)
    inner = Frame(life, trace)
    await drive(enter(inner.trace, kind), AsyncPerformer(life))
    inner.trace.task = asyncio.current_task()
    token, replaying = FRAME.set(inner), REPLAYING.set(closed or REPLAYING.get())
    modules = len(sys.modules)
    try:
        result = call()
        if asyncio.iscoroutine(result):
            result = await result
        refuse_unawaited(life, key)
        refuse_secrets(life, f"what {kind} {key!r} returns", result)
        refuse_later(result, types, modules)
        await drive(close(inner.trace, kind, result, types), AsyncPerformer(life))
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


class AsyncStage(Stage):
    """A stage of an async workflow: `async with stage("name"):`."""

    def place(self) -> Frame:
        return place(f"stage {self.name!r}")

    async def __aenter__(self) -> Self:
        inner = self.open()
        inner.trace.task = asyncio.current_task()
        await drive(enter(inner.trace, "stage"), AsyncPerformer(inner.life))
        self.token = FRAME.set(inner)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        inner = self.leave(error)
        # What gives back is begun where nothing else may.
        perform = AsyncPerformer(inner.life, gives_back=error is not None)
        try:
            await drive(end_program(inner, error), perform)
        except Leaving as leaving:
            if leaving.kind == SHUT:  # Another task undoes a stage, and ends the life.
                await until_left(inner.life)
            raise


class AsyncWorkflow(Workflow[P, Coroutine[Any, Any, R]], Generic[P, R]):
    """An `async def` workflow: it has a loop of its own, and is awaited inside a run."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return note(f"workflow {self.name!r}", self._nested(*args, **kwargs))

    async def _nested(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if FRAME.get() is None:
            raise outside(f"workflow {self.name!r}")
        frame = place(f"workflow {self.name!r}")
        key = scope_key(frame, self.name)
        call = lambda: self.function(*args, **kwargs)  # noqa: E731
        return cast(R, await in_scope(frame, key, "workflow", call, self.types))

    def refuse_here(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise UsageError(
            f"workflow {self.name!r} is async and has an event loop of its own, but one is running "
            "here already, as in a notebook; give it a thread: `await asyncio.to_thread("
            "holdfast.run, workflow)`"
        )

    def walk(self, life: Life, root: Trace, params: Mapping[str, object]) -> object:
        return asyncio.run(self._walk(life, root, params))

    def perform(self, life: Life, program: Program[T]) -> T:
        return asyncio.run(drive(program, AsyncPerformer(life, is_last=True)))

    async def _walk(self, life: Life, root: Trace, params: Mapping[str, object]) -> object:
        reopen(life)
        root.task = asyncio.current_task()
        function: Callable[..., Any] = self.function
        try:
            value = await function(**params)
            refuse_unawaited(life, "")
        finally:
            await land(life)
        life.raise_if_leaving()
        await drive(drift.at_end(root), AsyncPerformer(life, is_last=True))
        refuse_secrets(life, "what the workflow returns", value)
        encoded = encode(value, self.types)
        life.forget_deadline()
        await drive(succeed(encoded), AsyncPerformer(life, is_last=True))
        return decode(encoded, self.types)
