"""Give back what a run did: one reverse order of undos and debts, each a recorded step.

What is due stands in the journal (`model.undoing`); how it is done is in the script. So whoever
goes back has walked the script before, and brings along the `Way` of each step it met there.
Every program here may be ended by a crash at any point and begun again: what was given back is
durable before the next is tried, and is not due any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta

from holdfast.engine.checking import ask_check
from holdfast.engine.debts import has_returned
from holdfast.engine.doubt import decided_again
from holdfast.engine.effects import Program, Wait, look, now, record
from holdfast.engine.hold import Asked, ask
from holdfast.engine.spec import Call, Check
from holdfast.engine.step import found_done, step
from holdfast.errors import PastNoReturn, Rejected
from holdfast.model.codec import digest
from holdfast.model.facts import (
    DebtAccepted,
    DebtSettled,
    Fact,
    HoldAnswered,
    RollbackBegun,
    RolledBack,
    StageUndone,
    StepUndone,
    UndoBegun,
    Who,
)
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.model.state import RunState, StepState
from holdfast.model.undo_facts import Settling
from holdfast.model.undoing import Due, is_giving_back, is_inside

Left = tuple[tuple[str, str], ...]
"""Steps that were not undone, each with the reason."""
LANDING = timedelta(seconds=0.05)
"""How often it is looked whether what runs in a stage that is to be undone has ended."""
NOT_REACHED = "the script no longer reaches it"


@dataclass(frozen=True, slots=True)
class Way:
    """How to give back what one step did: its own call, its undo, and what settles its debt."""

    call: Call
    undo: Call | None = None
    owed: Call | None = None


Ways = Mapping[str, Way]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is given back: what is inside a scope, from a fact of the journal on."""

    scope: str = ""
    since: int = 0
    debts_only: bool = False


def undo_stage(scope: str, ways: Ways, why: str, under_way: Collection[str] = ()) -> Program[None]:
    """Undo what a stage did, settle its debts, and set it aside: it will run again whole.

    That it is to be undone is durable before the first undo, so that the next life goes on with
    it before anything else. Raises StepFailed when an undo gave up.

    Steps `under_way` in branches and tasks beside the one that failed end first: they are undone,
    too. The caller has seen to it that no other begins in the stage.
    """
    state = yield from look()
    if state.ledger.begun != scope:
        yield from record(UndoBegun((yield from now()), scope, why))
    while any(_runs(state, key, scope) for key in tuple(under_way)):
        yield Wait((yield from now()) + LANDING)
        state = yield from look()
    left = yield from _given_back(ways, Extent(scope), "rollback")
    yield from record(StageUndone((yield from now()), scope, left))


def _runs(state: RunState, key: str, scope: str) -> bool:
    """Whether a step in the scope was begun by this life, and has no end yet."""
    seen = state.steps.get(key)
    if seen is None or not is_inside(key, scope):
        return False
    return seen.status == "running" and seen.epoch == state.epoch


def roll_back(ways: Ways, by: Who, to: str = "", since: int = 0) -> Program[Left]:
    """Undo the run, or all of it since the fact `since`, where the step or scope `to` began.

    Returns what was left. Raises PastNoReturn, StepFailed when an undo gave up, Rejected.
    """
    state = yield from look()
    rolling = state.ledger.rolling
    if rolling is None:
        refuse_past_no_return(state)
        rolling = RollbackBegun((yield from now()), by, to, since)
        yield from record(rolling)
    left = yield from _given_back(ways, Extent(since=rolling.since), "rollback")
    yield from record(RolledBack((yield from now()), rolling.to, left))
    return left


def settle(ways: Ways) -> Program[int]:
    """Give back all that is owed, and nothing else; return how much that was."""
    state = yield from look()
    count = len(state.ledger.open_debts)
    yield from _given_back(ways, Extent(debts_only=True), "settle")
    return count - len(state.ledger.open_debts)


def refuse_past_no_return(state: RunState, run: str = "") -> None:
    """Raise PastNoReturn, with the reason, when the run has passed a point of no return."""
    if state.ledger.points:
        point = state.ledger.points[-1]
        raise PastNoReturn(point.key, point.reason, run)


# --- in order ---------------------------------------------------------------------------------


