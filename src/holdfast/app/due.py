"""Which runs can go on without a person: their time has come, or their questions are answered.

What a person stopped or paused is theirs, a failed run too, and so is one whose process died:
nothing here guesses that it should go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from holdfast.app.fleet_children import child_id, is_fleet
from holdfast.app.judging import is_owned, process_named, status_of
from holdfast.app.rollout_views import UnitView, rollouts_of
from holdfast.app.wording import moment, stands
from holdfast.errors import StoreCorrupt
from holdfast.model.making import dataclass
from holdfast.model.state import RunState
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.resting import exit_code_of

PATIENCE_S: Final = 10.0
"""What a run that is taken up because it was due may spend in waits, before it leaves them to
the next time: several runs are taken up one after another, and others should not wait for it."""
EXIT_PERSON: Final = 3
EXIT_LOCKED: Final = 5
EXIT_LATER: Final = 75
_EXIT_OF: Final = {"failed": 1, "queued": EXIT_LATER, "running": EXIT_LOCKED}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a run can go on now without a person, and why (not); `exit_code` goes with a no."""

    is_due: bool
    why: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """A run that can go on, and why it can."""

    row: RunRow
    why: str


def due_runs(store: Store, at: datetime) -> list[Due]:
    """Return the runs that can go on at a moment, the one that is due for longest first.

    Only runs that wait or are on hold are read, however many others there are.
    """
    found = []
    for row in (*store.rows(status="waiting", due_by=at), *store.rows(status="on_hold")):
        try:
            verdict = verdict_on(store, row, Journal(store, row.id).refresh(), at)
        except StoreCorrupt as problem:
            # Whoever takes it up says so in order; it keeps no other from going on.
            verdict = Verdict(True, str(problem))
        if verdict.is_due:
            found.append(Due(row, verdict.why))
    return sorted(found, key=lambda due: due.row.due_at or due.row.ended_at or at)


def interrupted_runs(store: Store) -> list[RunRow]:
    """Return the runs whose process died: nobody but a person, or a worker, takes them up."""
    return [row for row in store.rows(status="running") if status_of(row) == "interrupted"]


def verdict_on(store: Store, row: RunRow, state: RunState, at: datetime) -> Verdict:
    """Return whether a run can go on at a moment without a person."""
    if row.status not in ("waiting", "on_hold"):
        status = status_of(row)
        return Verdict(False, f"it {stands(status)}", _EXIT_OF.get(status, EXIT_PERSON))
    for why in _in_the_way(store, row, state):
        return Verdict(False, why, EXIT_PERSON)
    if row.due_at is not None and row.due_at <= at:
        return Verdict(True, f"its time came at {moment(row.due_at)}")
    holds = state.open_holds
    if row.status == "on_hold" and not holds:
        waits = _targets_in_the_way(store, row, state, at)
        if waits:
            return Verdict(False, waits, EXIT_PERSON)
        return Verdict(True, "what it asked is answered")
    until = "" if row.due_at is None else f"until {moment(row.due_at)}"
    if holds:
        asked = f"it waits for a person: {holds[0].opened.question}"
        return Verdict(False, f"{asked} {until}".rstrip(), exit_code_of(holds))
    return Verdict(False, f"it waits {until}".rstrip(), EXIT_LATER)


def _in_the_way(store: Store, row: RunRow, state: RunState) -> Iterator[str]:
    """Yield what keeps a run where it is, whatever the time."""
    if row.owner is not None and is_owned(row):
        yield f"it is running in {process_named(row.owner)}"
    if state.stop is not None:
        yield f"it was {'paused' if state.stop.pause else 'stopped'} by {state.stop.by.name}"
    if row.target is not None:
        holder = store.holder(row.target)
        if holder not in (None, row.id):
            yield f"its target {row.target} is held by run {holder}"


# --- the targets of a fleet -------------------------------------------------------------------


def in_its_way(store: Store, row: RunRow, at: datetime) -> str:
    """Return what keeps a run from going on when it is started now: a question that nobody
    answered, a person's stop, another process; an empty text when nothing does."""
    status = status_of(row)
    if status in ("succeeded", "failed", "interrupted"):
        return ""
    state = Journal(store, row.id).refresh()
    if status == "stopped" and state.stop is None:
        return ""  # A signal ended its process: nobody said that it should rest.
    verdict = verdict_on(store, row, state, at)
    # What a gate stopped, and what is in doubt, is a failure again when it is tried again.
    is_waiting = not verdict.is_due and verdict.exit_code in (EXIT_PERSON, EXIT_LOCKED)
    return verdict.why if is_waiting else ""


def begun_units(state: RunState) -> list[UnitView]:
    """Return the units of a run's rollouts that are begun, and neither done nor failed."""
    units = (unit for rollout in rollouts_of(state) for unit in rollout.units)
    return [unit for unit in units if unit.status in ("waiting", "in flight")]


def _targets_in_the_way(store: Store, row: RunRow, state: RunState, at: datetime) -> str:
    """Return what a fleet that asks nothing itself waits for; nothing when the run of one of its
    targets can go on."""
    if not is_fleet(row):
        return ""
    waits = {}
    for unit in begun_units(state):
        child = store.row(child_id(row.id, unit.label))
        text = "" if child is None else in_its_way(store, child, at)
        if not text:
            return ""
        waits[unit.label] = text
    return "; ".join(f"{target}: {text}" for target, text in waits.items())
