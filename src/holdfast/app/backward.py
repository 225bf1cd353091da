"""Going back, as a person is told of it: what could be undone, what is owed, what was left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from holdfast.app.judging import person_named
from holdfast.app.views import RunView
from holdfast.model.state import RunState

LEFT_SHOWN_MAX: Final = 20


def undo_count(state: RunState) -> int:
    """Return how many steps a rollback would undo; 0 when none is possible any more."""
    return 0 if state.ledger.points else len(state.ledger.standing)


def owed_labels(state: RunState) -> list[str]:
    """Return what is to be given back, as its steps are called."""
    if state.cancelled is not None:
        return []
    return [debt.owed.label for debt in state.ledger.open_debts]


def way_back(view: RunView) -> Iterator[tuple[str, str]]:
    """Yield what a resting run is in the middle of undoing, and why it may not be rolled back:
    each with its kind."""
    ledger = view.state.ledger
    failed = view.state.failed
    if ledger.rolling is not None:
        to = f" to {ledger.rolling.to}" if ledger.rolling.to else ""
        by = person_named(ledger.rolling.by)
        yield "rollback", f"{by} began to roll it back{to}: `resume` goes on with that"
    elif ledger.begun:
        yield "undoing", f"{ledger.begun} is being undone: `resume` first goes on with that"
    elif failed is not None and failed.is_undone:
        yield "undone", "nothing is committed: what its stage did is undone"
    elif view.status == "stopped" and ledger.rolled is not None and ledger.rolled.to:
        if view.state.ended_at == ledger.rolled.at:
            yield "rolled_back", f"rolled back to {ledger.rolled.to}: that runs again on `resume`"
    if ledger.points and not view.state.is_finished:
        point = ledger.points[-1]
        yield "point", f"it cannot be rolled back since {point.key!r}: {point.reason}"


def left_lines(state: RunState) -> list[str]:
    """Return the steps that the last going back left as they are, each with the reason."""
    ledger, failed = state.ledger, state.failed
    left: tuple[tuple[str, str], ...] = ()
    if ledger.rolled is not None and ledger.rolled.at == state.ended_at:
        left = ledger.rolled.left
    elif failed is not None and failed.is_undone and ledger.undone is not None:
        left = ledger.undone.left
    lines = [f"{key}: {why}" for key, why in left[:LEFT_SHOWN_MAX]]
    more = len(left) - len(lines)
    return [*lines, f"and {more} more: holdfast show --json has them all"] if more else lines