def _given_back(ways: Ways, extent: Extent, how: Settling) -> Program[Left]:
    """Give back all that is due within the extent, the last thing first; return what was left."""
    state = yield from look()
    spared = set[str]()
    if not extent.debts_only:
        spared = yield from _decide_doubts(ways, extent)
    dues = state.ledger.dues(extent.scope, extent.since, debts_only=extent.debts_only)
    calls = {due: _call_of(ways, due) for due in dues}
    gone = [due for due, call in calls.items() if call is None]
    if gone:
        answer = yield from _accepted(state, extent, gone)
        yield from _accept_debts(gone, answer)
    repeats = extent.debts_only and not has_returned(state)
    left = {due.key: NOT_REACHED for due in gone}
    for due, call in calls.items():
        if call is not None and not (yield from _one(due, call, how, repeats=repeats)):
            left[due.key] = f"{state.steps[due.own_key].decided_by}: left as it is"
    return tuple({**dict(_without_undo(state, extent, spared)), **left}.items())


def _call_of(ways: Ways, due: Due) -> Call | None:
    way = ways.get(due.key)
    if way is None:
        return None
    return way.owed if due.is_debt else way.undo


def _one(due: Due, call: Call, how: Settling, *, repeats: bool) -> Program[bool]:
    """Give one thing back; False when a person left it out. Raises StepFailed."""
    yield from step(call)
    state = yield from look()
    if state.steps[due.own_key].status == "skipped":
        return False
    at = yield from now()
    done: Fact = (
        DebtSettled(at, due.key, how, repeats=repeats) if due.is_debt else StepUndone(at, due.key)
    )
    yield from record(done)
    return True


def _decide_doubts(ways: Ways, extent: Extent) -> Program[set[str]]:
    """Hold until it is known of every step in the middle whether it took effect, when that
    matters: it has an undo, or must not be guessed about. Returns those that a check found not
    to have."""
    state = yield from look()
    absent = set[str]()
    for seen in list(state.steps.values()):
        if not _is_doubtful(seen, extent):
            continue
        way = ways.get(seen.key)
        if way is not None:
            says, value = yield from ask_check(way.call)
            if says is Check.DONE:
                yield from found_done(way.call, value)
                continue
            if says is Check.ABSENT:
                absent.add(seen.key)
                continue
        yield from decided_again(seen)
    return absent


def _is_doubtful(seen: StepState, extent: Extent) -> bool:
    return (
        seen.status in ("running", "in_doubt")
        and (seen.once or seen.undoes)
        and _is_meant(seen, extent)
    )


def _is_meant(seen: StepState, extent: Extent) -> bool:
    return (
        is_inside(seen.key, extent.scope)
        and seen.started_seq >= extent.since
        and not is_giving_back(seen.key)
    )


# --- what the script no longer reaches ----------------------------------------------------------


def _accepted(state: RunState, extent: Extent, gone: Sequence[Due]) -> Program[HoldAnswered]:
    """Return a person's yes to going back without these. Raises Rejected."""
    names: list[Json] = [_shown(state, due) for due in gone]
    count = "1 thing" if len(gone) == 1 else f"{len(gone)} things"
    question = f"the script no longer reaches {count} to give back: leave that as it is?"
    bound = digest(["going back", *(due.own_key for due in gone)])
    answer = yield from ask(Asked("drift", extent.scope, question, bound, {"gone": names}))
    if answer.answer != "approve":
        raise Rejected("going back without what is gone", answer.by.name, answer.comment)
    return answer


def _shown(state: RunState, due: Due) -> dict[str, Json]:
    ledger = state.ledger
    seen = ledger.debts[due.key].step if due.is_debt else ledger.standing[due.key]
    what = f"owes {ledger.debts[due.key].owed.label}" if due.is_debt else "has an undo"
    return {"key": due.key, "location": seen.location, "recorded": f"{what}; {seen.shown}"}


def _accept_debts(gone: Sequence[Due], answer: HoldAnswered) -> Program[None]:
    at = yield from now()
    reason = answer.comment or NOT_REACHED
    facts = [DebtAccepted(at, due.key, answer.by, reason) for due in gone if due.is_debt]
    if facts:
        yield from record(*facts)


def _without_undo(state: RunState, extent: Extent, spared: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the steps that changed something and that nothing gives back, with the reason."""
    if extent.debts_only:
        return
    steps = {seen.key: seen for seen in [*state.superseded, *state.steps.values()]}
    for seen in steps.values():
        is_known = seen.undoes or seen.settles or seen.key in state.ledger.debts
        did_nothing = not seen.attempts or seen.reads or seen.key in spared
        if did_nothing or not _is_meant(seen, extent):
            continue
        if seen.status == "failed":
            yield seen.key, "it failed: what it may have done is not undone"
        elif seen.status in ("running", "waiting"):
            yield seen.key, "it was not completed: what it may have done is not undone"
        elif not is_known and seen.status != "skipped":
            yield seen.key, "it has no undo"
