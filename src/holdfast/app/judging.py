"""How a run stands by its row, and what its people and processes are called.

Apart from the views, which show all of a run: who starts one, or looks whether it may, asks no more
than this.
"""

from __future__ import annotations

from typing import Final

from holdfast.model.facts import Owner, Who
from holdfast.model.state import RunState
from holdfast.model.status import RunStatus
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


def person_named(who: Who) -> str:
    """Return a person, and from where: `ana@ops1`; a claimed name has the real one beside it."""
    return f"{who.claimed} ({who.user}@{who.host})" if who.claimed else f"{who.user}@{who.host}"


def displaced_by(store: Store, row: RunRow, state: RunState) -> str:
    """Return the run that has the target which was taken from this one, or an empty text."""
    if state.stolen is None or state.is_finished or row.target is None:
        return ""
    holder = store.holder(row.target)
    return "" if holder is None or holder == row.id else holder


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
