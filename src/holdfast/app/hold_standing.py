"""How an open hold stands: who must still agree to it, and whether enough people are left who may.

Where `separate` is asked for, whoever starts or resumes a run may not approve what it asks. So
approvers can become too few, by nothing but taking the run up: whoever looks must see that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from holdfast.app.wording import Field
from holdfast.model.facts import HoldAnswered, Who
from holdfast.model.holds import HoldState, barred_from, voter

RESUMING_BARS: Final = "whoever resumes it may not approve what it asks"


def lacking(hold: HoldState, fact: HoldAnswered, barred: Collection[Who]) -> str:
    """Return who else must agree once `fact` counts; nothing when it decides the hold."""
    if fact.answer == "reject":
        return ""
    agreed = dict.fromkeys((*hold.agreeing(fact), voter(fact.by, hold.opened.electorate)))
    return _needed(hold, tuple(agreed), barred)


def agreement(hold: HoldState, barred: Collection[Who]) -> tuple[Field, ...]:
    """Return who said yes to an open hold so far and who else must, where somebody has or where
    too few are left who may."""
    yes = next((given for given in hold.counted if given.answer == "approve"), None)
    agreed = () if yes is None else tuple(hold.agreeing(yes))
    needed = _needed(hold, agreed, barred)
    if agreed:
        return (("so far", f"yes of {', '.join(agreed)}; {needed}"),)
    return (("so far", needed),) if _are_too_few(hold, agreed, barred) else ()


def _needed(hold: HoldState, agreed: Sequence[str], barred: Collection[Who]) -> str:
    more = hold.opened.electorate.quorum - len(agreed)
    if more <= 0:
        return ""
    left = _left(hold, agreed, barred)
    whom = f" of {', '.join(left)}" if left else ""
    if not _are_too_few(hold, agreed, barred):
        return f"{more} more{whom} must agree"
    only = f"only {', '.join(left)} may" if left else "nobody is left who may"
    shut = ", ".join(barred_from(hold.opened.electorate, barred))
    return (
        f"{more} more must agree, but {only}: {shut} started or resumed the run. Name more "
        "approvers, and `resume` asks anew; or reject it"
    )


def _are_too_few(hold: HoldState, agreed: Sequence[str], barred: Collection[Who]) -> bool:
    electorate = hold.opened.electorate
    left = len(agreed) + len(_left(hold, agreed, barred))
    return bool(electorate.approvers) and left < electorate.quorum


def _left(hold: HoldState, agreed: Sequence[str], barred: Collection[Who]) -> list[str]:
    """Return the named approvers who may still say yes and have not."""
    electorate = hold.opened.electorate
    shut = barred_from(electorate, barred)
    return [name for name in electorate.approvers if name not in agreed and name not in shut]
