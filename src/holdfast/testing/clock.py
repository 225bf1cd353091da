"""A clock that jumps instead of waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from holdfast.locks import Lock

SPEED = 1_000


class JumpClock:
    """Time passes only when somebody sleeps: at once, and SPEED times as much as was asked, so
    that a wait which sleeps in slices is over soon. Each look costs a microsecond."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._start = self._now = start
        self._stepped = timedelta()
        self._lock = Lock()

    def now(self) -> datetime:
        with self._lock:
            self._now += timedelta(microseconds=1)
            return self._now

    def monotonic(self) -> float:
        return (self.now() - self._stepped - self._start).total_seconds()

    def wait_s(self, seconds: float) -> float:
        self.jump(seconds * SPEED)
        return 0.0

    def step(self, seconds: float) -> None:
        """Set the wall clock alone, as a person or NTP does; monotonic time knows nothing."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._stepped += timedelta(seconds=seconds)

    def jump(self, seconds: float) -> None:
        """Let `seconds` pass, or go back by them when they are negative."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
