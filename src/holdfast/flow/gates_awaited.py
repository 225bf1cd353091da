"""The verbs that watch the world, awaited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from holdfast.engine.gate import watch as watch_program
from holdfast.flow.awaited import place, prepare_async
from holdfast.flow.gates import LAST_CHANGE, Gate, measuring, seen, watched
from holdfast.flow.steps import Duration
from holdfast.model.sampling import Stats
from holdfast.runtime.aio import AsyncPerformer, drive


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


async def measure(
    name: str, probe: Callable[[], Any], *, span: Duration, every: Duration = "5s"
) -> Stats:
    """Return what `probe` says over a span of time; see `holdfast.measure`."""
    return await watched_here(measuring(name, probe, span, every))


async def watched_here(described: Gate) -> Stats:
    """Watch a gate that is described, here and now."""
    frame = place(f"gate({described.name!r})")
    call, rules = watched(frame, described, prepare_async)
    return seen(frame, await drive(watch_program(call, rules), AsyncPerformer(frame.life)))
