"""Take a run up: become its owner, or say who is."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from holdfast.errors import RunLocked, UsageError
from holdfast.model.facts import Commands, LifeStarted, Owner, Who
from holdfast.model.making import dataclass
from holdfast.model.terms import AUTO, Terms
from holdfast.model.trials import trials_of
from holdfast.model.undo_facts import ErrandKind
from holdfast.ports.clock import Clock
from holdfast.ports.store import RunRow
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import LEASE_S, judge, liveness, this_process
from holdfast.runtime.resting import stale_holds

CLAIM_TRIES_MAX = 100
WATCH_EVERY_S = 1.0
_SignOfLife: TypeAlias = tuple[Owner | None, float | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Claim:
    """How a process takes a run up: for whom, on what terms, from whom its target came, and for
    what if not to go on.

    With `epoch` only the very run that was looked at: nobody has taken it up since. `owner` is the
    process that is to own it, else this one; a shell was started with `commands`.
    """

    by: Who
    version: str
    resumed: bool = False
    file: str = ""
    mode: str = ""
    terms: Terms = AUTO
    stole: str = ""
    lease_s: float = LEASE_S
    errand: ErrandKind = ""
    epoch: int | None = None
    owner: Owner | None = None
    commands: Commands | None = None


def take(journal: Journal, claim: Claim, clock: Clock, tell: Callable[[str], None]) -> Journal:
    """Return the run's journal, folded up to now, under a new epoch owned by this process.

    `journal` is one that nobody owns, folded up to whenever it was read; it becomes the owner's.
    Durable on return. Raises RunLocked, changing nothing, while another owner lives; an owner that
    cannot be seen from here is watched for a lease first. `tell` hears what a person should know.
    """
    store, run = journal.store, journal.run
    watched: tuple[_SignOfLife, float] | None = None
    tries = 0
    while tries < CLAIM_TRIES_MAX:
        row = store.row(run)
        if row is None:
            raise UsageError(f"no run {run!r} in {store.url}; `holdfast list` shows what is there")
        if claim.epoch not in (None, row.epoch):
            raise RunLocked(f"run {run} was taken up by another process; nothing was changed")
        now = clock.monotonic()
        stands_still = watched is not None and watched[0] == _sign_of_life(row)
        silent_s = now - watched[1] if watched is not None and stands_still else 0.0
        verdict = judge(row, now, silent_s, claim.lease_s)
        if not verdict.may_take:
            if not _can_only_be_watched(row) or (watched is not None and not stands_still):
                raise _locked(journal, verdict.why)
            if watched is None:
                tell(f"run {row.id} is {verdict.why}; watching whether it still lives")
                watched = _sign_of_life(row), now
            time.sleep(clock.wait_s(min(WATCH_EVERY_S, claim.lease_s / 3)))
            continue
        tries, watched = tries + 1, None
        if _claim(journal, row, claim, clock, verdict.why):
            if verdict.why:
                tell(f"taken over: {verdict.why}")
            return journal
    raise RunLocked(f"run {run} changes hands too often to be taken up; try again")


def _sign_of_life(row: RunRow) -> _SignOfLife:
    return row.owner, row.beat_monotonic, row.beat_at


def _can_only_be_watched(row: RunRow) -> bool:
    """Whether time alone tells if the owner lives: it cannot be seen from here, or is stopped and
    nothing says since when."""
    assert row.owner is not None
    health = liveness(row.owner)
    return health == "elsewhere" or (health == "stopped" and row.beat_monotonic is None)


def _locked(journal: Journal, why: str) -> RunLocked:
    lives = journal.refresh().lives
    since = f", since {lives[-1].at:%Y-%m-%d %H:%M:%S} UTC" if lives else ""
    return RunLocked(f"run {journal.run} is {why}{since}; nothing was changed")


def _claim(journal: Journal, row: RunRow, claim: Claim, clock: Clock, took_over: str) -> bool:
    """Return whether the journal is ours now; False when somebody else was faster."""
    journal.refresh()
    epoch = row.epoch + 1
    fact = LifeStarted(
        clock.now(),
        epoch,
        claim.owner or this_process(),
        claim.by,
        claim.version,
        claim.resumed,
        claim.file,
        "; ".join(filter(None, (claim.stole, took_over))),
        claim.mode,
        claim.terms,
        claim.errand,
        claim.commands,
    )
    claimed = journal.store.claim(
        row.id,
        fact,
        after=journal.state.seq,
        expected_epoch=row.epoch,
        trials=trials_of(fact, journal.state, row.id),
    )
    if claimed is None:
        return False
    journal.epoch = epoch
    journal.refresh()
    voided = stale_holds(journal.state, clock.now())
    if voided:
        journal.append(voided)
    return True
