"""Do the units of a wave, so many at once, until all are done or too many have failed.

    a unit ends well     its scope is closed: it is never entered again
    a unit fails         it is recorded; the others go on while the budget lasts
    too many failed      no unit begins any more; those that run end; the run holds. A yes goes on
                         without them, `retry` of what failed takes the unit up again

    a unit is set aside  it can go on only when somebody else did something. The others of its wave
                         go on, but none of its group; no wave after this one begins

What a person refused, and a mistake of the script's, is no unit's failure: it ends the run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from datetime import datetime

from holdfast.engine.effects import (
    ANSWER,
    WAIT,
    Landed,
    Outcome,
    Program,
    Raised,
    Submit,
    Wait,
    look,
    now,
    pause,
    record,
    record_at_boundary,
)
from holdfast.errors import HoldfastError, Rejected, StepFailed, UsageError, error_text, message_of
from holdfast.model.codec import digest
from holdfast.model.facts import (
    FailuresGranted,
    HoldOpened,
    HoldVoided,
    RolloutPlanned,
    UnitFailed,
)
from holdfast.model.json import Json
from holdfast.model.keys import label_of, scopes_around
from holdfast.model.making import dataclass
from holdfast.model.rolling import unit_statuses
from holdfast.model.rollout import RolloutState, may_begin
from holdfast.model.state import RunState

MESSAGE_CHARS_MAX = 1_000
_FATAL_TYPES = frozenset({"Rejected", "UsageError", "DuplicateLabel"})
Fits = Callable[[RunState, datetime], datetime]
"""When a unit may begin, from a moment on, so that it ends inside a window."""


class UnitAside(HoldfastError):
    """A unit waits for somebody outside of the run: it is begun, and has not failed."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing to be done. `call` enters its scope and returns its value; two of one `group` are
    never done together (None is no group)."""

    label: str
    key: str
    call: Callable[[], object]
    group: Hashable = None


@dataclass(slots=True)
class Quota:
    """How many units this life may still begin."""

    left: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rollout as the script describes it now. A replay only walks through what was done."""

    key: str
    waves: tuple[tuple[Unit, ...], ...]
    at_once: int = 1
    budget: int = 0
    soak_s: float = 0.0
    redact: Callable[[str], str] = str
    fits: Fits | None = None
    is_replay: bool = False
    quota: Quota | None = None

    @property
    def is_spent(self) -> bool:
        """Whether this life has begun as many units as it may."""
        return self.quota is not None and self.quota.left <= 0

    def planned(self, at: datetime) -> RolloutPlanned:
        """Return the fact that says so."""
        return RolloutPlanned(
            at,
            self.key,
            tuple(unit.key for wave in self.waves for unit in wave),
            tuple(map(len, self.waves)),
            self.budget,
            self.at_once,
            self.soak_s,
        )


def plan_rollout(rollout: Rollout) -> Program[None]:
    """Record which units are to be done, unless the journal says the same: from then on those
    that were not begun are *not reached* in every report."""
    if rollout.is_replay:
        return
    state = yield from look()
    at = yield from now()
    known, made = state.rollouts.get(rollout.key), rollout.planned(at)
    if known is None or _terms(known.planned) != _terms(made):
        yield from record(made, durable=False)
    state = yield from look()
    hold = state.holds.latest(rollout.key, "budget")
    if hold is not None and hold.status == "open" and not _is_breached(state, rollout):
        yield from record(HoldVoided(at, hold.opened.id, "what failed runs again"))


def _terms(fact: RolloutPlanned) -> object:
    return fact.units, fact.sizes, fact.budget, fact.at_once, fact.soak_s


