"""Edit and resume: hold when the script and the journal no longer say the same.

Three differences are asked about, because each could silently repeat or lose work: a new step
before finished ones, finished steps that are gone, a finished step reached with other inputs.
Everything else (comments, the failed step, later steps) is the script's own business.
"""

from __future__ import annotations

from holdfast.engine.effects import Program, look, now, record
from holdfast.engine.hold import Asked, ask
from holdfast.engine.spec import Call
from holdfast.engine.trace import Trace
from holdfast.errors import Rejected
from holdfast.model.codec import digest
from holdfast.model.facts import DriftAccepted
from holdfast.model.json import Json
from holdfast.model.state import RunState, StepState


def before_new(call: Call) -> Program[None]:
    """Hold when finished steps should have been reached before this new one."""
    gone = () if call.trace.is_replay else call.trace.unreached(call.lane)
    if gone:
        yield from _ask(call.trace, gone=gone, new=call)


def at_end(trace: Trace) -> Program[None]:
    """Hold when the scope ends without having reached steps it once finished; those that were
    let pass before are superseded now, because they did not follow."""
    if trace.is_replay:
        return
    gone = tuple(key for key in trace.pending if key not in trace.passed)
    if gone:
        yield from _ask(trace, gone=gone)
    if trace.pending:
        left = tuple(trace.pending)
        by = trace.passed[left[0]]
        yield from record(DriftAccepted((yield from now()), by, trace.scope, left))
        trace.reach_all(left)


def of_inputs(call: Call, seen: StepState) -> Program[None]:
    """Hold when a finished step is reached with inputs other than those recorded."""
    if call.trace.is_replay or not (call.inputs and seen.inputs):
        return
    if call.inputs == seen.inputs:
        return
    if call.inputs not in seen.accepted_inputs:
        yield from _ask(call.trace, changed=(call, seen))


def _ask(
    trace: Trace,
    *,
    gone: tuple[str, ...] = (),
    new: Call | None = None,
    changed: tuple[Call, StepState] | None = None,
) -> Program[None]:
    state = yield from look()
    report = _report(state, gone, new, changed)
    shown = digest([*gone, new.key if new else "", changed[0].key if changed else "",
                    changed[0].inputs if changed else ""])  # fmt: skip
    answer = yield from ask(Asked("drift", trace.scope, _question(report), shown, report))
    if answer.answer != "approve":
        by = answer.by.name
        raise Rejected("the edited script", by, answer.comment)

    pairs = () if changed is None else ((changed[0].key, changed[0].inputs),)
    at = yield from now()
    yield from record(
        DriftAccepted(at, answer.by, trace.scope, gone, pairs, "" if new is None else new.key)
    )
    for each in trace.chain():
        if new is None:
            each.reach_all(gone)
        else:
            each.passed.update(dict.fromkeys(gone, answer.by))


def _report(
    state: RunState,
    gone: tuple[str, ...],
    new: Call | None,
    changed: tuple[Call, StepState] | None,
) -> dict[str, Json]:
    """Return what a person is shown, in the order: recorded, then the script now."""
    report: dict[str, Json] = {"gone": [_gone(state, key) for key in gone]}
    if new is not None:
        report["new"] = {"key": new.key, "location": new.location, "now": new.shown}
        same_code = [key for key in gone if _code_of(state, key) == new.code != ""]
        if same_code:
            # Same code under another name: a rename (`was=`), or a label that holds a
            # timestamp or another value that differs at every call.
            report["renamed_or_volatile"] = [*same_code]
    if changed is not None:
        call, seen = changed
        report["changed"] = {
            "key": call.key, "location": call.location, "recorded": seen.shown, "now": call.shown,
        }  # fmt: skip
    return report


def _gone(state: RunState, key: str) -> dict[str, Json]:
    step = state.steps.get(key)
    if step is not None:
        return {"key": key, "location": step.location, "recorded": step.shown}
    inside = [s for s in list(state.steps.values()) if s.key.startswith(f"{key}/")]
    location = next((s.location for s in inside if s.location), "")
    return {"key": key, "location": location, "recorded": f"a scope of {len(inside)} steps"}


def _code_of(state: RunState, key: str) -> str:
    step = state.steps.get(key)
    return step.code if step else ""


def _question(report: dict[str, Json]) -> str:
    changed, new = report.get("changed"), report.get("new")
    if isinstance(changed, dict):
        return f"{changed['key']} was done with other inputs: keep its recorded result?"
    count = len(report["gone"]) if isinstance(report["gone"], list) else 0
    steps = "1 finished step" if count == 1 else f"{count} finished steps"
    if isinstance(new, dict):
        return f"new step {new['key']} comes before {steps} not reached: go on?"
    verb = "is" if count == 1 else "are"
    return f"{steps} of the journal {verb} no longer in the script: go on without?"
