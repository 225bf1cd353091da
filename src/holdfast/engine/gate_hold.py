"""What a person is asked when a gate failed, or could not tell: and what they may say."""

from __future__ import annotations

from holdfast.engine.effects import Program, now, record_at_boundary
from holdfast.engine.permission import refused
from holdfast.engine.spec import Call
from holdfast.model.codec import digest
from holdfast.model.durations import show
from holdfast.model.facts import HoldAnswered, HoldOpened, HoldVoided, SampleTaken
from holdfast.model.json import Json
from holdfast.model.sampling import GateState, series_of
from holdfast.model.state import RunState

SHOWN_MAX = 20
"""Samples that the hold shows; the journal has the others."""


def may_pass(
    call: Call, gate: GateState, standing: str, state: RunState
) -> Program[HoldAnswered | None]:
    """Return the yes of a person who lets the gate pass, or None when there is none yet: the
    question is open then, and the journal is to be looked at again.

    An answer to other samples does not count. Raises StepFailed when a person said no.
    """
    bound = digest([call.key, standing, gate.seq, gate.opened.limit, gate.opened.query])
    hold = state.holds.latest(call.key, "gate")
    at = yield from now()
    if hold is None or hold.is_used:
        opened = HoldOpened(
            at,
            state.holds.new_id(),
            "gate",
            call.key,
            _question(call, gate, standing),
            bound,
            _evidence(gate, standing, state),
            state.terms.electorate,
        )
        yield from record_at_boundary(opened)
    elif hold.opened.digest != bound or hold.opened.electorate != state.terms.electorate:
        yield from record_at_boundary(HoldVoided(at, hold.opened.id, "what it asked about changed"))
    elif hold.answer is not None:
        if hold.answer.answer == "approve":
            return hold.answer
        yield from refused(call, hold.answer)
    return None


def _question(call: Call, gate: GateState, standing: str) -> str:
    """Return one line that says what was seen and what is asked."""
    opened, failed = gate.opened, gate.taken("fail")
    if opened.measures:
        return f"{call.label}: no sample of {sum(gate.counts.values())} had a value: measure again?"
    if standing == "fail":
        return (
            f"gate {call.label}: {failed} of {gate.conclusive} samples failed "
            f"(limit {opened.failure_limit}); let it pass all the same?"
        )
    unclear = gate.taken("inconclusive") + gate.taken("error")
    return (
        f"gate {call.label}: inconclusive: {gate.conclusive} of {opened.wants} samples said "
        f"something, {unclear} did not; let it pass all the same?"
    )


def _evidence(gate: GateState, standing: str, state: RunState) -> dict[str, Json]:
    """Return what a person should see to decide; `app.gates` shows it as a table."""
    opened, samples = gate.opened, gate.samples[-SHOWN_MAX:]
    last = next((s for s in reversed(samples) if s.why), None)
    return {
        "verdict": standing,
        "measures": opened.measures,
        "limit": opened.limit,
        "limits": {"failed": opened.failure_limit, "inconclusive": opened.inconclusive_limit},
        "counts": {verdict: count for verdict, count in gate.counts.items()},
        "marks": [sample.verdict for sample in samples],
        "series": dict(series_of(samples)),
        "more": len(gate.samples) - len(samples),
        "said": _said(last),
        "span": show(_span_s(gate)),
        "query": opened.query,
        "link": opened.link,
        "state": _standing(state),
        "location": opened.location,
    }


def _said(sample: SampleTaken | None) -> str:
    return "" if sample is None else sample.why


def _span_s(gate: GateState) -> float:
    if not gate.samples:
        return 0.0
    return (gate.samples[-1].at - gate.samples[0].at).total_seconds()


def _standing(state: RunState) -> str:
    """Return what is done so far, in words: nothing of it is taken back by the gate."""
    done = sum(step.is_finished and step.gate is None for step in list(state.steps.values()))
    units = [scope for scope in list(state.scopes.values()) if scope.kind == "unit" and scope.key]
    closed = sum(scope.closed for scope in units)
    text = "1 step done, left as it is" if done == 1 else f"{done} steps done, left as they are"
    return text + (f"; {closed} of {len(units)} units that began are done" if units else "")
