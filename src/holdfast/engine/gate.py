"""Watch a condition until enough samples say that it is so, or that it is not.

    gate     the first sample when `delay` is over and the probe's window lies after the last
             change, then one `every` so often; every one of them is a fact
    fails    more failed samples than the limit: it stays failed, and holds
    unclear  its time is over and too many samples said nothing: it holds
    passes   as many samples as were wanted have said something, and few enough of them no

A life that dies goes on with the samples there are. `retry` takes all of them anew; a person who
approves lets it pass once. A measurement is a gate that judges nothing: it only needs one value.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Final, NoReturn

from holdfast.engine.checking import landing
from holdfast.engine.effects import (
    ANSWER,
    Program,
    Raised,
    Submit,
    look,
    now,
    pause,
    record,
    record_at_boundary,
)
from holdfast.engine.gate_hold import may_pass
from holdfast.engine.spec import Call
from holdfast.engine.step import described, location_of
from holdfast.engine.waiting import come_to
from holdfast.errors import StepFailed, UsageError
from holdfast.model.called import NeverRan
from holdfast.model.changes import last_change
from holdfast.model.codec import encode
from holdfast.model.facts import (
    AttemptFailed,
    Fact,
    GateOpened,
    GateOverridden,
    SampleTaken,
    Spilled,
    StepSucceeded,
)
from holdfast.model.json import Json
from holdfast.model.making import dataclass, field
from holdfast.model.reading import Circumstances, Limits, Sample, failed_sample, sample_of
from holdfast.model.sampling import ALIKE_S_MAX, KEPT_EACH_MAX, GateState, stats_of
from holdfast.model.state import RunState
from holdfast.model.unknown import Unknown

PROBE: Final = "~"
"""The end of the ticket of a probe that is asked: a plan knows it by that."""
PROBE_S_MAX: Final = 30.0
"""A probe that has not answered by then says nothing."""
FRESH_S_MIN: Final = 30.0
FRESH_STEPS: Final = 3
"""A reading may be so many times `every` old, where the probe does not say it."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched, and how long. Durations are in seconds.

    `since` is the moment after which the windows of readings must lie, None for any, and
    "last change" for what the journal says. `timeout_s` counts from the first sample on; one
    that `measures` has none: it takes as many samples as it `wants`, whatever they say.
    """

    limits: Limits
    wants: int = 1
    every_s: float = 10.0
    failure_limit: int = 0
    inconclusive_limit: int = 0
    since: datetime | str | None = "last change"
    delay_s: float = 0.0
    timeout_s: float | None = None
    window_s: float = 0.0
    fresh_s: float | None = None
    query: str = ""
    link: str = ""
    measures: bool = False

    def changed_at(self, state: RunState, key: str) -> datetime | None:
        """Return the moment after which all that counts must lie."""
        if isinstance(self.since, str):
            return last_change(state, key)
        return self.since

    @property
    def old_s(self) -> float:
        """How old a reading may be."""
        if self.fresh_s is not None:
            return self.fresh_s
        return max(FRESH_S_MIN, FRESH_STEPS * self.every_s)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a plan answers instead of a sample: what the probe says now, if it was asked.

    `at` is when it answered: a plan's own clock may be ahead of that, by all that it waits for.
    """

    at: datetime | None = None
    value: object = None
    error: Exception | None = None


def _is_anything(value: object) -> bool:
    return True


ANYTHING: Final = Limits(ok=_is_anything)
"""What a measurement asks for, and a plan whose limit is not known yet."""


@dataclass(slots=True)
class _Held:
    """Samples alike that have no fact yet, and the series that this life has seen."""

    alike: list[Sample] = field(default_factory=list)
    at: datetime | None = None
    known: dict[str, None] = field(default_factory=dict)


