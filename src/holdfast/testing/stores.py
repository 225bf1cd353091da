"""The contract of a store, as tests: every promise of `holdfast.ports.store` and `.batches`.

    class TestMine(StoreSuite):
        def open(self, place):
            return MyStore(place / "journal")

`place` is a `pathlib.Path` of an empty directory, given by pytest. Opening the same place again,
while the first store is open or after it was closed, must show the same runs.
"""

from __future__ import annotations

from holdfast.testing.store_batches import Batches, Ledgers, Manifests
from holdfast.testing.store_debts import Debts
from holdfast.testing.store_journals import Journals, Others
from holdfast.testing.store_locks import Locks
from holdfast.testing.store_rows import Outputs, Rows, Values
from holdfast.testing.store_tails import Tails
from holdfast.testing.store_trials import Trials


class BatchSuite(Batches, Manifests, Ledgers, Tails):
    """Every promise of `ports.batches`."""


class StoreSuite(Journals, Others, Locks, Rows, Values, Outputs, Trials, Debts, BatchSuite):
    """Every promise of `ports.store`; subclass it, say how to `open`, and run it with pytest."""
