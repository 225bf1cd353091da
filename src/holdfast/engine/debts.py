"""Debts: temporary state that a step made and somebody must give back.

A debt begins with the fact that its step started, because a crash in the middle may already owe.
It ends when the step that gives back succeeds for the same arguments, when going back settles it,
when a check finds the temporary state gone, or when a person accepts it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from holdfast.engine.checking import ask_check
from holdfast.engine.effects import Program, look, now, record
from holdfast.engine.hold import Asked, ask
from holdfast.engine.spec import Call, Check
from holdfast.errors import Rejected
from holdfast.model.codec import digest
from holdfast.model.facts import DebtAccepted, DebtSettled
from holdfast.model.json import Json
from holdfast.model.shown import few
from holdfast.model.state import RunState


def settled(
    state: RunState, borrowers: Iterable[str], by: str, at: datetime
) -> tuple[DebtSettled, ...]:
    """Return the facts that the success of step `by` makes true: these debts are settled."""
    owing = state.ledger.owing
    return tuple(DebtSettled(at, key, "step", by) for key in borrowers if key in owing)


def is_gone(call: Call, state: RunState) -> Program[bool]:
    """Whether the temporary state of a step that borrowed in an earlier life is found gone, so
    that the step is to borrow again. The debt is settled then, durably.

    A workflow that had returned already needs nothing any more: its step does not run again.
    """
    debt = state.ledger.owing.get(call.key)
    if debt is None or debt.epoch == state.epoch:
        return False
    says, _ = yield from ask_check(call)
    if says is not Check.ABSENT:
        return False
    repeats = not has_returned(state)
    yield from record(DebtSettled((yield from now()), call.key, "check", repeats=repeats))
    return repeats


def has_returned(state: RunState) -> bool:
    """Whether the workflow came to its end and holds because of what it owes."""
    return any(hold.opened.kind == "debt" for hold in state.open_holds)


def none_left() -> Program[None]:
    """Hold while the run owes something: until it is settled, or a person accepts it with a
    reason. Raises Rejected when a person says no."""
    state = yield from look()
    while owed := state.ledger.open_debts:
        evidence: dict[str, Json] = {
            "owed": [{"key": debt.key, "owes": debt.owed.label} for debt in owed]
        }
        count = "1 thing" if len(owed) == 1 else f"{len(owed):,} things"
        names = ", ".join(few([debt.owed.label for debt in owed]))
        question = (
            f"the workflow has returned and still owes {count}: {names}; end it all the same?"
        )
        bound = digest([[debt.key, debt.owed.label] for debt in owed])
        answer = yield from ask(
            Asked("debt", "", question, bound, evidence, state.terms.electorate)
        )
        if answer.answer != "approve":
            raise Rejected("ending with debts", answer.by.name, answer.comment)
        at = yield from now()
        yield from record(*(DebtAccepted(at, debt.key, answer.by, answer.comment) for debt in owed))
