"""The verbs of `holdfast` for `async def` workflows: the same names and arguments, awaited.

Apart, so that a plain script never imports asyncio. One engine: each verb here drives the very
program that its blocking namesake drives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, overload

from holdfast.engine import waiting
from holdfast.engine.batch import batch
from holdfast.engine.effects import Program
from holdfast.engine.scope import side_by_side
from holdfast.engine.spec import Rules
from holdfast.errors import StepFailed
from holdfast.flow import questions, verbs
from holdfast.flow.awaited import (
    AsyncStage,
    AsyncStepFunction,
    AsyncWorkflow,
    async_branch,
    place,
    prepare_async,
    recorded,
)
from holdfast.flow.batches import Batch, batch_call, batch_of, batch_rules
from holdfast.flow.decorator import make_rules
from holdfast.flow.gates_awaited import gate, measure
from holdfast.flow.inside import attempt, here, progress, save, saved, secret, token
from holdfast.flow.inside import sh as blocking_sh
from holdfast.flow.noting import note_failure
from holdfast.flow.point import point_program
from holdfast.flow.questions import Answered, Asking
from holdfast.flow.recorded import read_back
from holdfast.flow.rollouts_awaited import rollout
from holdfast.flow.scopes import OnFailure, branches_of, joined, limit_of
from holdfast.flow.steps import Duration, Options, refuse_promises
from holdfast.flow.unawaited import noted
from holdfast.model.budget import Budget
from holdfast.model.hold_facts import OnExpiry
from holdfast.model.rate import Rate
from holdfast.model.retry import Retry
from holdfast.model.terms import Ask, Mode
from holdfast.model.types import NO_TYPES, Types
from holdfast.ports.outputs import OutputFile
from holdfast.runtime.aio import AsyncPerformer, drive
from holdfast.runtime.batches.rules import Order
from holdfast.runtime.context import Frame
from holdfast.runtime.processes import Done

__all__ = [
    "ask", "attempt", "confirm", "do", "each", "flight", "gate", "here", "measure", "no_return",
    "parallel", "postflight", "preflight", "progress", "require", "rollout", "save", "saved",
    "secret", "sh", "sleep", "sleep_until", "stage", "step", "token", "wait_for", "window",
    "workflow",
]  # fmt: skip

P = ParamSpec("P")
R = TypeVar("R")


class StepDecorator(Protocol):
    """What `step(…)` returns: it makes a function, async or plain, a step that is awaited."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[R]]) -> AsyncStepFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> AsyncStepFunction[P, R]: ...


@overload
def step(label: Callable[P, Awaitable[R]]) -> AsyncStepFunction[P, R]: ...
@overload
def step(label: Callable[P, R]) -> AsyncStepFunction[P, R]: ...
@overload
def step(
    label: str | None = None,
    *,
    retry: Retry | int | None = None,
    timeout: Duration | None = None,
    once: bool = False,
    check: Callable[..., object] | None = None,
    undo: Callable[..., object] | None = None,
    owes: Callable[..., object] | None = None,
    confirm: bool = False,
    reads: bool = False,
    fresh: Duration | None = None,
    was: str | None = None,
    version: str | int | None = None,
) -> StepDecorator: ...
def step(label: Any = None, **options: Any) -> Any:
    """Make a function, async or plain, a step that is awaited; see `holdfast.step`."""
    if callable(label):
        return AsyncStepFunction(label, Rules(), Options())
    rules, kept = make_rules(label, **options)
    return lambda function: AsyncStepFunction(function, rules, kept)


@overload
def workflow(fn: Callable[P, Awaitable[R]]) -> AsyncWorkflow[P, R]: ...
@overload
def workflow(
    fn: None = None,
    *,
    name: str | None = None,
    mode: Mode | None = None,
    ask: Ask = "step",
    target: str | None = None,
) -> Callable[[Callable[P, Awaitable[R]]], AsyncWorkflow[P, R]]: ...
def workflow(
    fn: Any = None,
    *,
    name: str | None = None,
    mode: Any = None,
    ask: Any = "step",
    target: str | None = None,
) -> Any:
    """Make an `async def` a workflow; see `holdfast.workflow`."""
    if fn is not None:
        return AsyncWorkflow(fn)
    return lambda function: AsyncWorkflow(function, name, mode, target, ask)