def run_wave(rollout: Rollout, wave: Sequence[Unit]) -> Program[dict[str, Outcome]]:
    """Return each unit's outcome by label, when all of the wave have ended, and no more failed
    than the budget has or a person granted; those that may not begin now are left out.

    Raises what ended a unit that is no failure of the unit's, once the others have ended;
    Rejected when a person does not go on.
    """
    outcomes: dict[str, Outcome] = {}
    every = {unit.key: unit for units in rollout.waves for unit in units}
    state = yield from look()
    # What was begun comes first: only then is it known which groups are not free.
    begun_first = sorted(wave, key=lambda unit: unit_is_new(state, unit.key))
    waiting = {unit.key: unit for unit in begun_first}
    while waiting:
        fatal = yield from _some(rollout, waiting, outcomes)
        if fatal is not None:
            raise fatal
        if _is_breached((yield from look()), rollout):
            again = yield from _hold(rollout)
            waiting = {key: every[key] for key in again} | waiting
        elif waiting:
            break
    return outcomes


def _some(
    rollout: Rollout, waiting: dict[str, Unit], outcomes: dict[str, Outcome]
) -> Program[Exception | None]:
    """Do waiting units until none is left, or none may begin any more; return what ends the run.

    Those that run are always waited for. While too many have failed none begins that was not
    begun: what a dead process had in hand is brought to its end.
    """
    running: dict[str, Unit] = {}
    grouped = [unit for units in rollout.waves for unit in units if unit.group is not None]
    groups = {unit.key: unit.group for unit in grouped}
    labels = {unit.key: unit.label for unit in grouped}
    fatal: Exception | None = None
    while True:
        state = yield from look()
        able: Collection[str] = waiting
        if rollout.is_spent or _is_breached(state, rollout):
            able = [key for key in waiting if not unit_is_new(state, key)]
        if not running and (fatal is not None or not able):
            return fatal
        until = None
        if fatal is None:
            aside = [key for key in groups if is_aside(outcomes.get(labels[key]))]
            until = yield from _begin(rollout, able, waiting, running, groups, aside)
        if not running:
            if until is None:
                return fatal
            yield from pause(until)
            continue
        landed: Landed = yield (WAIT if until is None else Wait(until))
        for ticket, outcome in landed.items():
            unit = running.pop(ticket)
            outcomes[unit.label] = outcome
            if isinstance(outcome, Raised):
                ends_run = yield from _judge(rollout, unit, outcome.error)
                fatal = fatal or ends_run


def _begin(
    rollout: Rollout,
    able: Collection[str],
    waiting: dict[str, Unit],
    running: dict[str, Unit],
    groups: Mapping[str, Hashable],
    aside: Collection[str],
) -> Program[datetime | None]:
    """Begin what may begin now. Return when more may, where a window keeps it from that."""
    for key in may_begin(able, running, rollout.at_once, groups, aside):
        state = yield from look()
        if not rollout.is_replay and unit_is_new(state, key):
            if rollout.is_spent:
                return None
            at = yield from now()
            moment = at if rollout.fits is None else rollout.fits(state, at)
            if moment > at:
                return moment
            if rollout.quota is not None:
                rollout.quota.left -= 1
        running[key] = waiting.pop(key)
        yield Submit(key, running[key].call, "thread")
    return None


def unit_is_new(state: RunState, key: str) -> bool:
    """Whether nothing of a unit was begun: what was begun is brought to its end."""
    scope = state.scopes.get(key)
    return scope is None or not scope.kind


def is_fatal(error: Exception) -> bool:
    """Whether an error ends the run: a person's no, or a mistake of the script's."""
    if isinstance(error, StepFailed):
        return error.type in _FATAL_TYPES
    return isinstance(error, Rejected | UsageError)


def _judge(rollout: Rollout, unit: Unit, error: Exception) -> Program[Exception | None]:
    """Record that a unit failed, if it did; return what ends the run."""
    if is_fatal(error):
        return error
    if not isinstance(error, UnitAside):
        yield from _note_failure(rollout, unit, error)
    return None


def is_aside(outcome: Outcome | None) -> bool:
    """Whether a unit waits for somebody outside of the run."""
    return isinstance(outcome, Raised) and isinstance(outcome.error, UnitAside)


def _note_failure(rollout: Rollout, unit: Unit, error: Exception) -> Program[None]:
    if rollout.is_replay:
        return
    text = rollout.redact(_said(error))[:MESSAGE_CHARS_MAX]
    state = yield from look()
    known = state.rollouts.get(rollout.key)
    if known is None or known.failed.get(unit.key) != text:
        yield from record(UnitFailed((yield from now()), unit.key, rollout.key, text))


