"""What one life has reached in one scope, beside what the journal recorded there.

A script has no positions, only names, so the question "was something inserted or removed?" is
answered by comparing two sets: the members of the scope that earlier lives finished, and those
that this life has reached. A member is a step or a scope; only finished ones count, because
an unfinished step may be edited freely.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from holdfast.model.facts import Who
from holdfast.model.state import RunState

Contract = Literal["", "undo", "restore"]
"""What a stage promises: nothing, to undo itself when it fails, to restore what was changed."""


class Trace:
    """One scope as this life walks through it.

    A replay walks through what is recorded only to learn how it is given back: nothing in it is
    asked about or compared.
    """

    def __init__(
        self,
        state: RunState,
        scope: str = "",
        parent: Trace | None = None,
        lane: int = 0,
        *,
        contract: Contract = "",
        is_replay: bool = False,
    ) -> None:
        known = state.scope(scope)
        self.scope = scope
        self.parent = parent
        self.lane = lane
        self.pending: dict[str, None] = dict(known.members)
        self.passed: dict[str, Who] = dict(known.passed)
        self.overlapped = known.overlapped
        self.labels: dict[str, int] = {}
        self.task: object = None
        self.contract: Contract = contract
        self._state = state
        self.window: object = None
        self.is_replay: bool = is_replay or (parent is not None and parent.is_replay)

    @property
    def is_closed(self) -> bool:
        """Whether it is recorded that the scope has ended well."""
        return self._state.scope(self.scope).closed

    def number(self, label: str) -> int:
        """Return which call of `label` in this scope this is, from 1."""
        count = self.labels.get(label, 0) + 1
        self.labels[label] = count
        return count

    def reach(self, key: str) -> None:
        """Note that the script reached a member of this scope."""
        self.pending.pop(key, None)

    def reach_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.pending.pop(key, None)

    def chain(self) -> Iterator[Trace]:
        """Yield this scope's trace and those around it, innermost first."""
        trace: Trace | None = self
        while trace is not None:
            yield trace
            trace = trace.parent

    def undone_with(self) -> str:
        """Return the outermost scope around here that undoes itself when it fails, or nothing.

        One that has ended well is past that: what came after builds on it.
        """
        found = ""
        for trace in self.chain():
            if trace.contract == "undo" and not trace.is_closed:
                found = trace.scope
        return found

    def unreached(self, lane: int) -> tuple[str, ...]:
        """Return finished members not reached yet that a new step here would come before.

        Where recorded steps overlapped in time, or a task beside the one that walks the scope
        (its `lane` is not 0) takes the new step, order means nothing: gone members are judged
        at the end of the scope only. Those that a person let pass are not named again.
        """
        found: list[str] = []
        trace: Trace | None = self
        while trace is not None and lane == 0:
            if trace.pending and not trace.overlapped:
                found.extend(key for key in trace.pending if key not in trace.passed)
            lane, trace = trace.lane, trace.parent
        return tuple(found)
