"""Walk a workflow without doing anything: every effect is answered, none is performed.

The programs are the engine's own, so a plan cannot differ from the run: the same decisions are
taken on the same state. Facts are folded into memory only; bodies are not called, except those
of steps that declare `reads=True`, and checks, which look at the world and change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import inf

from holdfast.engine.effects import (
    Call,
    Effect,
    Outcome,
    Record,
    Returned,
    Submit,
    Wait,
)
from holdfast.engine.gate import PROBE, Foreseen
from holdfast.errors import Leaving
from holdfast.model.codec import encode
from holdfast.model.facts import Fact, HoldAnswered, StepStarted, TimerSet, Who
from holdfast.model.holds import refusal
from holdfast.model.keys import label_of
from holdfast.model.making import replace
from holdfast.model.state import HoldState, RunState
from holdfast.model.unknown import DependsOnUnknown, Eventually, Unknown
from holdfast.ports.clock import Clock
from holdfast.runtime.batches.surveying import Survey
from holdfast.runtime.blocking import Performer
from holdfast.runtime.calling import outcome_of
from holdfast.runtime.journal import Journal
from holdfast.runtime.life import Life

PLANNER = Who("plan", "")


class DryJournal(Journal):
    """A journal that folds what is appended and writes nothing."""

    def append(
        self, facts: Sequence[Fact], *, durable: bool = True, only_if_current: bool = False
    ) -> bool:
        for fact in facts:
            self._fold(fact)
        return True


class DryLife(Life):
    """A life in which nothing is recorded, waited for or asked."""

    undoes = False

    def __init__(self, journal: DryJournal, clock: Clock, *, asks_probes: bool = True) -> None:
        self.asks_probes = asks_probes
        self.surveys: dict[str, Survey] = {}
        """What batches would find in their sources, by key."""
        self.doubts = {}
        self.ahead_of_time = _Forward(clock)
        super().__init__(journal, self.ahead_of_time, _Everybody(), DryPerformer)

    def run_body(self, call: Call) -> Outcome:
        return outcome_of(call)

    def wait_until(self, moment: datetime, most_s: float = inf) -> None:
        return None

    def write_output(self, key: str, attempt: int, stream: str, text: str) -> None:
        return None

    def look_for_requests(self) -> None:
        return None


class _Forward:
    """A clock that can be put forward: what a plan waits for has come."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._reached = clock, clock.now()

    def now(self) -> datetime:
        return max(self._clock.now(), self._reached)

    def real(self) -> datetime:
        """Return the time that a probe's answer is as old as."""
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def wait_s(self, seconds: float) -> float:
        return self._clock.wait_s(seconds)

    def reach(self, moment: datetime) -> None:
        """Let it be `moment` at least."""
        self._reached = max(self._reached, moment)


class _Everybody:
    """Says yes to everything, as whoever may, so that the plan can show what comes after."""

    def attend(self, run: str, state: RunState, holds: Sequence[HoldState]) -> HoldAnswered | None:
        hold = holds[-1]
        opened = hold.opened
        if opened.kind == "in_doubt":
            # A yes decides nothing there: only a person knows whether it took effect.
            raise Leaving(f"{opened.question}: say `done` or `retry` first", 6, "park")
        answer = HoldAnswered(opened.at, opened.id, PLANNER, "approve", digest=opened.digest)
        if opened.kind == "question":
            value = encode(Unknown(f"the answer to {opened.question!r}"))
            answer = replace(answer, answer="value", value=value)
        for name in opened.electorate.approvers or (f"{PLANNER.user} {len(hold.counted)}",):
            given = replace(answer, by=Who(name, ""))
            counts = not refusal(opened, given, state.starters)
            if counts and name not in hold.agreeing(given):
                return given
        raise Leaving(f"nobody may say yes to {opened.question!r}", 3, "park")


class DryPerformer(Performer):
    """Answers effects for a plan: the bodies of steps give Unknown."""

    __slots__ = ("_asks_probes", "_clock", "_started")

    def __init__(self, life: Life) -> None:
        assert isinstance(life, DryLife)
        super().__init__(life)
        self._clock, self._asks_probes = life.ahead_of_time, life.asks_probes
        self._started: dict[str, StepStarted | TimerSet] = {}

    def __call__(self, effect: Effect) -> object:
        match effect:
            case Record(facts):
                for fact in facts:
                    if isinstance(fact, StepStarted | TimerSet):
                        self._started[fact.key] = fact
                return super().__call__(effect)
            case Submit(ticket, call):
                self.land(ticket, self.foretold(ticket) or self._outcome(ticket, call))
                return None
            case Wait(until) if not self._landed and not self._is_holding():
                if until is not None:
                    self._clock.reach(until)
                return {}
            case _:
                return super().__call__(effect)

    def _is_holding(self) -> bool:
        return bool(self._life.journal.state.open_holds)

    def land(self, ticket: str, outcome: Outcome) -> None:
        """Have the next wait find this outcome."""
        self._landed[ticket] = outcome

    def foretold(self, ticket: str) -> Outcome | None:
        """Return what a plan says in the place of a call; None for one that is to be made."""
        if ticket.endswith(PROBE):
            return None if self._asks_probes else Returned(Foreseen())
        match self._started.get(_key_of(ticket)):
            case StepStarted(reads=False, is_batch=False):
                return Returned(Unknown(label_of(_key_of(ticket))))
            case TimerSet():
                return Returned(Eventually(label_of(_key_of(ticket))))
        return None

    def _outcome(self, ticket: str, call: Call) -> Outcome:
        try:
            outcome = outcome_of(call)
        except DependsOnUnknown as unknown:
            return self.told(ticket, unknown)
        return self.told(ticket, outcome)

    def told(self, ticket: str, made: Outcome | DependsOnUnknown) -> Outcome:
        """Return what a plan says of a call that was made. Raises DependsOnUnknown for a branch
        or a nested workflow that ends in that: the plan ends in it."""
        if ticket.endswith(PROBE):
            # What it says now: a query that matches nothing is found out early.
            return Returned(_foreseen(made, self._clock.real()))
        started = self._started.get(_key_of(ticket))
        if isinstance(made, DependsOnUnknown):
            if started is None and not ticket.endswith("?"):
                raise made
            return Returned(None if started is None else Unknown(label_of(_key_of(ticket))))
        is_batch = isinstance(started, StepStarted) and started.is_batch
        if is_batch and isinstance(made, Returned):
            return Returned(Unknown(label_of(_key_of(ticket))))  # Its source was read, no more.
        return made


def _key_of(ticket: str) -> str:
    """Return the key of a ticket: a check is its own; the attempts of a step with a timeout are
    told apart."""
    return ticket if ticket.endswith("?") else ticket.partition("\0")[0]


def _foreseen(made: Outcome | DependsOnUnknown, at: datetime) -> Foreseen:
    if isinstance(made, DependsOnUnknown):
        return Foreseen()
    if isinstance(made, Returned):
        return Foreseen(at, made.value)
    return Foreseen(at, error=made.error)