def stage(name: str, *, on_failure: OnFailure = "stop") -> AsyncStage:
    """Return a stage, for `async with`; see `holdfast.stage`."""
    return AsyncStage(name, on_failure)


def preflight() -> AsyncStage:
    """Return the stage for what comes before anything is committed; see `holdfast.preflight`."""
    return AsyncStage("pre-flight", "undo")


def flight() -> AsyncStage:
    """Return the stage that commits; see `holdfast.flight`."""
    return AsyncStage("flight", "stop")


def postflight() -> AsyncStage:
    """Return the stage that restores; see `holdfast.postflight`."""
    return AsyncStage("post-flight", "stop", restores=True)


# --- verbs that are steps of their own ---


@overload
async def do(label: str, fn: Callable[..., Awaitable[R]], *args: Any, **options: Any) -> R: ...
@overload
async def do(label: str, fn: Callable[..., R], *args: Any, **options: Any) -> R: ...
@noted
async def do(label: str, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Run any callable as a step under `label`; see `holdfast.do`."""
    frame = place(f"do({label!r})")
    step = verbs.as_step(fn, **options)
    return await recorded(frame, verbs.named(step, label), verbs.positional(step, args))


@overload
async def require(
    label: str, fn: Callable[..., Awaitable[R]], *args: Any, fresh: Duration | None = None
) -> R: ...
@overload
async def require(
    label: str, fn: Callable[..., R], *args: Any, fresh: Duration | None = None
) -> R: ...
@noted
async def require(
    label: str, fn: Callable[..., Any], *args: Any, fresh: Duration | None = None
) -> Any:
    """Fail the run unless `fn(*args)` is truthy; see `holdfast.require`."""
    frame = place(f"require({label!r})")
    refuse_promises("require", fn)
    step = verbs.adhoc(verbs.required(label, fn), reads=True, fresh=fresh)
    return await recorded(frame, verbs.named(step, label), verbs.positional(step, args))


@overload
async def wait_for(
    label: str,
    fn: Callable[..., Awaitable[R | None]],
    *args: Any,
    every: Duration = "30s",
    timeout: Duration | None = None,
) -> R: ...
@overload
async def wait_for(
    label: str,
    fn: Callable[..., R | None],
    *args: Any,
    every: Duration = "30s",
    timeout: Duration | None = None,
) -> R: ...
@noted
async def wait_for(
    label: str,
    fn: Callable[..., Any],
    *args: Any,
    every: Duration = "30s",
    timeout: Duration | None = None,
) -> Any:
    """Return the first truthy value of `fn(*args)`; see `holdfast.wait_for`."""
    frame = place(f"wait_for({label!r})")
    refuse_promises("wait_for", fn)
    step = verbs.adhoc(fn, reads=True)
    call = prepare_async(frame, verbs.named(step, label), verbs.positional(step, args))
    every_s, timeout_s = verbs.interval(every, timeout)
    found = await drive(waiting.wait_for(call, every_s, timeout_s), AsyncPerformer(frame.life))
    return read_back(frame.life, found, step.types)


@noted
async def sleep(duration: Duration) -> None:
    """Wait for `duration`, durably; see `holdfast.sleep`."""
    frame = place("sleep")
    await drive(verbs.sleep_program(frame, duration), AsyncPerformer(frame.life))


@noted
async def sleep_until(moment: datetime) -> None:
    """Wait until `moment`; see `holdfast.sleep_until`."""
    frame = place("sleep_until")
    await drive(verbs.sleep_until_program(frame, moment), AsyncPerformer(frame.life))


@noted
async def no_return(reason: str) -> None:
    """Say that from here on the run cannot be rolled back; see `holdfast.no_return`."""
    frame = place("no_return")
    await drive(point_program(frame, reason), AsyncPerformer(frame.life))


@noted
async def window(spec: str) -> None:
    """Wait until it is inside a window; see `holdfast.window`."""
    frame = place("window")
    await drive(verbs.window_program(frame, spec), AsyncPerformer(frame.life))
    frame.trace.window = spec


@noted
async def confirm(
    text: str,
    *,
    approvers: Sequence[str] | None = None,
    quorum: int = 1,
    expires: Duration | None = None,
    on_expiry: OnExpiry = "ask",
) -> Answered:
    """Hold until a person says yes; see `holdfast.confirm`."""
    frame = place("confirm")
    asking = Asking.of(approvers, quorum, expires, on_expiry)
    program = questions.confirm_program(frame, text, asking)
    return questions.answered(await _asked(frame, program, NO_TYPES))


@overload
async def ask(
    text: str, *, choices: list[str] | None = None, default: str | None = None
) -> str: ...
@overload
async def ask(
    text: str, type: type[R], *, choices: list[R] | None = None, default: R | None = None
) -> R: ...
@overload
async def ask(
    text: str, type: object = str, *, choices: list[Any] | None = None, default: Any = None
) -> Any: ...
@noted
async def ask(
    text: str, type: Any = str, *, choices: list[Any] | None = None, default: Any = None
) -> Any:
    """Ask a person for a value; see `holdfast.ask`."""
    frame = place("ask")
    program = questions.ask_program(frame, text, type, choices, default)
    return await _asked(frame, program, Types.of(type))


async def _asked(frame: Frame, program: Program[Any], types: Types) -> Any:
    found = await drive(program, AsyncPerformer(frame.life))
    return read_back(frame.life, found, types)


@noted
async def sh(
    *argv: str | Path | int | float,
    input: str | bytes | None = None,
    env: Mapping[str, str | None] | None = None,
    cwd: str | Path | None = None,
    check: bool = True,
) -> Done:
    """Run a program and return its output; see `holdfast.sh`."""
    return await asyncio.to_thread(blocking_sh, *argv, input=input, env=env, cwd=cwd, check=check)


@noted
async def each(
    items: Iterable[Any],
    fn: Callable[[Any], Any],
    *,
    name: str | None = None,
    key: Callable[[Any], str | int] | Literal["position"] | None = None,
    fingerprint: Callable[[Any], Any] | None = None,
    at_once: int | None = None,
    executor: Executor | Callable[[], Executor] | None = None,
    chunk: int = 1,
    retry: Retry | int | None = None,
    timeout: Duration | None = None,
    order: Order = "any",
    budget: Budget | int | str | None = None,
    rate: Rate | str | None = None,
    ledger: str | None = None,
    out: OutputFile | None = None,
    keep: bool = False,
    time_budget: Duration | None = None,
    stop_after: int | None = None,
    once: bool = False,
    sync: Literal["item"] | None = None,
) -> Batch:
    """Run `fn(item)`, async or plain, for every item; see `holdfast.each`. An async function runs
    on this loop, at most `at_once` items at a time."""
    frame = place("each")
    rules = batch_rules(
        fn, key=key, fingerprint=fingerprint, at_once=at_once, executor=executor, chunk=chunk,
        retry=retry, timeout=timeout, order=order, budget=budget, rate=rate, ledger=ledger,
        out=out, keep=keep, time_budget=time_budget, stop_after=stop_after, once=once, sync=sync,
    )  # fmt: skip
    call = batch_call(frame, fn, name, rules, items, asyncio.get_running_loop())
    frame.life.under_way.add(call.key)
    try:
        recorded = await drive(batch(call), AsyncPerformer(frame.life))
    except StepFailed as failure:
        note_failure(frame, failure)
        raise
    finally:
        frame.life.under_way.discard(call.key)
    return batch_of(frame, call, recorded, rules.types)


@noted
async def parallel(*calls: Any, at_once: int | None = None) -> list[Any]:
    """Await the calls side by side and return their results in order; see `holdfast.parallel`."""
    frame = place("parallel")
    branches = branches_of(frame, calls, async_branch)
    program = side_by_side(branches, limit_of(at_once, branches))
    return joined(frame, branches, await drive(program, AsyncPerformer(frame.life)))
