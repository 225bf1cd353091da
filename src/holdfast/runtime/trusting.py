"""The trials of a step as they stand now: what died elsewhere without a word is seen."""

from __future__ import annotations

from datetime import datetime

from holdfast.model.trials import KEPT_MAX, Trial
from holdfast.model.trust import settled
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.ownership import LEASE_S, liveness


def trials_now(
    store: Store, workflow: str, step: str, now: datetime, limit: int = KEPT_MAX
) -> tuple[Trial, ...]:
    """Return the newest `limit` trials of a step, newest first, and before them those that began
    in a process that is gone: they were interrupted."""

    def is_going_on(run: str) -> bool:
        row = store.row(run)
        return row is not None and _is_owned(row, now)

    return settled(store.trials(workflow, step, limit), is_going_on)


def _is_owned(row: RunRow, now: datetime) -> bool:
    """Whether a process works on the run, as far as can be told: in doubt it does not, and the
    step asks."""
    if row.owner is None:
        return False
    health = liveness(row.owner)
    if health != "elsewhere":
        return health != "dead"
    # By the wall clocks of both hosts: when these disagree, somebody is asked without need.
    return row.beat_at is not None and abs((now - row.beat_at).total_seconds()) <= LEASE_S