def watch(call: Call, rules: Watch) -> Program[Json | Spilled]:
    """Return what was seen (`Stats`), once it is as it should be.

    Every failed sample is durable before the next is taken. Holds when the gate failed, and when
    nothing could be told of it; raises StepFailed when a person says no, and when the probe
    itself is wrong (UsageError).
    """
    state, seen = yield from come_to(call)
    held = _Held()
    while True:
        seen = seen if call.trace.is_replay else state.steps.get(call.key)
        if seen is not None and seen.is_finished:
            return seen.result
        gate = None if seen is None else seen.gate
        at = yield from now()
        if gate is None or gate.opened.inputs != call.inputs:
            held = _Held()
            yield from record_at_boundary(_opened(call, rules, state, at))
            continue
        standing = _with(gate, held).standing(at)
        if standing == "inconclusive" and held.at is None and not gate.opened.measures:
            standing = ""  # A life that comes late looks once, before it asks a person.
        if standing == "" and at < (due := _due(gate, held, at)):
            yield from pause(due)
        elif standing == "":
            yield from _take(call, rules, state, gate, held)
        elif held.alike:
            yield from _write(call, held)
        elif standing == "pass":
            yield from record(StepSucceeded((yield from now()), call.key, encode(stats_of(gate))))
        else:
            yield from _ask(call, gate, standing)


def _opened(call: Call, rules: Watch, state: RunState, at: datetime) -> GateOpened:
    """Return the fact with which samples are taken from now on. No sample is taken before it
    could count: the window of a rate has to be over first."""
    first = at + timedelta(seconds=rules.delay_s)
    changed_at = rules.changed_at(state, call.key)
    if changed_at is not None and not rules.measures:
        first = max(first, min(changed_at, at) + timedelta(seconds=rules.window_s))
    limit_s = rules.timeout_s
    return GateOpened(
        at,
        call.key,
        call.label,
        call.inputs,
        call.shown,
        call.code,
        call.location,
        rules.wants,
        rules.failure_limit,
        rules.inconclusive_limit,
        rules.every_s,
        first,
        None if limit_s is None else first + timedelta(seconds=limit_s),
        "" if rules.measures else rules.limits.text,
        call.redact(rules.query),
        call.redact(rules.link),
        rules.measures,
    )


# --- samples ----------------------------------------------------------------------------------


def _take(call: Call, rules: Watch, state: RunState, gate: GateState, held: _Held) -> Program[None]:
    """Take one sample and record it, or hold it back with others that are alike."""
    asked_at = yield from now()
    ticket = f"{call.key}\0{asked_at.isoformat()}{PROBE}"
    yield Submit(ticket, partial(call.body, call), "thread")
    outcome = yield from landing(ticket, asked_at + timedelta(seconds=PROBE_S_MAX))
    at = yield from now()
    if outcome is None:
        sample = failed_sample(TimeoutError(f"no answer within {PROBE_S_MAX:g} s"))
    elif isinstance(outcome, Raised):
        if isinstance(outcome.error, UsageError):
            yield from _give_up(call, outcome.error)
        sample = failed_sample(outcome.error)
    elif isinstance(outcome.value, Foreseen):
        yield from _foresee(call, rules, outcome.value, at)
        return
    else:
        seen = Circumstances(
            asked_at,
            at,
            rules.changed_at(state, call.key),
            rules.window_s,
            rules.old_s,
            _read_at(gate, held),
            (*held.known, *(gate.samples[-1].values if gate.samples else ())),
        )
        try:
            sample = sample_of(outcome.value, rules.limits, seen)
        except NeverRan as error:
            yield from _give_up(call, error)
    held.known.update(dict.fromkeys(sample.names))
    if held.alike and not _is_alike(held.alike[-1], sample):
        yield from _write(call, held)
    held.alike.append(sample)
    held.at = at
    if _is_to_be_written(gate, sample, at):
        yield from _write(call, held)


def _is_alike(one: Sample | SampleTaken, other: Sample) -> bool:
    return one.verdict == other.verdict and one.why == other.why


