"""What a run would have to give back, and where it stands in giving it back: a part of the fold.

The ledger outlives the steps' own states: a step that was set aside, to run again, has changed
the world all the same, so its undo and its debt stand until they are recorded as given back.
What gives back the step `K` is a step of its own, `K#undo` or `K#owed`: no label of a script can
be called so, because `#` is escaped in labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final, Literal, Protocol, TypeAlias

from holdfast.model import facts as f
from holdfast.model.holds import Holds
from holdfast.model.keys import scope_of
from holdfast.model.making import dataclass, field
from holdfast.model.standing import ScopeState, StepState
from holdfast.model.status import StepStatus
from holdfast.model.undo_facts import Owed

UNDO: Final = "#undo"
OWED: Final = "#owed"
DebtStatus: TypeAlias = Literal["open", "settled", "accepted"]


def is_giving_back(key: str) -> bool:
    """Whether this is the key of an undo, or of what settles a debt by going back."""
    return key.endswith((UNDO, OWED))


def why_not_again(key: str, *, is_once: bool) -> str:
    """Return why somebody is asked about what is in doubt under this key. A step that may run more
    than once is in doubt when it is to be undone."""
    if is_giving_back(key):
        return f"{'An undo' if key.endswith(UNDO) else 'What gives back'} is not repeated unasked"
    return "It runs at most once" if is_once else "It is undone only if it took effect"


def is_inside(key: str, scope: str) -> bool:
    """Whether the key is of something in the scope; the empty one is the whole run."""
    return not scope or key == scope or key.startswith(f"{scope}/")


@dataclass(slots=True)
class Debt:
    """Temporary state that the step `key` may have made: from `since` on until it is settled."""

    key: str
    owed: Owed
    since: datetime
    seq: int
    epoch: int
    step: StepState
    status: DebtStatus = "open"
    settled_by: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """One thing to give back: the step's undo or its debt. `seq` is when the step completed."""

    key: str
    is_debt: bool
    seq: int

    @property
    def own_key(self) -> str:
        """The key under which giving it back is recorded."""
        return self.key + (OWED if self.is_debt else UNDO)


@dataclass(slots=True)
class Ledger:
    """What stands to be given back: `standing` undos, and of all `debts` those that are `owing`.

    `former` are finished steps that were set aside: a walk that looks for undos passes through
    them. `postponed` are failures that the next life which goes on will retry. `begun` is the
    stage that is being undone, `rolling` the rollback under way.
    """

    debts: dict[str, Debt] = field(default_factory=dict)
    owing: dict[str, Debt] = field(default_factory=dict)
    standing: dict[str, StepState] = field(default_factory=dict)
    former: dict[str, StepState] = field(default_factory=dict)
    points: list[f.PointPassed] = field(default_factory=list)
    postponed: list[f.RunFailed] = field(default_factory=list)
    begun: str = ""
    rolling: f.RollbackBegun | None = None
    rolled: f.RolledBack | None = None
    undone: f.StageUndone | None = None

    @property
    def open_debts(self) -> list[Debt]:
        return list(self.owing.values())

    @property
    def is_going_back(self) -> bool:
        """Whether something was begun to be undone, and is to be ended first."""
        return bool(self.begun) or self.rolling is not None

    def dues(self, scope: str = "", since: int = 0, *, debts_only: bool = False) -> list[Due]:
        """Return what is to be given back, the step that completed last first; its undo comes
        before its debt."""
        found = [
            Due(debt.key, True, debt.step.ended_seq or debt.seq)
            for debt in self.open_debts
            if is_inside(debt.key, scope) and debt.step.started_seq >= since
        ]
        if not debts_only:
            found += [
                Due(step.key, False, step.ended_seq)
                for step in list(self.standing.values())
                if is_inside(step.key, scope) and step.started_seq >= since
            ]
        return sorted(found, key=lambda due: (-due.seq, due.is_debt))

    def settled_within(self, scope: str) -> Iterator[str]:
        """Yield the steps whose debts were settled by a step of this scope, or by this step."""
        for debt in self.debts.values():
            if debt.status == "settled" and debt.settled_by and is_inside(debt.settled_by, scope):
                yield debt.key

    # --- the fold ---

    def started(self, fact: f.StepStarted, step: StepState, seq: int, epoch: int) -> None:
        """A step is about to borrow; a crash from now on may already owe."""
        if fact.owes is None:
            return
        known = self.owing.get(fact.key)
        if known is None:
            known = Debt(fact.key, fact.owes, fact.at, seq, epoch, step)
            self.debts[fact.key] = self.owing[fact.key] = known
        known.owed, known.step, known.epoch = fact.owes, step, epoch

    def ended(self, key: str, status: DebtStatus, by: str = "") -> None:
        """What the step borrowed is owed no more."""
        debt = self.owing.pop(key, None)
        if debt is not None:
            debt.status, debt.settled_by = status, by

    def left_out(self, key: str) -> None:
        """A person skips what would give back a debt: thereby it is accepted."""
        if key.endswith(OWED):
            self.ended(key.removesuffix(OWED), "accepted")

    def renamed(self, fact: f.StepRenamed) -> None:
        """What the step did is from now on given back under its new name."""
        if fact.was in self.standing:
            self.standing[fact.key] = self.standing.pop(fact.was)
        if (debt := self.debts.pop(fact.was, None)) is not None:
            debt.key = fact.key
            self.debts[fact.key] = debt
            if self.owing.pop(fact.was, None) is not None:
                self.owing[fact.key] = debt


