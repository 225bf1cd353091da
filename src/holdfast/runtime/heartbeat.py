"""Signs of life, for those who cannot see the owner's process.

It is on another host, or in another container.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

from holdfast.errors import HoldfastError
from holdfast.ports.clock import Clock
from holdfast.runtime.journal import Journal
from holdfast.runtime.threads import start_thread

BEATS_A_LEASE = 3


class Heartbeat:
    """Says that the owner lives, a few times a lease, from a thread of its own."""

    def __init__(
        self, journal: Journal, clock: Clock, lost: Callable[[str], object], lease_s: float
    ) -> None:
        self._journal, self._clock, self._lost = journal, clock, lost
        self._every_s = lease_s / BEATS_A_LEASE
        self._over = Event()
        self._thread = Thread(target=self._beat, name="holdfast heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat. Raises ConfigError where the system has no thread left."""
        run = self._journal.run
        start_thread(
            self._thread, f"no further step of run {run} was begun", f"`holdfast resume {run}`"
        )

    def stop(self) -> None:
        self._over.set()

    def _beat(self) -> None:
        says_alive(self._journal, self._clock)
        while not self._over.wait(self._every_s):
            if not says_alive(self._journal, self._clock):
                self._lost("another process took the run over")
                return


def says_alive(journal: Journal, clock: Clock, *, always: bool = True) -> bool:
    """Beat once; return whether the run is still ours.

    Without `always` the owner is silent at times although it lives, as a shell between two of its
    steps: from the age of such a beat nobody may conclude how long it was stopped.
    """
    assert journal.epoch is not None
    at = clock.monotonic() if always else None
    try:
        return journal.store.beat(journal.run, journal.epoch, at, clock.now())
    except HoldfastError:
        # The next write of the run meets the same trouble and reports it in order.
        return True
