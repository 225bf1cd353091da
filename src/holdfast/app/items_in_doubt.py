"""Items that began, run at most once, and may have taken effect: nothing goes back over them."""

from __future__ import annotations

from collections.abc import Collection

from holdfast.app.batch_views import decided_since, rows_of
from holdfast.errors import InDoubt
from holdfast.model.state import RunState
from holdfast.model.typed import command
from holdfast.ports.store import Store


def refuse_items_in_doubt(
    store: Store, run: str, state: RunState, steps: Collection[str] | None = None
) -> None:
    """Raise InDoubt when an item in doubt of one of these batches (all, by default) is undecided:
    to go back over it could do it twice, or leave it done."""
    if not state.batches:
        return
    for row in store.batches.batches(run):
        meant = row.key in state.steps and (steps is None or row.key in steps)
        if not (meant and row.uncertain):
            continue
        decided = decided_since(state, row)
        for item in rows_of(store, run, row.key, "uncertain"):
            if item.key not in decided:
                names = (run, f"{row.key}/{item.key}")
                raise InDoubt(
                    f"item {names[1]} is in doubt, and must not run again before somebody says "
                    f"what became of it: {command('done', names, ('-m', 'REASON'))}, or "
                    f"{command('retry', names)}"
                )
