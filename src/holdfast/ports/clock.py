"""Where time comes from."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for facts, monotonic time for leases: a jump of the first loses neither."""

    def now(self) -> datetime:
        """Return the time, in UTC."""

    def monotonic(self) -> float:
        """Return seconds since boot, the same for every process of this host."""

    def wait_s(self, seconds: float) -> float:
        """Return how long a process must really wait for `seconds` to pass. A clock that jumps
        has moved when it returns, and says 0."""
