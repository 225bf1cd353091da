"""End the process that owns a run, now: the harder half of `stop --now`."""

from __future__ import annotations

import signal
from collections.abc import Callable

from holdfast.app.judging import process_named
from holdfast.model.facts import Owner
from holdfast.ports.store import Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import liveness, signal_owner, whereabouts

GRACE_S = 10.0
SECOND_AFTER_S = 0.5
LOOK_EVERY_S = 0.05


def end_steps(store: Store, run: str, wait: Callable[[float], object]) -> None:
    """End what a shell's processes have in hand: to signal the shell is to wait for them.

    Each is signalled twice, as an owner is, so that it records how its step ended.
    """
    state = Journal(store, run).refresh()
    at_work = [by for by in state.walk.reached.values() if by and liveness(by) == "alive"]
    for last in (False, True):
        for process in at_work:
            signal_owner(process, signal.SIGTERM)
        if at_work and not last:
            wait(SECOND_AFTER_S)


def end_owner(owner: Owner, wait: Callable[[float], object]) -> str:
    """End an owner on this host and return what it took, as a sentence.

    SIGTERM twice, as a person would with Ctrl-C, so that it can record how it ended; SIGKILL
    when it still lives after the grace. Never a process whose start time differs: the signal
    goes to the very process that was compared, not to its number.
    """
    health = liveness(owner)
    named = process_named(owner)
    if health == "elsewhere":
        return f"{named} is {whereabouts(owner)}: it stops at its next boundary"
    if health == "dead" or not signal_owner(owner, signal.SIGTERM):
        return f"{named} is gone"
    if _ended(owner, SECOND_AFTER_S, wait):
        return f"{named} has ended"
    signal_owner(owner, signal.SIGTERM)
    if health == "alive" and _ended(owner, GRACE_S, wait):
        return f"{named} has ended"
    signal_owner(owner, signal.SIGKILL)
    _ended(owner, SECOND_AFTER_S, wait)
    return f"{named} did not end by itself and was killed"


def _ended(owner: Owner, limit_s: float, wait: Callable[[float], object]) -> bool:
    waited = 0.0
    while waited < limit_s:
        if liveness(owner) == "dead":
            return True
        wait(LOOK_EVERY_S)
        waited += LOOK_EVERY_S
    return liveness(owner) == "dead"
