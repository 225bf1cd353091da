"""The verbs of `holdfast` for `async def` workflows: the same names and arguments, awaited.

Apart, so that a plain script never imports asyncio. One engine: each verb here drives the very
program that its blocking namesake drives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ParamSpec, TypeVar, cast

from holdfast.engine import drift, waiting
from holdfast.engine.effects import Program
from holdfast.engine.question import Question, question
from holdfast.engine.scope import close, enter, recorded_value, side_by_side
from holdfast.engine.spec import Call
from holdfast.engine.step import step as step_program
from holdfast.engine.trace import Trace
from holdfast.errors import StepFailed
from holdfast.flow import verbs
from holdfast.flow.inside import attempt, here, progress, save, saved, secret, token
from holdfast.flow.running import succeed
from holdfast.flow.scopes import (
    branches_of,
    flight,
    joined,
    limit_of,
    postflight,
    preflight,
    scope_key,
    stage,
)
from holdfast.flow.steps import (
    Duration,
    StepFunction,
    attempt_of,
    note_failure,
    prepare,
    value_of,
)
from holdfast.flow.steps import step as blocking_step
from holdfast.flow.verbs import Answered
from holdfast.flow.workflows import Workflow, workflow
from holdfast.model.codec import decode, encode
from holdfast.model.facts import ScopeKind
from holdfast.model.types import NO_TYPES, Types
from holdfast.runtime.aio import AsyncPerformer, drive
from holdfast.runtime.capture import current_step
from holdfast.runtime.context import FRAME, Frame, in_workflow
from holdfast.runtime.life import Life

__all__ = [
    "ask", "attempt", "confirm", "do", "flight", "here", "parallel", "postflight", "preflight",
    "progress", "require", "save", "saved", "secret", "sh", "sleep", "sleep_until", "stage",
    "step", "token", "wait_for", "workflow",
]  # fmt: skip

P = ParamSpec("P")
R = TypeVar("R")


class AsyncStepFunction(StepFunction[P, Any]):
    """A step that is awaited. Its function may be async, or plain: then it runs in a thread."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        frame = FRAME.get()
        if frame is None or frame.step is not None:
            self._refuse_unrecorded(frame)
            return self._body(*args, **kwargs)
        return recorded(frame, self, self.arguments(args, kwargs))


def step(label: Any = None, **options: Any) -> Any:
    """Make a function, async or plain, a step that is awaited; see `holdfast.step`."""
    if callable(label):
        return _awaited(blocking_step(label))
    decorate = blocking_step(label, **options)
    return lambda function: _awaited(decorate(function))


def _awaited(found: StepFunction[..., Any]) -> AsyncStepFunction[...]:
    return AsyncStepFunction(found.function, found.rules, found.options)


async def recorded(frame: Frame, step: StepFunction[Any, Any], arguments: dict[str, object]) -> Any:
    """Run one call of a step as a checkpoint and return its recorded value."""
    frame = _in_lane(frame)
    call = prepare_async(frame, step, arguments)
    try:
        result = await drive(step_program(call), AsyncPerformer(frame.life))
    except StepFailed as failure:
        note_failure(frame, failure)
        raise
    return value_of(frame.life.journal.load(result), step.types)


def _in_lane(frame: Frame) -> Frame:
    """Return the frame with the task's own lane: 0 in the task that walks the scope."""
    task = asyncio.current_task()
    owner = frame.trace.task
    if owner is None or task is owner:
        return frame
    return replace(frame, lane=id(task))


def prepare_async(frame: Frame, step: StepFunction[Any, Any], arguments: dict[str, object]) -> Call:
    """Return the call with a body that is awaited, and an abort that cancels it."""
    call = prepare(frame, step, arguments)
    loop, running = asyncio.get_running_loop(), list[asyncio.Task[Any]]()

    async def body() -> object:
        task = asyncio.current_task()
        assert task is not None
        running.append(task)
        return await run_in_step(frame, whole, step.bind(arguments))

    def abort() -> None:
        call.abort()
        for task in running:
            loop.call_soon_threadsafe(task.cancel)

    whole = replace(call, body=body, abort=abort)
    return whole


async def run_in_step(frame: Frame, call: Call, body: Callable[[], object]) -> object:
    """Run a step's body in its own task, where `save` and `sh` find the step they belong to."""
    attempt = attempt_of(frame, call)
    inside = FRAME.set(Frame(frame.life, frame.trace, call, frame.lane))
    logged = current_step.set((call.key, attempt))
    try:
        function = getattr(body, "func", body)
        if asyncio.iscoroutinefunction(function):
            return await cast(Callable[[], Awaitable[object]], body)()
        return await asyncio.to_thread(body)
    finally:
        frame.life.end_of_body(call.key, attempt)
        current_step.reset(logged)
        FRAME.reset(inside)


# --- verbs that are steps of their own ---


