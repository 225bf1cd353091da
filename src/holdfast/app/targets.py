"""The lock on a target: why another run has it, and how it is taken from one nobody works on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from holdfast.app.commands import decide
from holdfast.app.judging import is_owned, person_named, process_named, status_of
from holdfast.app.wording import stands
from holdfast.errors import RunLocked, TargetLocked, UsageError
from holdfast.model.facts import Fact, LockStolen, Who
from holdfast.model.state import RunState
from holdfast.model.status import FINISHED
from holdfast.ports.clock import Clock
from holdfast.ports.store import RunRow, Store

T = TypeVar("T")
TRIES_MAX = 10
"""How often a target that others fight for is tried for."""


def on_target(
    store: Store, clock: Clock, by: Who, steal: str | None, attempt: Callable[[], T]
) -> tuple[T, str]:
    """Return what `attempt` does, which needs its run's target, and from whom that was taken.

    A run that is over, and whose process died before it could say so, does not keep it. With
    `steal`, the reason, an unfinished run that nobody works on loses it, durably, in its own
    journal. Raises TargetLocked, saying who has the target, how that run stands and what to do.
    """
    taken = ""
    for _ in range(TRIES_MAX):
        try:
            return attempt(), taken
        except TargetLocked as locked:
            row = store.row(locked.run)
            if row is None or _is_left_behind(store, row):
                continue
            if steal is None or is_owned(row):
                raise _explained(row, locked.target, steals=steal is not None) from locked
            taken = _steal(store, clock, by, row, steal)
    raise RunLocked("several runs fight for this target; try again")


def _is_left_behind(store: Store, row: RunRow) -> bool:
    """Free the target of a run that somebody ended and whose process is gone since."""
    if row.status in FINISHED and not is_owned(row):
        store.release(row.id, row.epoch)
        return True
    return False


def _steal(store: Store, clock: Clock, by: Who, row: RunRow, reason: str) -> str:
    if not reason.strip():
        raise UsageError("--steal needs a reason: add -m REASON")

    def choose(state: RunState) -> tuple[tuple[Fact, ...], str]:
        now = store.row(row.id)
        if now is not None and is_owned(now):
            raise _explained(now, str(row.target), steals=True)
        return (LockStolen(clock.now(), by, reason),), ""

    decide(store, row.id, choose)
    return f"target {row.target} taken from run {row.id} by {person_named(by)}: {reason}"


def _explained(row: RunRow, target: str, *, steals: bool) -> TargetLocked:
    """Return the refusal with what a person needs to decide what to do."""
    run = row.id
    since = f"since {_minute(row.started_at)} by {row.started_by}"
    if not is_owned(row):
        gone = ""
        if row.owner is not None:
            gone = f"; its process, {process_named(row.owner)}, is dead"
        ways = (
            f"go on with it: holdfast resume {run}; end it: holdfast cancel {run} -m REASON; "
            "or take the target from it: --steal -m REASON"
        )
    else:
        assert row.owner is not None
        gone = f"; {process_named(row.owner)} is at work on it"
        refused = "a target is never stolen from a living process; " if steals else ""
        ways = f"{refused}see it: holdfast watch {run}; stop it: holdfast stop {run}"
    how = f", which {stands(status_of(row))} ({since}){gone}; nothing was changed. {ways}"
    return TargetLocked(target, run, how)


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