def _said(error: Exception) -> str:
    if isinstance(error, StepFailed):
        return f"{label_of(error.key)}: {error_text(error.type, error.message)}"
    return error_text(type(error).__name__, message_of(error))


# --- the budget -------------------------------------------------------------------------------


def failed_units(state: RunState, rollout: RolloutState) -> tuple[str, ...]:
    """Return the units that have failed, in the order in which they first did."""
    statuses = unit_statuses(state, rollout, list(rollout.failed))
    return tuple(unit for unit, status in statuses.items() if status == "failed")


def _is_breached(state: RunState, rollout: Rollout) -> bool:
    known = None if rollout.is_replay else state.rollouts.get(rollout.key)
    if known is None or known.spent(known.failed) <= rollout.budget:
        return False  # Also if none of them had been taken up again: the steps need not be read.
    return known.spent(failed_units(state, known)) > rollout.budget


def _hold(rollout: Rollout) -> Program[tuple[str, ...]]:
    """Hold until a person lets the rollout go on without the units that failed, or has what
    failed in one of them run again; return those. Raises Rejected."""
    state = yield from look()
    known = state.rollouts[rollout.key]
    failed = failed_units(state, known)
    while True:
        state = yield from look()
        still = set(failed_units(state, known))
        again = tuple(unit for unit in failed if unit not in still)
        hold = state.holds.latest(rollout.key, "budget")
        at = yield from now()
        if again:
            if hold is not None and hold.status == "open":
                void = HoldVoided(at, hold.opened.id, "what failed runs again")
                yield from record_at_boundary(void)
            return again
        bound = digest([rollout.key, *sorted(failed), rollout.budget])
        if hold is None or hold.is_used:
            yield from record_at_boundary(_opened(rollout, state, known, failed, bound, at))
        elif hold.opened.digest != bound or hold.opened.electorate != state.terms.electorate:
            why = "what it asked about changed"
            yield from record_at_boundary(HoldVoided(at, hold.opened.id, why))
        elif hold.answer is None:
            yield ANSWER
        elif hold.answer.answer == "approve":
            answer = hold.answer
            yield from record(FailuresGranted(at, rollout.key, answer.by, failed, answer.comment))
            return ()
        else:
            raise Rejected("going on with the rollout", hold.answer.by.name, hold.answer.comment)


def _shown(state: RunState, known: RolloutState, failed: Sequence[str]) -> list[Json]:
    """Return each of these units with why it failed, and which of its steps did."""
    steps: dict[str, list[Json]] = {unit: [] for unit in failed}
    for step in list(state.steps.values()):
        if step.status == "failed":
            for around in scopes_around(step.key):
                if around in steps:
                    steps[around].append(step.key)
    return [{"unit": u, "why": known.failed.get(u, ""), "steps": steps[u]} for u in failed]


def _opened(
    rollout: Rollout,
    state: RunState,
    known: RolloutState,
    failed: Sequence[str],
    bound: str,
    at: datetime,
) -> HoldOpened:
    units = known.planned.units
    statuses = unit_statuses(state, known, units)
    counts: dict[str, int] = {}
    for status in statuses.values():
        counts[status] = counts.get(status, 0) + 1
    left: list[Json] = [unit for unit, status in statuses.items() if status == "not reached"]
    evidence: dict[str, Json] = {
        "failed": _shown(state, known, failed),
        "units": {**counts},
        "not_reached": left,
        "budget": rollout.budget,
    }
    count = f"{len(failed)} of {len(units)} units failed (budget {rollout.budget})"
    names = ", ".join(map(label_of, failed[:3])) + (", …" if len(failed) > 3 else "")
    question = f"{count}: {names}; go on without {'it' if len(failed) == 1 else 'them'}?"
    return HoldOpened(
        at, state.holds.new_id(), "budget", rollout.key, question, bound, evidence,
        state.terms.electorate,
    )  # fmt: skip
