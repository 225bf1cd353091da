"""Which steps ran after a failure: when it ends the run, they will be run again (DESIGN 3).

A failure is noted in the scope that it reaches, and again in each scope around it as it leaves
that. A step belongs after it when it is reached later in that scope or one inside, by the same
task or by the one that walks the scope; or when it stands in an `except:` or `finally:` block.
Nothing is kept before the first failure, and one entry a step from then on.
"""

from __future__ import annotations

import sys
from collections.abc import Collection

from holdfast.engine.trace import Trace
from holdfast.model.making import dataclass, field


@dataclass(frozen=True, slots=True)
class _Reached:
    key: str
    trace: Trace
    lane: int
    handled: BaseException | None


@dataclass(slots=True)
class Afterwards:
    """What one life reached since its first failure."""

    _reached: list[_Reached] = field(default_factory=list)
    _failures: list[tuple[BaseException, Trace, int, int]] = field(default_factory=list)

    def note_failure(self, failure: BaseException, trace: Trace, lane: int) -> None:
        """Note that a failure reached this scope, in this task of it."""
        self._failures.append((failure, trace, lane, len(self._reached)))

    def note_left(self, inner: Trace, outer: Trace, lane: int) -> None:
        """Note that a scope was left by an error: its failures have reached the one around it."""
        for failure in [failure for failure, trace, *_ in self._failures if trace is inner]:
            self.note_failure(failure, outer, lane)

    def note_reached(self, key: str, trace: Trace, lane: int) -> None:
        """Note a step or scope that the script reaches now."""
        handled = sys.exception()
        if self._failures or handled is not None:
            self._reached.append(_Reached(key, trace, lane, handled))

    def keys(self, failures: Collection[BaseException]) -> list[str]:
        """Return what was reached after any of these failures, in order."""
        known = {id(failure) for failure in failures}
        places: dict[int, list[tuple[int, int]]] = {}
        for failure, trace, lane, position in self._failures:
            if id(failure) in known:
                places.setdefault(id(trace), []).append((lane, position))
        return [
            reached.key
            for position, reached in enumerate(self._reached)
            if id(reached.handled) in known or _is_after(reached, position, places)
        ]


def _is_after(reached: _Reached, position: int, places: dict[int, list[tuple[int, int]]]) -> bool:
    lane = reached.lane
    for trace in reached.trace.chain():
        for other, since in places.get(id(trace), ()):
            if position >= since and lane in (0, other):
                return True
        lane = trace.lane
    return False
