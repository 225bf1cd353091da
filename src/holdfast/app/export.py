"""A run as one JSON document: for machines, archives and the next post-mortem."""

from __future__ import annotations

from collections import deque
from typing import Final

from holdfast.app.timeline import fact_event, output_event, plain, subject_of
from holdfast.app.upkeep import spilled_in
from holdfast.app.views import shown, view_run
from holdfast.model.json import Json
from holdfast.model.state import RunState
from holdfast.ports.store import Output, Store
from holdfast.version import VERSION

OUTPUT_LINES_MAX: Final = 10_000
"""Of a run's output, the last ones, in the JSON document."""


def export_json(store: Store, run: str) -> dict[str, Json]:
    """Return all that is known of a run: what `show` gives, its row, its facts, their chain.

    Values kept outside their rows stand in `spilled` by digest; of very long output only the
    end is there, and `output_left_out` says how many lines are not. Raises UsageError for an
    unknown run, StoreCorrupt for a journal that is not what was written.
    """
    view = view_run(store, run)
    facts: list[Json] = []
    spilled: dict[str, Json] = {}
    head, state = "", RunState()
    for stored in store.read(view.id):
        state.apply(stored.fact)
        event = fact_event(stored, subject_of(stored.fact, state))
        facts.append({**event, "epoch": stored.epoch, "chain": stored.chain})
        head = stored.chain
        value = spilled_in(stored.fact)
        if value is not None:
            spilled[value.digest] = store.load(value)
    kept: deque[Output] = deque(maxlen=OUTPUT_LINES_MAX)
    count = 0
    for _, output in store.read_output(view.id):
        kept.append(output)
        count += 1
    return {
        **shown(store, view),
        "exported_by": f"holdfast {VERSION}",
        "row": plain(view.row),
        "head": head,
        "facts": facts,
        "spilled": spilled,
        "output": [output_event(output) for output in kept],
        "output_left_out": count - len(kept),
    }
