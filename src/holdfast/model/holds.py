"""The holds of one run: what was asked, whose answers count, and which one decided.

An answer counts when it came in time and from somebody of the hold's electorate. A yes decides
when as many people as its quorum said the same; one no decides at once. Whatever is answered
later is kept for the record and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from itertools import count

from holdfast.model.hold_facts import HoldAnswered, HoldExpired, HoldOpened, HoldVoided
from holdfast.model.jsontext import dumps
from holdfast.model.making import dataclass, field
from holdfast.model.parties import Who
from holdfast.model.terms import Electorate

_DECIDED = {"approve": "approved", "reject": "rejected"}


@dataclass(slots=True)
class HoldState:
    """A question to a person, every answer it got, those that counted, and the one that decided.

    `opened_seq` is the number of the fact that opened it. `is_used` tells that the decision was
    acted upon; `used_in` is the epoch in which it first was, when it covers more than one step.
    """

    opened: HoldOpened
    status: str = "open"
    answers: list[HoldAnswered] = field(default_factory=list)
    counted: list[HoldAnswered] = field(default_factory=list)
    answer: HoldAnswered | None = None
    opened_seq: int = 0
    is_used: bool = False
    used_in: int | None = None

    def agreeing(self, answer: HoldAnswered) -> list[str]:
        """Return who said the same as `answer` so far, in a way that counts, each once."""
        wanted, electorate = meaning(answer), self.opened.electorate
        alike = (given for given in self.counted if meaning(given) == wanted)
        return list(dict.fromkeys(voter(given.by, electorate) for given in alike))

    def is_over(self, now: datetime) -> bool:
        """Whether its time has passed without a decision, which no process has recorded yet."""
        until = self.opened.expires_at
        return self.status == "open" and until is not None and now > until

    def covers(self, key: str) -> bool:
        """Whether the decision is a yes to more than its own step, and `key` is in it."""
        answer = self.answer
        if answer is None or answer.answer != "approve":
            return False
        return key in self.opened.covers or bool(
            answer.scope and key.startswith(f"{answer.scope}/")
        )


class Holds(dict[str, HoldState]):
    """Every hold of a run, by id, in the order in which they were opened."""

    def __init__(self) -> None:
        super().__init__()
        self._about: dict[str, list[HoldState]] = {}
        self._wide: list[HoldState] = []
        self._numbers = count(1)

    @property
    def open(self) -> list[HoldState]:
        return [hold for hold in list(self.values()) if hold.status == "open"]

    def latest(self, key: str, kind: str) -> HoldState | None:
        """Return the latest hold of this kind about `key` that still says something: it is open
        or decided, or nobody answered in time, which was to be a no."""
        for hold in reversed(self._about.get(key, ())):
            is_void = hold.status == "void" or (
                hold.status == "expired" and hold.opened.on_expiry == "ask"
            )
            if hold.opened.kind == kind and not is_void:
                return hold
        return None

    def covering(self, key: str, epoch: int) -> HoldState | None:
        """Return a hold whose yes covers the step `key` in the life `epoch`, which has acted upon
        it before: a yes to a stage or a unit is good for one life."""
        for hold in reversed(self._wide):
            if hold.used_in == epoch and hold.covers(key):
                return hold
        return None

    def new_id(self) -> str:
        """Return an id that no hold has, and no other thread of this process is given."""
        return next(name for n in self._numbers if (name := f"h{n}") not in self)

    # --- the fold ---

    def opened(self, fact: HoldOpened, seq: int = 0) -> None:
        hold = self[fact.id] = HoldState(fact, opened_seq=seq)
        self._about.setdefault(fact.key, []).append(hold)

    def answered(self, fact: HoldAnswered, barred: Collection[Who]) -> HoldState | None:
        """Fold in an answer, and return the hold when this one decided it. `barred` are the
        people who started or resumed the run."""
        hold = self.get(fact.id)
        if hold is None:
            return None
        hold.answers.append(fact)
        if hold.status != "open" or refusal(hold.opened, fact, barred):
            return None
        hold.counted.append(fact)
        if fact.answer != "reject" and len(hold.agreeing(fact)) < hold.opened.electorate.quorum:
            return None
        hold.answer, hold.status = fact, _DECIDED.get(fact.answer, "answered")
        if hold.opened.covers or fact.scope:
            self._wide.append(hold)
        return hold

    def voided(self, fact: HoldVoided) -> None:
        hold = self.get(fact.id)
        if hold is not None:
            hold.status = "void"

    def expired(self, fact: HoldExpired) -> None:
        hold = self.get(fact.id)
        if hold is not None and hold.status == "open":
            hold.status = "expired"

    def void_open(self, kind: str | None = None) -> None:
        """What these holds ask about is no more: nobody need answer them."""
        for hold in self.open:
            if kind in (None, hold.opened.kind):
                hold.status = "void"

    def void_since(self, seq: int) -> list[HoldState]:
        """The run went back to before a fact: what was asked since is asked anew, so no answer
        to it is heeded any more. Return all that was asked since."""
        since = [hold for hold in self.values() if hold.opened_seq >= seq]
        for hold in since:
            if not hold.is_used:
                hold.status = "void"
        return since

    def void_unheeded(self) -> None:
        """What was asked about is not what it was: no answer is heeded that was not yet. The
        digest of a drift is the very difference, and a step in doubt has begun already."""
        for hold in self.values():
            if not hold.is_used and hold.opened.kind not in ("drift", "in_doubt"):
                hold.status = "void"

    def forget_noes(self) -> None:
        """A no, or nobody's answer, ended the run; when it is taken up again it is asked anew."""
        for hold in self.values():
            hold.is_used = hold.is_used or hold.status in ("rejected", "expired")

    def spend(self, key: str, epoch: int) -> None:
        """A decision about the step `key` was acted upon: what follows it is asked anew."""
        for hold in self._about.get(key, ()):
            if hold.opened.kind in ("in_doubt", "gate") and hold.status == "open":
                hold.status = "answered"
            if hold.status != "open" and not hold.opened.covers:
                hold.is_used = True
        for hold in self._wide:
            if hold.used_in is None and (hold.covers(key) or hold.opened.key == key):
                hold.used_in, hold.is_used = epoch, True

    def rename(self, was: str, key: str) -> None:
        self._about[key] = self._about.pop(was, [])


