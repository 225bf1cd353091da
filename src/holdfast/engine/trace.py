"""What one life has reached in one scope, beside what the journal recorded there.

A script has no positions, only names, so the question "was something inserted or removed?" is
answered by comparing two sets: the members of the scope that earlier lives finished, and those
that this life has reached. A member is a step or a scope; only finished ones count, because
an unfinished step may be edited freely.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from holdfast.model.state import RunState


class Trace:
    """One scope as this life walks through it."""

    def __init__(self, state: RunState, scope: str = "", parent: Trace | None = None) -> None:
        known = state.scope(scope)
        self.scope = scope
        self.parent = parent
        self.pending: dict[str, None] = dict(known.members)
        self.overlapped = known.overlapped
        self.labels: dict[str, int] = {}
        self.task: object = None
        self.after: list[tuple[BaseException, int]] = []

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

    def unreached(self, *, at_end: bool) -> tuple[str, ...]:
        """Return finished members not reached yet that a new step here would come before.

        Where recorded steps overlapped in time their order means nothing, so gone ones are
        judged `at_end` of the scope only.
        """
        if at_end:
            return tuple(self.pending)
        return tuple(
            key for trace in self.chain() if trace.pending and not trace.overlapped
            for key in trace.pending
        )  # fmt: skip
