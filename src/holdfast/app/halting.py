"""Stop everything: no run of the store begins another step until somebody resumes it."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.app.commands import Decide, decide
from holdfast.app.judging import is_owned, process_named
from holdfast.app.wording import some_of, status_words
from holdfast.errors import HoldfastError
from holdfast.model.facts import Owner, StopRequested, Who
from holdfast.model.making import dataclass
from holdfast.model.state import RunState
from holdfast.ports.clock import Clock
from holdfast.ports.store import RunRow, Store

_UNFINISHED = ("running", "waiting", "on_hold", "queued", "failed", "stopped", "paused")


@dataclass(frozen=True, slots=True)
class Halt:
    """What came of asking one run to stop. `owner` is the process that works on it, if one does;
    `error` is why it could not be asked."""

    run: str
    text: str = ""
    owner: Owner | None = None
    error: HoldfastError | None = None


def stop_all(store: Store, clock: Clock, by: Who, *, now: bool = False) -> Iterator[Halt]:
    """Ask every unfinished run to stop at its next boundary, those that a process works on first.

    Each is durable when it is yielded. One that cannot be asked keeps no other from being asked.
    """
    rows = {row.id: row for status in _UNFINISHED for row in store.rows(status=status)}
    for row in sorted(rows.values(), key=lambda row: not is_owned(row)):
        try:
            yield _stopped(store, row, clock, by, now)
        except HoldfastError as error:
            yield Halt(row.id, error=error)


def _stopped(store: Store, row: RunRow, clock: Clock, by: Who, now: bool) -> Halt:
    owner = row.owner if is_owned(row) else None
    where = "" if owner is None else f" in {process_named(owner)}"

    done = decide(store, row.id, _choose(clock, by, now, where))
    return Halt(row.id, done.text, owner)


def _choose(clock: Clock, by: Who, now: bool, where: str) -> Decide:
    def choose(state: RunState) -> tuple[tuple[StopRequested, ...], str]:
        if state.is_finished:
            return (), f"ended meanwhile: {status_words(state.status)}"
        in_hand = [
            step.key
            for step in state.steps.values()
            if step.status == "running" and step.epoch == state.epoch
        ]
        if not where:
            said = "; no process works on it"
        elif in_hand:
            said = f"; in hand{where}: {some_of(in_hand)}"
        else:
            said = f"; nothing in hand{where}"
        stop = state.stop
        if stop is not None and stop.now >= now:
            return (), f"asked to {'pause' if stop.pause else 'stop'} already{said}"
        pause = stop is not None and stop.pause
        return (StopRequested(clock.now(), by, now, pause),), f"asked to stop{said}"

    return choose