def voter(who: Who, electorate: Electorate) -> str:
    """Return the name by which a person's answers are counted."""
    return who.name if electorate.identity == "claimed" else who.user


def meaning(answer: HoldAnswered) -> tuple[str, str]:
    """Return what was said, whoever said it: two answers with the same meaning agree."""
    return answer.answer, dumps(answer.value) if answer.answer == "value" else ""


def barred_from(electorate: Electorate, barred: Collection[Who]) -> tuple[str, ...]:
    """Return the named approvers who may not say yes, being among `barred`."""
    if not electorate.separate:
        return ()
    names = {voter(who, electorate) for who in barred}
    return tuple(name for name in electorate.approvers if name in names)


def refusal(opened: HoldOpened, fact: HoldAnswered, barred: Collection[Who]) -> str:
    """Return why an answer does not count, or an empty text.

    Nobody is barred from saying no to what they started themselves.
    """
    electorate = opened.electorate
    name = voter(fact.by, electorate)
    if opened.expires_at is not None and fact.at > opened.expires_at:
        return f"nobody answered until {opened.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    if electorate.approvers and name not in electorate.approvers:
        return f"{name} is none of its approvers: {', '.join(electorate.approvers)}"
    if electorate.separate and fact.answer != "reject":
        if name in {voter(who, electorate) for who in barred}:
            return f"{name} started or resumed the run, and somebody else has to approve"
    return ""
