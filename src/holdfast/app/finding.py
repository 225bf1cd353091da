"""Find the run or the hold that a person means."""

from __future__ import annotations

from holdfast.app.judging import doubtful, is_owned, status_of
from holdfast.app.wording import SHOWN_MAX, stands
from holdfast.errors import UsageError
from holdfast.model.guessing import guess
from holdfast.model.state import HoldState, RunState
from holdfast.ports.store import RunRow, Store

GUESSED_FROM_MAX = 200
"""The newest runs, of which one may have been meant by an id that there is not."""


def find_run(store: Store, text: str) -> RunRow:
    """Return the run of this id, or the only one whose id begins so. Raises UsageError."""
    row = store.row(text)
    if row is not None:
        return row
    rows = store.rows(prefix=text, limit=SHOWN_MAX + 1) if text else ()
    if not rows:
        meant = guess(text, [row.id for row in store.rows(limit=GUESSED_FROM_MAX)]) or ";"
        raise UsageError(
            f"no run {text!r} in {store.url}{meant} `holdfast list` shows what is there"
        )
    if len(rows) > 1:
        names = ", ".join(row.id for row in rows[:SHOWN_MAX])
        more = ", …" if len(rows) > SHOWN_MAX else ""
        raise UsageError(
            f"{text!r} is the beginning of several runs: {names}{more}; give more of it"
        )
    return rows[0]


def find_hold(state: RunState, row: RunRow, id: str | None) -> HoldState:
    """Return the hold of this id, or the only open one. Raises UsageError."""
    run = row.id
    if id is not None:
        hold = state.holds.get(id)
        if hold is None:
            known = ", ".join(state.holds) or "none"
            raise UsageError(f"run {run} has no hold {id!r}; it has {known}")
        return hold
    open_holds = state.open_holds
    if len(open_holds) == 1:
        return open_holds[0]
    if open_holds:
        names = ", ".join(f"{h.opened.id} ({h.opened.key})" for h in open_holds)
        raise UsageError(f"run {run} waits for several answers: {names}; say which with --hold ID")
    answered = [hold for hold in state.holds.values() if hold.answers]
    if answered:
        return answered[-1]
    in_doubt = doubtful(state, is_living=is_owned(row))
    if in_doubt:
        raise UsageError(
            f"step {in_doubt[0]} of run {run} is in doubt: say `done` (it took effect) or `retry` "
            "(run it again)"
        )
    raise UsageError(f"run {run} waits for no answer: it {stands(status_of(row))}")
