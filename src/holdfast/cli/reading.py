"""The store, opened by a command that only reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holdfast.cli.options import Common
from holdfast.errors import UsageError
from holdfast.ports.store import StoreAbsent

if TYPE_CHECKING:
    from holdfast.ports.store import Store


@contextmanager
def reading(common: Common, run: str | None = None) -> Iterator[Store]:
    """Open the store to read. Raises StoreAbsent when there is none; of a `run` that was asked
    for UsageError, which names it."""
    try:
        store = common.open(create=False, read_only=True)
    except StoreAbsent as absent:
        if run is None:
            raise
        raise UsageError(f"no run {run!r}: {absent}") from absent
    try:
        yield store
    finally:
        store.close()
