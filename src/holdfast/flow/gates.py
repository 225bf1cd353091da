"""The verbs that watch the world: gate and measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import ceil
from typing import Any, Final, cast

from holdfast.engine.gate import ANYTHING, Watch
from holdfast.engine.gate import watch as watch_program
from holdfast.engine.spec import Call
from holdfast.errors import UsageError
from holdfast.flow.decorator import refuse_async
from holdfast.flow.recorded import read_back
from holdfast.flow.steps import Duration, StepFunction, plain, prepare
from holdfast.flow.verbs import adhoc, named
from holdfast.model.called import is_async
from holdfast.model.durations import seconds, show
from holdfast.model.facts import Spilled
from holdfast.model.json import Json
from holdfast.model.reading import Limits, check_limit
from holdfast.model.sampling import Stats
from holdfast.model.types import Types, register
from holdfast.model.unknown import Unknown
from holdfast.ports.probe import About, about, doubts
from holdfast.runtime.codehash import code_hash, location
from holdfast.runtime.context import FRAME, Frame, in_workflow
from holdfast.runtime.driving import drive

SAMPLES_MAX: Final = 100_000
MEASURED_MAX: Final = 10_000
EVERY_S_MIN: Final = 0.001
TIMEOUT_S_MIN: Final = 300.0
TIMEOUT_STEPS: Final = 3
"""A gate that does not say it waits so many times as long as its samples need, and five minutes at
least, for data to come."""
LAST_CHANGE: Final = "last change"
STATS: Final = Types.of(register(Stats))


@dataclass(frozen=True)
class Gate:
    """A gate that is described here and watched elsewhere: by `rollout`, or by calling it.

    The arguments are those of `gate`.
    """

    name: str
    probe: Callable[[], Any]
    below: float | None = None
    above: float | None = None
    ok: Callable[[Any], object] | None = None
    samples: int = 1
    every: Duration = "10s"
    failure_limit: int = 0
    inconclusive_limit: int = 0
    since: str | datetime | None = LAST_CHANGE
    delay: Duration | None = None
    timeout: Duration | None = None
    is_measure: bool = field(default=False, repr=False)

    def __call__(self) -> Stats:
        """Watch it here and now: see `gate`."""
        frame = in_workflow(f"gate({self.name!r})")
        for function in (self.probe, self.ok):
            if function is not None:
                refuse_async(plain(function), "gate")
        call, rules = watched(frame, self)
        return seen(frame, drive(watch_program(call, rules), frame.life.performer()))

    def throughout(self, span: Duration) -> Gate:
        """Return the gate with as many samples as fit into a span, and its patience beyond it."""
        span_s = seconds(span)
        count = max(self.samples, 1, ceil(span_s / self._every_s()))
        timeout = None if self.timeout is None else seconds(self.timeout) + span_s
        return replace(self, samples=count, timeout=timeout)

    def _every_s(self) -> float:
        return max(EVERY_S_MIN, seconds(self.every))

    def watch(self, told: About) -> Watch:
        """Return what the engine needs to know. Raises UsageError for what cannot be."""
        every_s = self._every_s()
        _check(self)
        limits = Limits(_limit("below", self.below), _limit("above", self.above), self.ok)
        span_s = self.samples * every_s
        timeout_s = (
            max(TIMEOUT_S_MIN, TIMEOUT_STEPS * span_s)
            if self.timeout is None
            else seconds(self.timeout)
        )
        if (least_s := (self.samples - 1) * every_s) > timeout_s:
            raise UsageError(
                f"gate({self.name!r}): timeout={show(timeout_s)} is over before its {self.samples} "
                f"samples can be taken, in {show(least_s)}"
            )
        return Watch(
            ANYTHING if self.is_measure else limits,
            self.samples,
            every_s,
            self.failure_limit,
            self.inconclusive_limit,
            None if self.is_measure else self.since,
            0.0 if self.delay is None else seconds(self.delay),
            None if self.is_measure else timeout_s,
            told.window_s,
            told.fresh_s,
            told.query,
            told.link,
            self.is_measure,
        )


def gate(
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
    """Go on once `samples` of `probe` say that it is below, above or ok; return what was seen.

    A probe returns a number, a `Reading(value, at)`, None, or a mapping whose series are judged
    one by one; without a limit it must be True. What is None, NaN, empty, stale, or covers time
    before the last change is inconclusive: it neither passes nor fails, and is taken again until
    `timeout`, which counts from the first sample. One that raises is no better.

    More than `failure_limit` failed samples hold (exit 4), whatever comes later. More than
    `inconclusive_limit` missing at the end hold (exit 3). `retry` takes the samples anew, and a
    person may let it pass once. Each sample is recorded; a later life goes on with those there
    are. Raises StepFailed when a person says no.
    """
    return Gate(
        name, probe, below, above, ok, samples, every, failure_limit, inconclusive_limit, since,
        delay, timeout,
    )()  # fmt: skip


def measure(
    name: str, probe: Callable[[], Any], *, span: Duration, every: Duration = "5s"
) -> Stats:
    """Return what `probe` says over a span of time: `mean`, `min`, `max`, `p50`, `p95`, `p99`.

    What is None, NaN or stale does not count, and the run holds when nothing counted. The
    numbers are recorded: every later life gets the same.
    """
    return measuring(name, probe, span, every)()


def measuring(name: str, probe: Callable[[], Any], span: Duration, every: Duration) -> Gate:
    """Return the measurement as a gate that judges nothing."""
    span_s, every_s = seconds(span), seconds(every)
    if not 0 < every_s <= span_s:
        raise UsageError(
            f"measure({name!r}): every={show(every_s)} is not within span={show(span_s)}"
        )
    count = int(span_s // every_s) + 1
    if count > MEASURED_MAX:
        raise UsageError(f"measure({name!r}): {count} samples; at most {MEASURED_MAX}: ask less")
    return Gate(name, probe, samples=count, every=every, is_measure=True)


# --- what both kinds of workflow need ---------------------------------------------------------


def watched(
    frame: Frame,
    described: Gate,
    prepared: Callable[..., Call] = prepare,
    asking: Callable[[StepFunction[..., Any], Limits], StepFunction[..., Any]] | None = None,
) -> tuple[Call, Watch]:
    """Return the call and the rules of one gate, met here; `asking` makes of its probe one that
    asks `ok`, too. Raises UsageError."""
    told = about(described.probe)
    rules = described.watch(told)
    probe = plain(described.probe)
    if not callable(probe):
        raise UsageError(f"gate({described.name!r}): the probe {probe!r:.80} cannot be called")
    shown = _shown(described, rules)
    looking = _looking(probe)
    if asking is not None and described.ok is not None:
        looking = asking(looking, rules.limits)
    call = prepared(frame, named(looking, described.name), {"terms": shown})
    others = () if described.ok is None else (plain(described.ok),)
    return replace(
        call,
        shown=shown,
        code=code_hash(probe, *others),
        location=location(probe),
    ), rules


def seen(frame: Frame, found: Json | Spilled) -> Stats:
    """Return what a gate recorded."""
    return cast(Stats, read_back(frame.life, found, STATS))


def _looking(probe: Callable[[], Any]) -> StepFunction[..., Any]:
    """Return the probe as a step that only reads; its terms are what it is known by."""
    if is_async(probe):

        async def look(terms: str) -> object:
            _note_doubts(probe)
            return await probe()

        return adhoc(look, reads=True)

    def look_here(terms: str) -> object:
        _note_doubts(probe)
        return probe()

    return adhoc(look_here, reads=True)


def _note_doubts(probe: object) -> None:
    """In a plan, have the probe say what is doubtful about it. Raises UsageError."""
    found = FRAME.get()
    if found is not None and found.step is not None and found.life.doubts is not None:
        found.life.doubts[found.step.key] = doubts(probe)


def _shown(described: Gate, rules: Watch) -> str:
    """Return the gate's terms as a person reads them: another text is another gate."""
    if described.is_measure:
        return f"{rules.wants} samples every {show(rules.every_s)}"
    parts = [rules.limits.text]
    if rules.wants > 1:
        parts.append(f"{rules.wants} samples every {show(rules.every_s)}")
    limits = {"failed": rules.failure_limit, "inconclusive": rules.inconclusive_limit}
    parts += [f"at most {count} {word}" for word, count in limits.items() if count]
    return ", ".join(parts)


def _check(described: Gate) -> None:
    name, samples = described.name, described.samples
    if not isinstance(samples, int) or not 1 <= samples <= SAMPLES_MAX:
        raise UsageError(f"gate({name!r}): samples={samples!r}: from 1 to {SAMPLES_MAX}")
    for word in ("failure_limit", "inconclusive_limit"):
        limit = getattr(described, word)
        if not isinstance(limit, int) or not 0 <= limit < samples:
            raise UsageError(
                f"gate({name!r}): {word}={limit!r} of {samples} samples: from 0 to {samples - 1}; "
                "with more it could not but pass"
            )
    since = described.since
    if isinstance(since, str) and since != LAST_CHANGE:
        raise UsageError(f"gate({name!r}): since={since!r}: {LAST_CHANGE!r}, a datetime or None")
    if isinstance(since, datetime) and since.tzinfo is None:
        raise UsageError(f"gate({name!r}): since= needs a time zone, such as datetime.now(UTC)")


def _limit(name: str, value: object) -> Any:
    """Return a limit as it is compared with. In a plan it may not be known yet."""
    return value if isinstance(value, Unknown) else check_limit(name, value)
