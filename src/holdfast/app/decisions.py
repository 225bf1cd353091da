"""Every decision that a person took in a run: who, when, from where, what and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from holdfast.app.sentences import sentence
from holdfast.app.timeline import fact_event, subject_of
from holdfast.model.facts import (
    DriftAccepted,
    Fact,
    HoldAnswered,
    ItemDecided,
    ItemsRearmed,
    LifeStarted,
    LockStolen,
    ParameterSet,
    Rechecked,
    Rewound,
    RunCancelled,
    RunCreated,
    StepRearmed,
    StepSkipped,
    StopRequested,
    Who,
)
from holdfast.model.making import dataclass
from holdfast.model.state import RunState
from holdfast.ports.store import Store

_PERSONAL: Final = (
    ItemsRearmed,
    ItemDecided,
    RunCreated,
    LifeStarted,
    HoldAnswered,
    StepSkipped,
    StepRearmed,
    DriftAccepted,
    StopRequested,
    RunCancelled,
    LockStolen,
    Rewound,
    ParameterSet,
    Rechecked,
)


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision; `what` is a sentence, `digest` what an answer was bound to."""

    seq: int
    at: datetime
    by: Who
    what: str
    digest: str = ""

    @property
    def place(self) -> str:
        """The machine and terminal that it came from."""
        return f"{self.by.host}:{self.by.tty}" if self.by.tty else self.by.host


def decisions(store: Store, run: str) -> Iterator[Decision]:
    """Yield what people decided in a run, in order. Raises StoreCorrupt."""
    state = RunState()
    for stored in store.read(run):
        fact = stored.fact
        by = _decider(fact, state)
        if by is not None:
            _, what = sentence(fact_event(stored, subject_of(fact, state)))
            yield Decision(stored.seq, fact.at, by, what, getattr(fact, "digest", ""))
        state.apply(fact)


def _decider(fact: Fact, state: RunState) -> Who | None:
    """Return the person behind a fact; None when it is the run's own doing."""
    if not isinstance(fact, _PERSONAL):
        return None
    if isinstance(fact, LifeStarted) and not fact.resumed and not state.lives:
        return None  # The life that starting the run began with.
    return fact.by