def _is_to_be_written(gate: GateState, sample: Sample, at: datetime) -> bool:
    """Whether a sample has a fact of its own, or of those like it, now."""
    if sample.verdict == "fail" or len(gate.samples) < KEPT_EACH_MAX or gate.opened.measures:
        return True
    last = gate.samples[-1]
    return not _is_alike(last, sample) or (at - last.at).total_seconds() >= ALIKE_S_MAX


def _write(call: Call, held: _Held) -> Program[None]:
    """Record what is held back; a failure is durable at once."""
    last, count, at = held.alike[-1], len(held.alike), held.at
    assert at is not None
    fact = SampleTaken(
        at,
        call.key,
        last.verdict,
        {name: encode(value) for name, value in last.values.items()},
        call.redact(last.why),
        last.read_at,
        count,
        last.series,
    )
    held.alike = []
    yield from record(fact, durable=last.verdict == "fail")


def _read_at(gate: GateState, held: _Held) -> datetime | None:
    """Return the time of the last reading that counted."""
    for sample in reversed(held.alike):
        if sample.verdict in ("pass", "fail"):
            return sample.read_at
    return gate.read_at


def _with(gate: GateState, held: _Held) -> GateState:
    """Return the gate with what is held back counted in."""
    if not held.alike:
        return gate
    verdict, counts = held.alike[-1].verdict, dict(gate.counts)
    counts[verdict] = gate.taken(verdict) + len(held.alike)
    return GateState(gate.opened, gate.seq, counts, gate.samples)


def _due(gate: GateState, held: _Held, at: datetime) -> datetime:
    if held.at is None:
        return gate.due(at)
    return min(held.at, at) + timedelta(seconds=gate.opened.every_s)


def _give_up(call: Call, error: Exception) -> Program[NoReturn]:
    """Record that the probe itself, or `ok`, is wrong. Raises StepFailed."""
    kind, text = described(call, error)
    at = yield from now()
    yield from record(AttemptFailed(at, call.key, 1, kind, text, None, location_of(error)))
    raise StepFailed(call.key, kind, text, 1) from error


def _foresee(call: Call, rules: Watch, foreseen: Foreseen, at: datetime) -> Program[None]:
    """Let a plan pass, with what the probe says now; not with a probe that is wrong. Raises
    StepFailed."""
    facts: list[Fact] = []
    if isinstance(foreseen.error, UsageError):
        yield from _give_up(call, foreseen.error)
    if foreseen.at is not None:
        limits, seen = rules.limits, Circumstances(foreseen.at, foreseen.at, fresh_s=rules.old_s)
        if rules.measures or isinstance(limits.below, Unknown) or isinstance(limits.above, Unknown):
            limits = ANYTHING
        try:
            sample = (
                failed_sample(foreseen.error)
                if foreseen.error is not None
                else sample_of(foreseen.value, limits, seen)
            )
        except NeverRan as error:
            yield from _give_up(call, error)
        values = {name: encode(value) for name, value in sample.values.items()}
        why = call.redact(sample.why)
        facts.append(SampleTaken(at, call.key, sample.verdict, values, why, series=sample.series))
    yield from record(*facts, StepSucceeded(at, call.key, encode(Unknown(call.label))))


# --- a person ---------------------------------------------------------------------------------


def _ask(call: Call, gate: GateState, standing: str) -> Program[None]:
    """Hold, and let the gate pass once when a person says so. What else they decide (`retry`,
    `done`, `skip`) is seen in the journal. Raises StepFailed when they say no."""
    state = yield from look()
    answer = yield from may_pass(call, gate, standing, state)
    if answer is None:
        yield ANSWER
        return
    at = yield from now()
    passed = GateOverridden(at, call.key, answer.by, answer.comment)
    yield from record(passed, StepSucceeded(at, call.key, encode(stats_of(gate))))
