"""End the process that owns a run, now: the harder half of `stop --now`."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from holdfast.model.facts import Owner
from holdfast.runtime.ownership import liveness

GRACE_S = 10.0
SECOND_AFTER_S = 0.5
LOOK_EVERY_S = 0.05


def end_owner(owner: Owner, wait: Callable[[float], object]) -> str:
    """End an owner on this host and return what it took, as a sentence.

    SIGTERM twice, as a person would with Ctrl-C, so that it can record how it ended; SIGKILL
    when it still lives after the grace. Never a process whose start time differs: the signal
    goes to the very process that was compared, not to its number.
    """
    health = liveness(owner)
    named = f"pid {owner.pid} on {owner.host}"
    if health == "elsewhere":
        return f"{named} is on another host: it stops at its next boundary"
    if health == "dead" or not _signal(owner, signal.SIGTERM):
        return f"{named} is gone"
    if _ended(owner, SECOND_AFTER_S, wait):
        return f"{named} has ended"
    _signal(owner, signal.SIGTERM)
    if health == "alive" and _ended(owner, GRACE_S, wait):
        return f"{named} has ended"
    _signal(owner, signal.SIGKILL)
    _ended(owner, SECOND_AFTER_S, wait)
    return f"{named} did not end by itself and was killed"


def _signal(owner: Owner, number: signal.Signals) -> bool:
    """Signal the owner itself; False when it is gone. Raises PermissionError."""
    try:
        handle = os.pidfd_open(owner.pid)
    except ProcessLookupError:
        return False
    except (AttributeError, OSError):
        # No such call on this platform: compare, then signal.
        if liveness(owner) in ("alive", "stopped"):
            os.kill(owner.pid, number)
            return True
        return False
    try:
        if liveness(owner) not in ("alive", "stopped"):
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


def _ended(owner: Owner, limit_s: float, wait: Callable[[float], object]) -> bool:
    waited = 0.0
    while waited < limit_s:
        if liveness(owner) == "dead":
            return True
        wait(LOOK_EVERY_S)
        waited += LOOK_EVERY_S
    return liveness(owner) == "dead"
