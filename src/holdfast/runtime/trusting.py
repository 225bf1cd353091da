"""The trials of a step as they stand now: what died elsewhere without a word is seen."""

from __future__ import annotations

from datetime import datetime

from holdfast.model.trials import KEPT_MAX, Trial
from holdfast.model.trust import settled
from holdfast.ports.store import Store
from holdfast.runtime.ownership import is_at_work


def trials_now(
    store: Store, workflow: str, step: str, now: datetime, limit: int = KEPT_MAX
) -> tuple[Trial, ...]:
    """Return the newest `limit` trials of a step, newest first, and before them those that began
    in a process that is gone: they were interrupted."""

    def is_going_on(run: str) -> bool:
        row = store.row(run)
        # In doubt it does not go on, and the step asks.
        return row is not None and is_at_work(row, now)

    return settled(store.trials(workflow, step, limit), is_going_on)
