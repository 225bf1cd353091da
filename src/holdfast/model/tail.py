"""The tail of a batch: what was finished since its last commit that survives a power cut.

A record is appended to it before a worker takes its next item, and survives the death of every
process: a `kill -9` repeats at most the items in flight. It is folded into the batch's segments
within 50 ms or 1,000 items, and emptied then. After a power cut nothing in it counts, because
nobody knows how much of it, and of what it speaks of, reached the disk.

Each record is checksummed on its own. The first that is torn ends what is read: it was being
written when the process died, so what it speaks of was in flight.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final, TypeAlias

from holdfast.model.items import KEY_BYTES, PRINT_BYTES
from holdfast.model.making import dataclass

_DONE: Final = struct.Struct("<cQQI")
_KEY: Final = struct.Struct(f"<cQ{KEY_BYTES}s{PRINT_BYTES}s")
_CRC: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class DoneRecord:
    """So many items are done, from an ordinal on. `output_bytes` is how long the output is with
    what they wrote."""

    ordinal: int
    output_bytes: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An item has this address."""

    ordinal: int
    key: bytes
    print: bytes


Record: TypeAlias = DoneRecord | KeyRecord


def done_record(ordinal: int, output_bytes: int = 0, count: int = 1) -> bytes:
    """Return a `DoneRecord` as it is written."""
    body = _DONE.pack(b"D", ordinal, output_bytes, count)
    return body + _CRC.pack(zlib.crc32(body))


def key_record(ordinal: int, key: bytes, fingerprint: bytes) -> bytes:
    """Return a `KeyRecord` as it is written."""
    body = _KEY.pack(b"K", ordinal, key, fingerprint)
    return body + _CRC.pack(zlib.crc32(body))


def records(tail: bytes) -> Iterator[Record]:
    """Yield what a tail says, up to the first record that is not whole."""
    at = 0
    while at < len(tail):
        layout = {b"D": _DONE, b"K": _KEY}.get(tail[at : at + 1])
        if layout is None:
            return
        end = at + layout.size
        body, crc = tail[at:end], tail[end : end + _CRC.size]
        if len(crc) < _CRC.size or _CRC.unpack(crc)[0] != zlib.crc32(body):
            return
        if layout is _DONE:
            _, ordinal, output_bytes, count = layout.unpack(body)
            yield DoneRecord(ordinal, output_bytes, count)
        else:
            _, ordinal, key, fingerprint = layout.unpack(body)
            yield KeyRecord(ordinal, key, fingerprint)
        at = end + _CRC.size
