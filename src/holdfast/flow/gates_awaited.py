"""The verbs that watch the world, awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, cast

from holdfast.engine.gate import watch as watch_program
from holdfast.flow.awaited import called, place, prepare_async
from holdfast.flow.gates import LAST_CHANGE, Gate, measuring, seen, watched
from holdfast.flow.steps import Duration, StepFunction
from holdfast.flow.unawaited import noted
from holdfast.flow.verbs import adhoc
from holdfast.model.called import NeverRan, has_run, is_awaitable, name_of
from holdfast.model.reading import Answered, Limits, NoReading, series_of, value_in
from holdfast.model.sampling import Stats
from holdfast.runtime.aio import AsyncPerformer, drive


@noted
async def gate(
    name: str,
    probe: Callable[[], Any],
    *,
    below: float | None = None,
    above: float | None = None,
    ok: Callable[[Any], object] | None = None,
    samples: int = 1,
    every: Duration = "10s",
    failure_limit: int = 0,
    inconclusive_limit: int = 0,
    since: str | datetime | None = LAST_CHANGE,
    delay: Duration | None = None,
    timeout: Duration | None = None,
) -> Stats:
    """Go on once enough samples of `probe`, async or plain, are well; see `holdfast.gate`."""
    described = Gate(
        name, probe, below, above, ok, samples, every, failure_limit, inconclusive_limit, since,
        delay, timeout,
    )  # fmt: skip
    return await watched_here(described)


@noted
async def measure(
    name: str, probe: Callable[[], Any], *, span: Duration, every: Duration = "5s"
) -> Stats:
    """Return what `probe` says over a span of time; see `holdfast.measure`."""
    return await watched_here(measuring(name, probe, span, every))


async def watched_here(described: Gate) -> Stats:
    """Watch a gate that is described, here and now."""
    frame = place(f"gate({described.name!r})")
    call, rules = watched(frame, described, prepare_async, _asking)
    return seen(frame, await drive(watch_program(call, rules), AsyncPerformer(frame.life)))


def _asking(looking: StepFunction[..., Any], limits: Limits) -> StepFunction[..., Any]:
    """Return the probe as one that also asks `ok`, and awaits what that returns."""

    async def look(terms: str) -> object:
        returned = await called(looking.body, terms)
        with suppress(NoReading):  # The engine says so, once it judges.
            series, _ = series_of(has_run(returned, "the probe"))
            return Answered(
                returned, {name: await _ok(limits, part) for name, part in series.items()}
            )
        return returned

    return adhoc(look, reads=True)


async def _ok(limits: Limits, part: object) -> Callable[[Any], object]:
    """Return what says of one series what `ok` has said of it, or raises what that has raised."""
    assert limits.ok is not None
    value = value_in(part)
    try:
        if limits.judge_plainly(value) is not None:
            return limits.ok  # It is not asked.
        said = limits.ok(value)
        if is_awaitable(said):
            said = await cast(Awaitable[object], said)
        has_run(said, f"ok={name_of(limits.ok)}")
    except NeverRan:
        raise
    except Exception as error:
        return partial(_raise, error)
    return lambda value: said


def _raise(error: Exception, value: object) -> object:
    raise error
