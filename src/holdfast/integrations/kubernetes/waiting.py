"""Judge, from one look after another, whether something became ready, or never will."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from holdfast.integrations.kubernetes.pods import Broken, Standing
from holdfast.model.making import dataclass, field

Verdict: TypeAlias = Literal["ready", "broken", "wait"]

BROKEN_S: Final = 1.0
"""How long a container must be broken, from one look to a later one, to be believed."""
BROKEN_BEFORE_S: Final = 15.0
"""The same where its status may be about the image before."""
RENAMED_S: Final = 30.0
"""How long a pod must be ready although its status names another image: what was changed is not
ready for a moment within that, so the runtime calls the same image by another name."""
SILENT_S_MAX: Final = 60.0
"""How long a cluster may not answer, in the middle of waiting."""
FIRST_S: Final = 0.25
MOST_S: Final = 2.0
FACTOR: Final = 1.5


@dataclass(slots=True)
class Looks:
    """What one look after another came to. Times are monotonic seconds."""

    count: int = 0
    broken: Broken | None = None
    _broken_since: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _renamed_since: float | None = None
    _silent_since: float | None = None

    def judge(self, standing: Standing, broken: Sequence[Broken], at: float) -> Verdict:
        """Return what this look, after those before it, says."""
        self.count, self._silent_since = self.count + 1, None
        if standing.is_ready and standing.is_current:
            return "ready"
        if self._is_long_broken(broken, at):
            return "broken"
        if not standing.is_ready:
            self._renamed_since = None
        elif self._renamed_since is None:
            self._renamed_since = at
        elif at - self._renamed_since >= RENAMED_S:
            return "ready"
        return "wait"

    def is_silent(self, at: float) -> bool:
        """Whether the cluster has not answered for too long; it did not now."""
        self.count += 1
        self._silent_since = at if self._silent_since is None else self._silent_since
        return at - self._silent_since > SILENT_S_MAX

    @property
    def next_s(self) -> float:
        """How long to wait before the next look."""
        return float(min(MOST_S, FIRST_S * FACTOR ** min(self.count - 1, 20)))

    def _is_long_broken(self, broken: Sequence[Broken], at: float) -> bool:
        now = {(each.namespace, each.pod, each.container): each for each in broken}
        self._broken_since = {key: self._broken_since.get(key, at) for key in now}
        for key, since in self._broken_since.items():
            self.broken = now[key]
            if at - since >= (BROKEN_S if now[key].is_current else BROKEN_BEFORE_S):
                return True
        return False


def monotonic() -> float:
    """Return seconds that only grow."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Wait a little before the next look."""
    time.sleep(seconds)
