"""Take a run up: become its owner, or say who is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread

from holdfast.errors import HoldfastError, RunLocked, UsageError
from holdfast.model.facts import LifeStarted, Who
from holdfast.ports.clock import Clock
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.life import stale_holds
from holdfast.runtime.ownership import LEASE_S, judge, kill_process, liveness, this_process

CLAIM_TRIES_MAX = 100
WATCH_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Claim:
    """How a process takes a run up."""

    by: Who
    version: str
    resumed: bool = False
    file: str = ""
    mode: str = ""
    lease_s: float = LEASE_S


def take(
    store: Store, run: str, claim: Claim, clock: Clock, tell: Callable[[str], None]
) -> Journal:
    """Return the run's journal, folded, under a new epoch owned by this process.

    Durable on return. Raises RunLocked, changing nothing, while another owner lives; an owner
    on another host is watched for a lease first. `tell` hears what a person should know.
    """
    silent_since: tuple[float | None, float] | None = None
    for _ in range(CLAIM_TRIES_MAX):
        row = store.row(run)
        if row is None:
            raise UsageError(f"no run {run!r} in {store.url}; `holdfast list` shows what is there")
        now = clock.monotonic()
        if silent_since is None or silent_since[0] != row.beat_monotonic:
            silent_since = (row.beat_monotonic, now)
        verdict = judge(row, now, now - silent_since[1], claim.lease_s)
        if not verdict.may_take:
            _wait_or_refuse(row, verdict.why, silent_since, now, tell)
            continue
        if verdict.kill_pid is not None:
            kill_process(verdict.kill_pid)
        journal = _claim(store, run, row, claim, clock, verdict.why)
        if journal is not None:
            if verdict.why:
                tell(f"taken over: {verdict.why}")
            return journal
    raise RunLocked(f"run {run} changes hands too often to be taken up; try again")


def _wait_or_refuse(
    row: RunRow,
    why: str,
    silent_since: tuple[float | None, float],
    now: float,
    tell: Callable[[str], None],
) -> None:
    assert row.owner is not None
    if liveness(row.owner) != "elsewhere" or silent_since[0] != row.beat_monotonic:
        since = f", since {row.beat_at:%Y-%m-%d %H:%M:%S} UTC" if row.beat_at else ""
        raise RunLocked(f"run {row.id} is {why}{since}; nothing was changed")
    if now == silent_since[1]:
        tell(f"run {row.id} is {why}; watching whether it still lives")
    time.sleep(WATCH_EVERY_S)


def _claim(
    store: Store, run: str, row: RunRow, claim: Claim, clock: Clock, took_over: str
) -> Journal | None:
    journal = Journal(store, run)
    journal.refresh()
    epoch = row.epoch + 1
    fact = LifeStarted(
        clock.now(),
        epoch,
        this_process(),
        claim.by,
        claim.version,
        claim.resumed,
        claim.file,
        took_over,
        claim.mode,
    )
    if store.claim(run, fact, after=journal.state.seq, expected_epoch=row.epoch) is None:
        return None
    journal.epoch = epoch
    journal.refresh()
    voided = stale_holds(journal.state, clock.now())
    if voided:
        journal.append(voided)
    return journal


class Heartbeat:
    """Says that the owner lives, a few times a lease, from a thread of its own."""

    def __init__(
        self, journal: Journal, clock: Clock, lost: Callable[[str], object], lease_s: float
    ) -> None:
        self._journal, self._clock, self._lost = journal, clock, lost
        self._every_s = lease_s / 3
        self._over = Event()
        self._thread = Thread(target=self._beat, name="holdfast heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()

    def _beat(self) -> None:
        journal = self._journal
        assert journal.epoch is not None
        while not self._over.wait(self._every_s):
            try:
                mine = journal.store.beat(
                    journal.run, journal.epoch, self._clock.monotonic(), self._clock.now()
                )
            except HoldfastError:
                # The next write of the run meets the same trouble and reports it in order.
                return
            if not mine:
                self._lost("another process took the run over")
                return
