"""How a run and its steps stand, and what its people and processes are called.

Apart from the views, which show all of a run: who starts one, or looks whether it may, asks no more
than this.
"""

from __future__ import annotations

from typing import Final

from holdfast.model.facts import Owner, Who
from holdfast.model.holds import HoldState
from holdfast.model.keys import scope_of
from holdfast.model.standing import StepState
from holdfast.model.state import RunState
from holdfast.model.status import RunStatus, StepStatus
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.ownership import LEASE_S, Liveness, liveness, whereabouts

LIVING: Final = ("alive", "stopped", "elsewhere")
"""How an owner is that may still be at work."""


def status_of(row: RunRow) -> RunStatus:
    """Return where a run stands, its owner's death included."""
    if row.status == "running" and not is_owned(row):
        return "interrupted"
    return row.status  # type: ignore[return-value]


def owner_is(row: RunRow) -> Liveness | None:
    """Return how a run's owner is, or None when it has none."""
    return None if row.owner is None else liveness(row.owner)


def is_owned(row: RunRow) -> bool:
    """Whether a process may be at work on a run."""
    return owner_is(row) in LIVING


def displaced_by(store: Store, row: RunRow, state: RunState) -> str:
    """Return the run that has the target which was taken from this one, or an empty text."""
    if state.stolen is None or state.is_finished or row.target is None:
        return ""
    holder = store.holder(row.target)
    return "" if holder is None or holder == row.id else holder


# --- its steps ----------------------------------------------------------------------------------


def step_judged(state: RunState, step: StepState, *, is_living: bool) -> tuple[StepStatus, bool]:
    """Return a step's status as a person should see it, and whether its process is gone;
    `is_living` tells whether the run's owner may be at work.

    A batch is never in doubt, only its items are; and while a person is asked about it, it waits.
    What a run that has succeeded never finished (its script went on without it, or was edited)
    does not run again: it counts no more.
    """
    if state.status == "succeeded" and step.status in ("running", "waiting"):
        return "superseded", False
    orphaned = step.status == "running" and not (is_living and step.epoch == state.epoch)
    if not step.is_batch:
        return ("in_doubt" if orphaned and step.leaves_doubt else step.status), orphaned
    is_left = orphaned and state.stopped is not None  # In order, while a person was asked.
    if step.status == "running" and (is_left or holds_of_batch(state, step.key)):
        return "waiting", False
    return step.status, orphaned


def doubtful(state: RunState, *, is_living: bool) -> list[str]:
    """Return the steps in doubt, also those that a dead owner has left so."""
    steps = list(state.steps.values())
    return [s.key for s in steps if step_judged(state, s, is_living=is_living)[0] == "in_doubt"]


def holds_of_batch(state: RunState, key: str) -> list[HoldState]:
    """Return the open holds about a batch: its budget, and its items in doubt."""
    return [
        hold
        for hold in state.open_holds
        if (hold.opened.kind == "budget" and hold.opened.key == key)
        or (hold.opened.kind == "in_doubt" and scope_of(hold.opened.key) == key)
    ]


# --- what they are called -----------------------------------------------------------------------


def person_named(who: Who) -> str:
    """Return a person, and from where: `ana@ops1`; a claimed name has the real one beside it."""
    return f"{who.claimed} ({who.user}@{who.host})" if who.claimed else f"{who.user}@{who.host}"


def process_named(owner: Owner) -> str:
    """Return a process as people look it up."""
    return f"pid {owner.pid} on {owner.host}"


def at_work_in(row: RunRow) -> str:
    """Return the process that is at work on a run; of one that cannot be seen, how that is known
    and until when."""
    assert row.owner is not None
    named = process_named(row.owner)
    if liveness(row.owner) != "elsewhere" or row.beat_at is None:
        return named
    return (
        f"{named}, {whereabouts(row.owner)}, last heard of at {row.beat_at:%H:%M:%S} UTC (once it "
        f"is silent for {LEASE_S:.0f} s it counts as gone)"
    )
