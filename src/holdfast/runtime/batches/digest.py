"""The digest of what a batch left in the store: recorded with its result, and compared later."""

from __future__ import annotations

from typing import Final

from holdfast.model.hashing import blake2b
from holdfast.ports.batches import BatchStore

DIGEST_BYTES: Final = 16
PAGE: Final = 1_000


def digest_of(store: BatchStore, run: str, key: str) -> str:
    """Return the digest of a batch's segments and rows, as they are stored. Raises StoreError."""
    found = blake2b(digest_size=DIGEST_BYTES)
    segments = store.segments(run, key)
    for number in sorted(segments):
        found.update(number.to_bytes(8, "big") + segments[number])
    after = -1
    while True:
        page = store.items(run, key, after=after, limit=PAGE)
        for row in page:
            line = f"{row.ordinal} {row.status} {row.key}\n"
            found.update(line.encode(errors="backslashreplace"))
        if len(page) < PAGE:
            return found.hexdigest()
        after = page[-1].ordinal
