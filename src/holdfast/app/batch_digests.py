"""Whether the items of a batch are what its journal recorded when it succeeded."""

from __future__ import annotations

from holdfast.errors import StoreCorrupt
from holdfast.model.state import RunState
from holdfast.ports.store import Store
from holdfast.runtime.batches.digest import digest_of


def verify_digests(store: Store, run: str, state: RunState) -> None:
    """Compare the items of batches that succeeded with the digests in their results. Raises
    StoreCorrupt for one that differs."""
    for key, began in state.batches.items():
        step = state.steps.get(key)
        recorded = step.result if step is not None and step.status == "succeeded" else None
        digest = recorded.get("digest") if isinstance(recorded, dict) else None
        if digest is None:
            continue
        row = store.batches.batch(run, key)
        if row is None or row.begun_seq != began.begun_seq:
            raise StoreCorrupt(f"the items of batch {key} of run {run} are gone from the store")
        if digest_of(store.batches, run, key) != digest:
            raise StoreCorrupt(
                f"the items of batch {key} of run {run} are not what its journal recorded: they "
                "were changed since it succeeded"
            )
