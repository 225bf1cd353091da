"""Answer a hold: the first valid answer decides, and every answer that came is kept.

Two people may answer at once. One of them decides; the other's answer is recorded beside it,
without effect, and they are told who was first. Nothing is recorded of an answer that never
could have counted: from somebody who may not decide, or after the hold expired.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten
from typing import Final

from holdfast.app.answering import choice_text
from holdfast.app.commands import Done, decide
from holdfast.app.finding import find_hold, find_run
from holdfast.app.gates import check_gate
from holdfast.app.hold_standing import lacking
from holdfast.app.judging import is_owned
from holdfast.app.rollout_views import is_about_units
from holdfast.app.wording import ANSWERED, moment
from holdfast.errors import HoldfastError, UsageError
from holdfast.model.facts import (
    Answer,
    AttemptFailed,
    Fact,
    HoldAnswered,
    HoldOpened,
    RunFailed,
    Who,
)
from holdfast.model.holds import HoldState, meaning, refusal, voter
from holdfast.model.json import Json
from holdfast.model.making import replace
from holdfast.model.state import AUTO_REST, RunState
from holdfast.model.undo_facts import UndoBegun
from holdfast.ports.clock import Clock
from holdfast.ports.store import Store

VALUE_COLUMNS_MAX: Final = 60


class TooLate(UsageError):
    """Somebody else had decided; this answer is kept, and changes nothing."""


def answer(
    store: Store,
    run: str,
    clock: Clock,
    by: Who,
    given: Answer,
    *,
    hold: str | None = None,
    value: Json = None,
    comment: str = "",
    auto_rest: bool = False,
) -> Done:
    """Answer an open hold. Repeating an answer changes nothing.

    Durable on return. Raises UsageError, recording nothing, when there is no such hold, the
    answer does not fit it or does not count, a no has no comment, or `hold` is not named where
    the target has approvers; TooLate when it was decided otherwise before.
    """
    row = find_run(store, run)
    comment = comment.strip()  # Blanks are no reason.
    if given in ("reject", "skip") and not comment:
        raise UsageError(f"{given} needs a reason: add -m REASON")
    refused: list[HoldfastError] = []
    needs: list[str] = []

    def choose(state: RunState) -> tuple[Sequence[Fact], str]:
        refused.clear()
        needs.clear()
        found = find_hold(state, row, hold)
        opened = found.opened
        if hold is None and opened.electorate.approvers:
            raise UsageError(
                f"{row.target or row.id} has approvers: say what you answer with --hold "
                f"{opened.id} ({opened.question})"
            )
        fact = HoldAnswered(
            clock.now(), opened.id, by, given, AUTO_REST if auto_rest else value, comment,
            opened.digest,
        )  # fmt: skip
        if found.status != "open":
            return _after_the_fact(state, found, fact, row.id, refused)
        if found.is_over(fact.at):
            raise _too_old(state, found, row.id)
        check_fits(found, given, comment, row.id)
        check_counts(state, found, fact)
        facts: tuple[Fact, ...] = (fact,)
        if given == "reject" and not _is_owned(store, row.id):
            facts += _failing(state, fact, opened)
        needed = lacking(found, fact, state.starters)
        if needed:
            needs.append(needed)
        return facts, f"{opened.id} ({opened.key or 'the run'}): {_said(found, fact, needed)}"

    done = decide(store, row.id, choose)
    if refused:
        raise refused[0]
    return replace(done, leaves_open=True) if needs else done


def _said(hold: HoldState, fact: HoldAnswered, needed: str) -> str:
    """Return what an answer that counts makes of an open hold, and who else must agree."""
    past, electorate = ANSWERED[fact.answer], hold.opened.electorate
    if not needed:
        return past
    so_far = {*hold.agreeing(fact), voter(fact.by, electorate)}
    return f"{past} by {len(so_far)} of {electorate.quorum}; {needed}"


def check_counts(state: RunState, hold: HoldState, fact: HoldAnswered) -> None:
    """Raise UsageError when an answer would not count: whose it is, or when it comes."""
    why = refusal(hold.opened, fact, state.starters)
    if why:
        name = f"hold {hold.opened.id} cannot be {ANSWERED[fact.answer]} by {fact.by.name}"
        raise UsageError(f"{name}: {why}")
    if fact.value == AUTO_REST and state.terms.is_guarded:
        raise UsageError("the target names its approvers: each step asks for itself")


def check_fits(hold: HoldState, given: Answer, comment: str, run: str) -> None:
    """Raise UsageError when this kind of hold cannot be answered so."""
    kind, id = hold.opened.kind, hold.opened.id
    if kind == "in_doubt":
        raise UsageError(
            f"hold {id} asks whether {hold.opened.key} took effect: say `done` (it did) or "
            "`retry` (run it again)"
        )
    if kind == "debt" and given == "approve" and not comment:
        raise UsageError("to end a run that owes something needs a reason: add -m REASON")
    if kind == "gate":
        check_gate(hold.opened, given, comment)
    if given == "skip" and "inputs" not in hold.opened.evidence:
        raise UsageError(f"hold {id} asks about no single step: approve or reject it")
    if (kind == "question") != (given == "value") and given != "reject":
        wanted = f"holdfast answer {run} VALUE" if kind == "question" else "approve or reject"
        raise UsageError(f"hold {id} is a {kind}: use {wanted}")


def _after_the_fact(
    state: RunState, hold: HoldState, fact: HoldAnswered, run: str, refused: list[HoldfastError]
) -> tuple[Sequence[Fact], str]:
    """Return what is recorded of an answer to a hold that is decided, and what to say."""
    opened, first = hold.opened, hold.answer
    if hold.status == "void":
        raise UsageError(f"hold {opened.id} is void: what it asked about changed")
    if first is None:
        raise _too_old(state, hold, run)
    why = refusal(replace(opened, expires_at=None), fact, state.starters)
    already = f"already {ANSWERED[first.answer]} by {first.by.name}"
    if first.answer == "value":
        already += f": {shorten(choice_text(first.value), VALUE_COLUMNS_MAX, placeholder='…')}"
    has_said_so = any(
        known.by.name == fact.by.name and meaning(known) == meaning(fact) for known in hold.answers
    )
    if meaning(fact) == meaning(first):
        if has_said_so or why or state.is_finished:
            return (), already
        return (fact,), f"{already}; your answer is recorded beside it"
    if has_said_so or why or state.is_finished or first.by.name == fact.by.name:
        raise TooLate(f"hold {opened.id} was {already}")
    refused.append(
        TooLate(f"hold {opened.id} was {already}; yours is recorded, and changes nothing")
    )
    return (fact,), ""


def _too_old(state: RunState, hold: HoldState, run: str) -> UsageError:
    """Return what to tell whoever answers a hold after its time, and what to do instead."""
    opened, again = hold.opened, state.holds.latest(hold.opened.key, hold.opened.kind)
    assert opened.expires_at is not None
    if again is not None and again is not hold and again.status == "open":
        how = f"it is asked again as {again.opened.id}"
    elif hold.status == "open" and opened.on_expiry == "reject":
        how = f"`holdfast resume {run}` makes it a no, and the next one asks again"
    else:
        how = f"`holdfast resume {run}` asks again"
    until = moment(opened.expires_at)
    return UsageError(f"hold {opened.id} has expired: nobody answered until {until}; {how}")


def _is_owned(store: Store, run: str) -> bool:
    row = store.row(run)
    return row is not None and is_owned(row)


def _failing(state: RunState, no: HoldAnswered, opened: HoldOpened) -> tuple[Fact, ...]:
    """Return what a no makes of a run that nobody runs now: it has failed, and a `resume` asks
    again."""
    message = f"rejected by {no.by.name}: {no.comment}"
    # In a stage that undoes itself the next life does that first, and then asks again.
    about = opened.covers[0] if opened.covers else opened.key
    scope = "" if state.ledger.rolling else state.undone_with(about)
    undoing = (UndoBegun(no.at, scope, message),) if scope else ()
    is_of_step = opened.kind in ("confirm", "question", "budget") and not is_about_units(opened)
    if not is_of_step or opened.covers:
        return (*undoing, RunFailed(no.at, "Rejected", message))
    name = str(opened.evidence.get("name", ""))
    failed = AttemptFailed(no.at, opened.key, 0, "Rejected", message, name=name)
    return failed, *undoing, RunFailed(no.at, "Rejected", message, (opened.key,))
