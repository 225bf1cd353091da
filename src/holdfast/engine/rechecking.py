"""Is the world still as the journal says? The checks of finished steps are asked again.

Nothing runs: a check only looks. What it says changes no step; a person decides what becomes of
a step that is not so any more, and no answer of a check is taken for another one.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.engine.checking import ask_check
from holdfast.engine.effects import Program, look, now, record
from holdfast.engine.hold import Asked, ask
from holdfast.engine.spec import Call, Check
from holdfast.errors import Rejected
from holdfast.model.codec import digest
from holdfast.model.facts import DriftAccepted, Rechecked, Who
from holdfast.model.json import Json
from holdfast.model.state import RunState, StepState


def recheck(calls: Sequence[Call], by: Who) -> Program[Rechecked]:
    """Ask the checks of these calls, one after the other, and return what is recorded of it.

    Of a call without a check, or whose step is not finished, nothing is asked; neither of one
    that somebody skipped, or whose debt is settled: what it made was given back. Durable on
    return; a crash before leaves nothing behind.
    """
    state = yield from look()
    asked, found = 0, []
    for call in calls:
        if call.check is None or not _is_to_be_so(state, call.key):
            continue
        says, _ = yield from ask_check(call)
        asked += 1
        if says is not Check.DONE:
            found.append((call.key, says.value))
    fact = Rechecked((yield from now()), by, asked, tuple(found))
    yield from record(fact)
    return fact


def _is_to_be_so(state: RunState, key: str) -> bool:
    step = state.steps.get(key)
    debt = state.ledger.debts.get(key)
    is_given_back = debt is not None and debt.status != "open"
    return step is not None and step.status in ("succeeded", "already_done") and not is_given_back


def accepted() -> Program[None]:
    """Hold as long as there are finished steps whose checks do not say that it is so.

    Raises Rejected when a person said no. Found again by every life, until somebody accepts it
    or has the steps run again.
    """
    state = yield from look()
    found = tuple((step.key, step.world) for step in drifted(state))
    if not found:
        return
    report: dict[str, Json] = {
        "world": [
            {"key": key, "says": says, "location": state.steps[key].location} for key, says in found
        ]
    }
    bound = digest([[key, says] for key, says in found])
    answer = yield from ask(Asked("drift", "", _question(found), bound, report))
    if answer.answer != "approve":
        raise Rejected("the world as it is", answer.by.name, answer.comment)
    yield from record(DriftAccepted((yield from now()), answer.by, "", world=found))


def drifted(state: RunState) -> list[StepState]:
    """Return the finished steps whose checks did not say that it is so, when last asked."""
    if state.rechecked is None:
        return []
    return [step for step in list(state.steps.values()) if step.world and step.is_finished]


def _question(found: Sequence[tuple[str, str]]) -> str:
    unknown = sum(says == Check.UNKNOWN.value for _, says in found)
    gone = len(found) - unknown
    parts = []
    if gone:
        parts.append(f"{gone} finished {'step is' if gone == 1 else 'steps are'} not so any more")
    if unknown:
        parts.append(f"of {unknown} it cannot be told")
    return f"{', and '.join(parts)}: go on all the same?"
