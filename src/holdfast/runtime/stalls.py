"""Watches a life for silence: something runs, and nothing was heard of it for long.

A thread of its own looks. It reads times and names only, and whatever it finds, the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

from holdfast.ports.clock import Clock

Stalled = Callable[[tuple[str, ...], float], None]
"""Told which steps run, and for how many seconds nothing was heard."""


class StallWatch:
    """Calls `stalled` once in each silence of `after_s` while a step runs."""

    def __init__(self, clock: Clock, after_s: float, stalled: Stalled) -> None:
        self._clock, self._after_s, self._stalled = clock, after_s, stalled
        self._running: dict[str, None] = {}
        self._heard_at = clock.monotonic()
        self._over = Event()
        self._thread = Thread(target=self._watch, name="holdfast stall watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end; nothing is told from now on."""
        self._over.set()

    def begin(self, key: str) -> None:
        """A step's body begins, and its silence with it."""
        self.heard()
        self._running[key] = None

    def end(self, key: str) -> None:
        """It is over, in whatever way."""
        self._running.pop(key, None)

    def heard(self) -> None:
        """Something was recorded, written or reported: the silence begins anew. Costs little."""
        self._heard_at = self._clock.monotonic()

    def _watch(self) -> None:
        told_at: float | None = None
        wait_s = self._after_s
        while not self._over.wait(self._clock.wait_s(wait_s)):
            heard_at = self._heard_at
            silent_s = self._clock.monotonic() - heard_at
            # What is heard later than now is no silence before another `after_s` have passed.
            wait_s = self._after_s - silent_s if silent_s < self._after_s else self._after_s
            running = tuple(self._running)
            if silent_s >= self._after_s and running and heard_at != told_at:
                told_at = heard_at
                self._stalled(running, silent_s)
