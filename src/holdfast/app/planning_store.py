"""What a plan of a new run reads of a store: what steps have earned, and what ledgers know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from holdfast.model.batches import BatchRow
from holdfast.model.trials import Trial
from holdfast.ports.store import Store


class Later:
    """Stands where a plan of a new run needs no store, and opens it when a ledger is asked for.

    A plan works where there is no store yet, and where it cannot be read, as long as nothing in the
    script depends on what it says.
    """

    url = ""

    def __init__(self, opened: Callable[[], Store | None]) -> None:
        self._opened = opened
        self._store: Store | None = None
        self._was_asked = False

    @property
    def batches(self) -> Later:
        """The part of it that speaks of batches."""
        return self

    def trials(self, workflow: str, step: str, limit: int) -> tuple[Trial, ...]:
        return ()

    def batch(self, run: str, key: str) -> BatchRow | None:
        return None

    def seen(self, ledger: str, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        store = self._now()
        return {} if store is None else store.batches.seen(ledger, keys)

    def ledgers(self) -> Sequence[tuple[str, int]]:
        store = self._now()
        return () if store is None else store.batches.ledgers()

    def _now(self) -> Store | None:
        if not self._was_asked:
            self._store, self._was_asked = self._opened(), True
        return self._store
