"""Whether a run can be rolled back or settled, from where on, and what it owes."""

from __future__ import annotations

from holdfast.app.wording import latest_of, stands
from holdfast.engine.giving_back import refuse_past_no_return
from holdfast.errors import UsageError
from holdfast.flow.errands import Errand
from holdfast.model.facts import Who
from holdfast.model.keys import find
from holdfast.model.state import RunState
from holdfast.model.undoing import is_giving_back


def rollback_of(state: RunState, run: str, by: Who, to: str | None) -> Errand:
    """Return the errand of rolling a run back, or of going on with that.

    Raises UsageError when the run is over or has no such step, PastNoReturn with the reason.
    """
    if state.is_finished:
        raise UsageError(f"run {run} {stands(state.status)} already: nothing is rolled back")
    rolling = state.ledger.rolling
    if rolling is not None:
        if to is not None and (rolling.to == "" or rolling.to != to):
            whole = f"to {rolling.to}" if rolling.to else "all of it"
            raise UsageError(
                f"run {run} is being rolled back already ({whole}): go on with: "
                f"holdfast resume {run}"
            )
        return Errand("rollback", by, rolling.to, rolling.since)
    refuse_past_no_return(state, run)
    if to is None:
        return Errand("rollback", by)
    key, since = _place(state, run, to)
    return Errand("rollback", by, key, since)


def settling_of(state: RunState, run: str, by: Who) -> Errand:
    """Return the errand of settling what a run owes. Raises UsageError when that is nothing."""
    if state.is_finished:
        raise UsageError(f"run {run} {stands(state.status)} already: nothing is settled")
    if state.ledger.is_going_back:
        raise UsageError(f"run {run} is being undone, and its debts with it: holdfast resume {run}")
    if not state.ledger.open_debts:
        raise UsageError(f"run {run} owes nothing")
    return Errand("settle", by)


def _place(state: RunState, run: str, to: str) -> tuple[str, int]:
    """Return the key of the step or scope that `to` names, and the number of its first fact."""
    steps = {key: step for key, step in state.steps.items() if not is_giving_back(key)}
    keys = find(list(steps), to)
    begun = [steps[key].started_seq for key in keys if key in steps]
    if not begun:
        known = latest_of(steps)
        raise UsageError(f"no step {to!r} in run {run}; it has {known}")
    name = keys[0] if len(keys) == 1 else to.rstrip("/")
    return name, min(begun)
