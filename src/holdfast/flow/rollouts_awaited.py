"""`rollout`, awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from inspect import isawaitable
from typing import Any

from holdfast.engine.effects import Outcome
from holdfast.engine.rollout import plan_rollout, run_wave
from holdfast.engine.scope import side_by_side
from holdfast.flow import questions, verbs
from holdfast.flow.awaited import async_branch, in_scope, place
from holdfast.flow.gates import Gate
from holdfast.flow.gates_awaited import watched_here
from holdfast.flow.questions import Asking, confirm
from holdfast.flow.rollouts import LABEL, Plan, end_walk, lay_out, results_of
from holdfast.flow.scopes import branches_of, joined, scope_key
from holdfast.flow.steps import Duration
from holdfast.flow.unawaited import noted
from holdfast.model.rollout import Results, Share
from holdfast.model.types import NO_TYPES, Types
from holdfast.runtime.aio import AsyncPerformer, drive
from holdfast.runtime.context import Frame


@noted
async def rollout(
    units: Sequence[Any],
    fn: Callable[[Any], Any],
    *,
    waves: Sequence[Share] | None = None,
    at_once: int = 1,
    apart: Callable[[Any], Hashable] | None = None,
    budget: int = 0,
    soak: Duration | None = None,
    gates: Sequence[Any] = (),
    between: Any = None,
    window: str | None = None,
) -> Results:
    """Await `fn(unit)` for every unit, in waves; see `holdfast.rollout`."""
    frame = place(LABEL)
    plan = lay_out(
        frame, units, fn, _async_unit, waves=waves, at_once=at_once, apart=apart, budget=budget,
        soak=soak, gates=gates, between=_plain(between), window=window,
    )  # fmt: skip
    await drive(plan_rollout(plan.rollout), AsyncPerformer(frame.life))
    outcomes: dict[str, Outcome] = {}
    for number, wave in enumerate(plan.rollout.waves, 1):
        outcomes |= await drive(run_wave(plan.rollout, wave), AsyncPerformer(frame.life))
        end_walk(outcomes)
        if plan.has_after(number):
            key = scope_key(frame, plan.after(number))
            await in_scope(frame, key, "branch", _after_call(plan, number), NO_TYPES)
    return results_of(outcomes)


def _plain(between: Any) -> Any:
    """Return the blocking `confirm` for the awaited one: it is known by that."""
    is_ours = getattr(between, "__module__", "") == "holdfast.aio"
    return confirm if is_ours and getattr(between, "__name__", "") == "confirm" else between


def _async_unit(
    frame: Frame, key: str, call: Callable[[], Any], types: Types
) -> Callable[[], Awaitable[Any]]:
    async def run() -> Any:
        return await in_scope(frame, key, "unit", call, types)

    return run


def _after_call(plan: Plan, number: int) -> Callable[[], Awaitable[None]]:
    async def after() -> None:
        frame = place(LABEL)
        gates = plan.watched()
        if gates:
            calls = [(gate.name, watched_here, gate) for gate in gates]
            branches = branches_of(frame, calls, async_branch)
            program = side_by_side(branches, len(branches))
            joined(frame, branches, await drive(program, AsyncPerformer(frame.life)))
        elif plan.soak_s:
            await drive(verbs.sleep_program(frame, plan.soak_s), AsyncPerformer(frame.life))
        if plan.between is not None and number < len(plan.rollout.waves):
            await _between(frame, plan, number)

    return after


async def _between(frame: Frame, plan: Plan, number: int) -> None:
    if plan.between is confirm or isinstance(plan.between, str):
        text = plan.between if isinstance(plan.between, str) else plan.question(number)
        program = questions.confirm_program(frame, text, Asking.of(None, 1, None, "ask"))
        await drive(program, AsyncPerformer(frame.life))
    elif isinstance(plan.between, Gate):
        await watched_here(plan.between)
    else:
        said = plan.between()
        if isawaitable(said):
            await said