async def do(label: str, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Run any callable as a step under `label`; see `holdfast.do`."""
    frame = in_workflow(f"do({label!r})")
    step = verbs.adhoc(fn, **options)
    return await recorded(frame, verbs.named(step, label), verbs.positional(step, args))


async def require(
    label: str, fn: Callable[..., object], *args: Any, fresh: Duration | None = None
) -> Any:
    """Fail the run unless `fn(*args)` is truthy; see `holdfast.require`."""
    frame = in_workflow(f"require({label!r})")
    step = verbs.adhoc(verbs.required(label, fn), reads=True, fresh=fresh)
    return await recorded(frame, verbs.named(step, label), verbs.positional(step, args))


async def wait_for(
    label: str,
    fn: Callable[..., Any],
    *args: Any,
    every: Duration = "30s",
    timeout: Duration | None = None,
) -> Any:
    """Return the first truthy value of `fn(*args)`; see `holdfast.wait_for`."""
    frame = in_workflow(f"wait_for({label!r})")
    step = verbs.adhoc(fn, reads=True)
    call = prepare_async(frame, verbs.named(step, label), verbs.positional(step, args))
    every_s, timeout_s = verbs.interval(every, timeout)
    found = await drive(waiting.wait_for(call, every_s, timeout_s), AsyncPerformer(frame.life))
    return value_of(frame.life.journal.load(found), step.types)


async def sleep(duration: Duration) -> None:
    """Wait for `duration`, durably; see `holdfast.sleep`."""
    frame = in_workflow("sleep")
    await drive(verbs.sleep_program(frame, duration), AsyncPerformer(frame.life))


async def sleep_until(moment: datetime) -> None:
    """Wait until `moment`; see `holdfast.sleep_until`."""
    frame = in_workflow("sleep_until")
    await drive(verbs.sleep_until_program(frame, moment), AsyncPerformer(frame.life))


async def confirm(text: str) -> Answered:
    """Hold until a person says yes; see `holdfast.confirm`."""
    frame = in_workflow("confirm")
    return verbs.answered(await _asked(frame, verbs.confirm_program(frame, text), NO_TYPES))


async def ask(
    text: str,
    type: type[R] = str,  # type: ignore[assignment]
    *,
    choices: list[R] | None = None,
    default: R | None = None,
) -> R:
    """Ask a person for a value; see `holdfast.ask`."""
    frame = in_workflow("ask")
    asked = Question(text, "question", type, None if choices is None else tuple(choices), default)
    program = question(verbs.plain_call(frame, f"ask {text}"), asked)
    return cast(R, await _asked(frame, program, Types.of(type)))


async def _asked(frame: Frame, program: Program[Any], types: Types) -> Any:
    found = await drive(program, AsyncPerformer(frame.life))
    return value_of(frame.life.journal.load(found), types)


async def sh(*argv: Any, **options: Any) -> Any:
    """Run a program and return its output; see `holdfast.sh`."""
    from holdfast.flow.inside import sh as blocking_sh

    return await asyncio.to_thread(blocking_sh, *argv, **options)


# --- scopes ---


async def parallel(*calls: Any, at_once: int | None = None) -> list[Any]:
    """Await the calls side by side and return their results in order; see `holdfast.parallel`."""
    frame = in_workflow("parallel")
    branches = branches_of(frame, calls, _branch)
    program = side_by_side(branches, limit_of(at_once, branches))
    return joined(frame, branches, await drive(program, AsyncPerformer(frame.life)))


def _branch(frame: Frame, key: str, call: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    async def run() -> Any:
        return await in_scope(frame, key, "branch", call, Types.of(call))

    return run


async def in_scope(
    frame: Frame, key: str, kind: ScopeKind, call: Callable[[], Any], types: Types
) -> Any:
    """Return what `call` returns in the scope `key`, or what it returned when it was closed."""
    life = frame.life
    closed, value = await drive(recorded_value(key), AsyncPerformer(life))
    if closed:
        return value_of(life.journal.load(value), types)
    await drive(enter(key, kind), AsyncPerformer(life))
    inner = Frame(life, Trace(life.journal.state, key, frame.trace))
    inner.trace.task = asyncio.current_task()
    token = FRAME.set(inner)
    try:
        result = call()
        if asyncio.iscoroutine(result):
            result = await result
        await drive(close(inner.trace, kind, result), AsyncPerformer(life))
    finally:
        FRAME.reset(token)
    return decode(encode(result), types)


async def nested(
    workflow: Workflow[..., Any], frame: Frame, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """Run a workflow inside a run, as a scope of its own."""
    key = scope_key(frame, workflow.name)
    call = lambda: workflow.function(*args, **kwargs)  # noqa: E731
    return await in_scope(frame, key, "workflow", call, workflow.types)


def walk(
    workflow: Workflow[..., Any], params: Mapping[str, object], life: Life, root: Trace
) -> object:
    """Run an async workflow on a loop of its own, to its recorded end, and return its value."""
    return asyncio.run(_walk(workflow, params, life, root))


async def _walk(
    workflow: Workflow[..., Any], params: Mapping[str, object], life: Life, root: Trace
) -> object:
    root.task = asyncio.current_task()
    value = await workflow.bound(params)()
    life.raise_if_leaving()
    await drive(drift.at_end(root), AsyncPerformer(life))
    encoded = encode(value)
    await drive(succeed(encoded), AsyncPerformer(life))
    return decode(encoded, workflow.types)