def origin_of(state: Folded, key: str) -> StepState | None:
    """Return the step that is given back, as it was when it ended, or None."""
    ledger = state.ledger
    debt = ledger.debts.get(key)
    return ledger.standing.get(key) or (None if debt is None else debt.step) or state.steps.get(key)


class Folded(Protocol):
    """What these facts change of a run's state."""

    seq: int
    epoch: int
    steps: dict[str, StepState]
    superseded: list[StepState]
    scopes: dict[str, ScopeState]
    ledger: Ledger
    failed: f.RunFailed | None
    ended_at: datetime | None
    holds: Holds

    def set_aside(self, key: str, status: StepStatus = "superseded") -> None: ...

    def note_member(self, key: str) -> None: ...


def repeat(state: Folded, key: str, status: StepStatus = "superseded") -> None:
    """Set a step aside so that it runs again, also when the scopes around it are closed."""
    state.set_aside(key, status)
    while key := scope_of(key):
        scope = state.scopes.get(key)
        if scope is not None:
            scope.closed, scope.result = False, None


def take_up_failures(state: Folded, *, is_going_back: bool) -> None:
    """Grant what ended the run its attempts anew, and set aside what ran after it.

    A life that goes back retries only what gives back: the rest stays as the failure left it, so
    that the script is walked the same way, and is retried by the life that goes on.
    """
    if state.failed is not None:
        state.ledger.postponed.append(state.failed)
        _forgive(state, (key for key in state.failed.failures if is_giving_back(key)))
        state.failed = None
        state.holds.forget_noes()
    if not is_going_back:
        _retry_postponed(state)


def _retry_postponed(state: Folded) -> None:
    for failed in state.ledger.postponed:
        _forgive(state, failed.failures)
        for key in failed.superseded:
            for borrower in list(state.ledger.settled_within(key)):
                repeat(state, borrower)
            state.set_aside(key)
    state.ledger.postponed.clear()


def _forgive(state: Folded, failures: Iterable[str]) -> None:
    for key in failures:
        step = state.steps.get(key)
        if step is not None and step.status == "failed":
            step.forgiven, step.next_at = step.attempts, None
            step.status = "waiting"


def _retire(state: Folded, key: str) -> None:
    """What gave back is a thing of the past: another time it is a new step."""
    step = state.steps.pop(key, None)
    if step is not None:
        state.superseded.append(step)


def _debt_settled(state: Folded, fact: f.DebtSettled) -> None:
    state.ledger.ended(fact.key, "settled", fact.by)
    if fact.repeats:
        repeat(state, fact.key)
    _retire(state, fact.key + OWED)
    if not state.ledger.open_debts:
        state.holds.void_open("debt")


def _debt_accepted(state: Folded, fact: f.DebtAccepted) -> None:
    state.ledger.ended(fact.key, "accepted")
    state.holds.spend("", state.epoch)


def _point_passed(state: Folded, fact: f.PointPassed) -> None:
    state.ledger.points.append(fact)
    step = state.steps[fact.key] = StepState(
        fact.key, fact.label, "succeeded", epoch=state.epoch, started_at=fact.at, ended_at=fact.at
    )
    step.reached_seq = step.started_seq = step.ended_seq = state.seq
    step.decided_by, step.location, step.shown = fact.decided_by, fact.location, fact.reason
    state.note_member(fact.key)


def _undo_begun(state: Folded, fact: f.UndoBegun) -> None:
    state.ledger.begun = fact.scope
    _void_holds(state, fact.scope)


def _stage_undone(state: Folded, fact: f.StageUndone) -> None:
    ledger = state.ledger
    ledger.begun, ledger.undone = "", fact
    repeat(state, fact.scope)
    _retry_postponed(state)


def _void_holds(state: Folded, scope: str) -> None:
    """What was asked on the way forward need not be answered on the way back."""
    for hold in state.holds.open:
        if is_inside(hold.opened.key, scope):
            hold.status = "void"


def _rollback_begun(state: Folded, fact: f.RollbackBegun) -> None:
    state.ledger.rolling = fact
    _void_holds(state, "")


def _step_undone(state: Folded, fact: f.StepUndone) -> None:
    step = state.ledger.standing.pop(fact.key, None)
    if step is not None and state.steps.get(fact.key) is step:
        repeat(state, fact.key, "undone")
    elif step is not None:
        step.status = "undone"
    _retire(state, fact.key + UNDO)


def _rolled_back(state: Folded, fact: f.RolledBack) -> None:
    rolling, state.ledger.rolling = state.ledger.rolling, None
    state.ended_at = fact.at
    state.ledger.rolled = fact
    if not fact.to:
        state.holds.void_open()
    if fact.to and rolling is not None:
        for step in list(state.steps.values()):
            if step.started_seq >= rolling.since:
                repeat(state, step.key)


FOLD: Final[dict[type[f.Fact], Callable[[Any, Any], None]]] = {
    f.DebtSettled: _debt_settled,
    f.DebtAccepted: _debt_accepted,
    f.PointPassed: _point_passed,
    f.UndoBegun: _undo_begun,
    f.StageUndone: _stage_undone,
    f.RollbackBegun: _rollback_begun,
    f.StepUndone: _step_undone,
    f.RolledBack: _rolled_back,
}
