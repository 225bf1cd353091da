"""The file of slots: what each worker is at, readable after every process is gone.

16 bytes for each worker: the item's ordinal plus one and the pid of its process, little-endian;
zeros when it is at nothing. Written with one `pwrite` and never synced: it has to survive
`SIGKILL`, not the power. Here, because a worker process writes it without a store.
"""

from __future__ import annotations

import struct
from typing import Final

from holdfast.ports.batches import Slot

LAYOUT: Final = struct.Struct("<QQ")
VACANT: Final = bytes(LAYOUT.size)


def packed(item: int, pid: int) -> bytes:
    """Return the bytes of an occupied slot."""
    return LAYOUT.pack(item + 1, pid)


def unpacked(content: bytes) -> tuple[Slot | None, ...]:
    """Return what each slot says; a torn one at the end is no slot."""
    whole = len(content) - len(content) % LAYOUT.size
    return tuple(
        Slot(item - 1, pid) if item else None for item, pid in LAYOUT.iter_unpack(content[:whole])
    )
