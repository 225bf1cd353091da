"""Run a batch: one step made of items, each of which is a checkpoint of its own.

The items are the body's affair (`runtime.batches`): a program per item would cost more than most
items do. Here is what a batch has in common with other steps, and what makes it wait for a
person: a budget of failures that is spent, and items that may have taken effect.

A batch that is left costs no attempt and is in no doubt. Whatever interrupts it, the next life
goes on with the items that are not done.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from holdfast.engine import drift
from holdfast.engine.effects import (
    ANSWER,
    Outcome,
    Program,
    Raised,
    Record,
    invoke,
    look,
    now,
    record,
    record_at_boundary,
)
from holdfast.engine.hold import Asked, ask
from holdfast.engine.permission import permission
from holdfast.engine.spec import Call
from holdfast.engine.step import described, location_of, reached
from holdfast.errors import StepFailed
from holdfast.model.batching import item_key
from holdfast.model.codec import digest, encode
from holdfast.model.facts import (
    AttemptFailed,
    BudgetGranted,
    HoldAnswered,
    HoldOpened,
    ItemDecided,
    Spilled,
    StepStarted,
    StepSucceeded,
)
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.model.state import RunState, StepState

ITEMS_FAILED = "ItemsFailed"
"""What a batch fails with whose items failed and had no budget to do so."""

How = Literal["done", "failed", "budget", "uncertain"]


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A `once` item that was begun and whose outcome nobody knows; `evidence` is what is known."""

    item: str
    evidence: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a batch's items in this life, all of it durable.

    `counts` are what the step's result will be, and `failed` how many are dead letters now.
    `decided_seq` is the last decision about items that was applied.
    """

    how: How
    counts: dict[str, Json]
    why: str = ""
    failed: int = 0
    doubtful: tuple[Doubtful, ...] = ()
    decided_seq: int = 0


def batch(call: Call) -> Program[Json | Spilled]:
    """Return the counts of the batch, as they are recorded, when all of its items are settled.

    The call's body does them and returns `Ended`. Raises StepFailed, the same on every replay,
    when items failed and there was no budget for that, and when a person did not grant one.
    """
    state, seen = yield from reached(call)
    if seen is None:
        yield from drift.before_new(call)
    elif seen.status == "failed":
        raise _failure(seen)
    elif seen.is_finished and (call.trace.is_replay or seen.version == call.rules.version):
        if seen.code != call.code:
            call.edited(call.key)
        yield from drift.of_inputs(call, seen)
        return seen.result
    outdated = seen.ended_seq if seen is not None and seen.is_finished else 0
    while True:
        seen = state.steps.get(call.key)
        if seen is not None and seen.is_finished and seen.ended_seq > outdated:
            return seen.result
        yield from _take_up_question(call, state)
        decided_by = yield from permission(call, state)
        if decided_by is None:
            continue
        started = yield from _started(call, seen, decided_by)
        if (yield Record((started,), True, True)):
            yield from _settle_all(call, state, started)


def _started(call: Call, seen: StepState | None, decided_by: str) -> Program[StepStarted]:
    at = yield from now()
    return StepStarted(
        at,
        call.key,
        1 if seen is None else seen.attempts + 1,
        call.label,
        call.inputs,
        code=call.code,
        shown=call.shown,
        decided_by=decided_by,
        version=call.rules.version,
        location=call.location,
        is_batch=True,
        commands=call.commands,
    )


def _settle_all(call: Call, state: RunState, started: StepStarted) -> Program[None]:
    """Do the items, and what people are asked about them, until the batch has a result."""
    while True:
        ended = yield from _do_items(call, started)
        if ended.how == "budget":
            yield from _ask_for_budget(call, ended)
        elif ended.how == "uncertain":
            yield from _ask_about(call, state, ended)
        elif ended.how == "failed":
            yield from _fail(call, started, ITEMS_FAILED, ended.why)
        else:
            yield from record(StepSucceeded((yield from now()), call.key, ended.counts))
            return


def _do_items(call: Call, started: StepStarted) -> Program[Ended]:
    outcome: Outcome = yield from invoke(call.key, partial(call.body, call))
    if isinstance(outcome, Raised):
        kind, text = described(call, outcome.error)
        yield from _fail(call, started, kind, text, outcome.error)
        raise AssertionError("a failure raises")
    if isinstance(outcome.value, Ended):
        return outcome.value
    # A plan does no items; what would come of them is unknown.
    unknown = encode(outcome.value)
    assert isinstance(unknown, dict)
    return Ended("done", unknown)


def _fail(
    call: Call, started: StepStarted, kind: str, text: str, error: Exception | None = None
) -> Program[None]:
    at = yield from now()
    where = "" if error is None else location_of(error)
    yield from record(AttemptFailed(at, call.key, started.attempt, kind, text, None, where))
    raise StepFailed(call.key, kind, text, 1) from error


def _failure(seen: StepState) -> StepFailed:
    return StepFailed(seen.key, seen.error_type, seen.error, 1)


def _take_up_question(call: Call, state: RunState) -> Program[None]:
    """Heed what was answered, or is still asked, about a budget that an earlier life spent: no
    item begins before that. Raises StepFailed when it is not granted anew."""
    hold = state.holds.latest(call.key, "budget")
    if hold is None or hold.is_used:
        return
    seen = hold.opened.evidence
    counts = {name: value for name, value in seen.items() if name not in ("runs", "why")}
    failed = sum(
        count for name in ("failed", "quarantined") if isinstance(count := counts.get(name), int)
    )
    yield from _ask_for_budget(call, Ended("budget", counts, str(seen.get("why", "")), failed))


def _ask_for_budget(call: Call, ended: Ended) -> Program[None]:
    """Hold until somebody grants the budget anew. Raises StepFailed when nobody does."""
    question = f"{call.label}: {ended.why}; go on, with the budget granted anew?"
    bound = digest([call.key, ended.failed, call.code])
    evidence: dict[str, Json] = {"runs": call.label, "why": ended.why, **ended.counts}
    state = yield from look()
    asked = Asked("budget", call.key, question, bound, evidence, state.terms.electorate)
    answer = yield from ask(asked)
    at = yield from now()
    if answer.answer == "approve":
        yield from record(BudgetGranted(at, call.key, answer.by, ended.failed))
        return
    message = _refusal(answer, ended)
    yield from record(AttemptFailed(at, call.key, 0, "Rejected", message))
    raise StepFailed(call.key, "Rejected", message, 1)


def _refusal(answer: HoldAnswered, ended: Ended) -> str:
    comment = f": {answer.comment}" if answer.comment else ""
    return f"{ended.why}; {answer.by.name} granted no more{comment}"


def _ask_about(call: Call, state: RunState, ended: Ended) -> Program[None]:
    """Hold, one question for each item, until somebody has decided all of them."""
    while True:
        decided = _decided_since(call, state, ended.decided_seq)
        undecided = [one for one in ended.doubtful if one.item not in decided]
        if not undecided:
            return
        unasked = [one for one in undecided if not _is_asked(call, state, one)]
        for one in unasked:
            at = yield from now()
            key = item_key(call.key, one.item)
            question = f"did item {one.item} of {call.label} take effect? It runs at most once"
            opened = HoldOpened(
                at, state.holds.new_id(), "in_doubt", key, question, digest([key]), one.evidence
            )
            yield from record_at_boundary(opened)
        if not unasked:
            yield ANSWER


def _is_asked(call: Call, state: RunState, one: Doubtful) -> bool:
    hold = state.holds.latest(item_key(call.key, one.item), "in_doubt")
    return hold is not None and hold.status == "open"


def _decided_since(call: Call, state: RunState, seq: int) -> set[str]:
    """Return the items that a person decided after the fact with this number."""
    decided: set[str] = set()
    for at, fact in state.batches[call.key].decisions:
        if at > seq:
            decided.update((fact.item,) if isinstance(fact, ItemDecided) else fact.items)
    return decided
