"""Which items of a batch are done: one bit each, in segments of 65,536.

A segment is written as a whole whenever one of its bits changed, so it has to be small: one that
is full, or full up to a place, is a few bytes, and any other is its bitmap, compressed. Every
encoded segment carries a version and a checksum. One that does not decode stops the run: to take
it for "nothing done" would repeat work, to take it for "all done" would lose some.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from holdfast.errors import StoreCorrupt

SEGMENT_ITEMS: Final = 65_536
_BYTES: Final = SEGMENT_ITEMS // 8
_FULL: Final = b"\xff" * _BYTES

_VERSION: Final = 1
_PREFIX, _BITMAP = 0, 1
"""The forms of a segment: the first so many bits, or all of them, compressed."""
_CRC_BYTES: Final = 4


class Bits:
    """A set of ordinals, which costs a bit for each of a segment that is not full or empty."""

    def __init__(self) -> None:
        self._segments: dict[int, bytearray | None] = {}
        self._counts: dict[int, int] = {}
        self._total = 0

    def __len__(self) -> int:
        return self._total

    def __contains__(self, ordinal: int) -> bool:
        number, place = divmod(ordinal, SEGMENT_ITEMS)
        segment = self._segments.get(number, _EMPTY)
        return segment is None or bool(segment[place >> 3] >> (place & 7) & 1)

    def add(self, ordinal: int) -> bool:
        """Put one in; return False when it was there."""
        number, place = divmod(ordinal, SEGMENT_ITEMS)
        segment = self._segments.get(number, _EMPTY)
        if segment is None:
            return False
        if segment is _EMPTY:
            segment = self._segments[number] = bytearray(_BYTES)
        at, bit = place >> 3, 1 << (place & 7)
        if segment[at] & bit:
            return False
        segment[at] |= bit
        self._total += 1
        count = self._counts[number] = self._counts.get(number, 0) + 1
        if count == SEGMENT_ITEMS:
            self._segments[number] = None
        return True

    def add_run(self, first: int, count: int) -> int:
        """Put in so many from `first` on; return how many of them were not there."""
        added, last = 0, first + count
        while first < last:
            number, place = divmod(first, SEGMENT_ITEMS)
            until = min(SEGMENT_ITEMS, place + last - first)
            added += self._fill(number, place, until)
            first += until - place
        return added

    def _fill(self, number: int, place: int, until: int) -> int:
        segment = self._segments.get(number, _EMPTY)
        if segment is None:
            return 0
        if segment is _EMPTY:
            segment = self._segments[number] = bytearray(_BYTES)
        start, end = place >> 3, (until + 7) >> 3
        before = int.from_bytes(segment[start:end], "little")
        after = before | ((1 << (until - place)) - 1) << (place & 7)
        segment[start:end] = after.to_bytes(end - start, "little")
        added = (after ^ before).bit_count()
        self._total += added
        count = self._counts[number] = self._counts.get(number, 0) + added
        if count == SEGMENT_ITEMS:
            self._segments[number] = None
        return added

    def discard(self, ordinal: int) -> bool:
        """Take one out; return False when it was not there."""
        if ordinal not in self:
            return False
        number, place = divmod(ordinal, SEGMENT_ITEMS)
        segment = self._segments[number]
        if segment is None:
            segment = self._segments[number] = bytearray(_FULL)
        segment[place >> 3] ^= 1 << (place & 7)
        self._counts[number] -= 1
        self._total -= 1
        return True

    def missing_from(self, ordinal: int) -> int:
        """Return the first ordinal at or after this one that is not in the set."""
        number, place = divmod(ordinal, SEGMENT_ITEMS)
        while True:
            segment = self._segments.get(number, _EMPTY)
            if segment is not None:
                for at in range(place >> 3, _BYTES):
                    if segment[at] != 0xFF:
                        break
                else:
                    number, place = number + 1, 0
                    continue
                free = [bit for bit in range(8) if not segment[at] >> bit & 1]
                first = place & 7 if at == place >> 3 else 0
                later = [bit for bit in free if bit >= first]
                if later:
                    return number * SEGMENT_ITEMS + at * 8 + later[0]
                place = (at + 1) * 8
                if place < SEGMENT_ITEMS:
                    continue
            number, place = number + 1, 0

    def highest(self) -> int:
        """Return the highest ordinal in the set, -1 for an empty one."""
        for number in sorted(self._counts, reverse=True):
            if self._counts[number]:
                segment = self._segments[number]
                bits = (
                    SEGMENT_ITEMS
                    if segment is None
                    else int.from_bytes(segment, "little").bit_length()
                )
                return number * SEGMENT_ITEMS + bits - 1
        return -1

    # --- encoded ---

    def encoded(self, number: int) -> bytes:
        """Return one segment as it is stored."""
        segment = self._segments.get(number, _EMPTY)
        if segment is None:
            return _sealed(_PREFIX, SEGMENT_ITEMS.to_bytes(4, "big"))
        count = self._counts.get(number, 0)
        # The first `count` bits and no other: what a batch looks like that runs in order.
        if int.from_bytes(segment, "little") == (1 << count) - 1:
            return _sealed(_PREFIX, count.to_bytes(4, "big"))
        return _sealed(_BITMAP, zlib.compress(segment, 1))

    def load(self, number: int, blob: bytes) -> None:
        """Take a stored segment in. Raises StoreCorrupt for one that `encoded` did not write."""
        segment = _opened(number, blob)
        count = int.from_bytes(segment, "little").bit_count()
        if count:
            self._segments[number] = None if count == SEGMENT_ITEMS else segment
            self._total += count - self._counts.get(number, 0)
            self._counts[number] = count


_EMPTY: Final = bytearray(_BYTES)
"""Shared by all segments in which nothing is done yet; never written to."""


def segment_of(ordinal: int) -> int:
    """Return the number of the segment that an ordinal is in."""
    return ordinal // SEGMENT_ITEMS


def segments_of(stored: Mapping[int, bytes]) -> Bits:
    """Return the set that stored segments make together. Raises StoreCorrupt."""
    bits = Bits()
    for number, blob in stored.items():
        bits.load(number, blob)
    return bits


def intervals(ordinals: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each stretch of neighbours; `ordinals` are in order."""
    first = last = None
    for ordinal in ordinals:
        if first is None or last is None:
            first = last = ordinal
        elif ordinal == last + 1:
            last = ordinal
        else:
            yield first, last
            first = last = ordinal
    if first is not None and last is not None:
        yield first, last


def _sealed(form: int, body: bytes) -> bytes:
    head = bytes((_VERSION, form)) + body
    return head + zlib.crc32(head).to_bytes(_CRC_BYTES, "big")


def _opened(number: int, blob: bytes) -> bytearray:
    head, crc = blob[:-_CRC_BYTES], blob[-_CRC_BYTES:]
    if len(head) < 2 or zlib.crc32(head).to_bytes(_CRC_BYTES, "big") != crc:
        raise _corrupt(number, "its checksum does not fit")
    if head[0] != _VERSION:
        raise _corrupt(number, f"it is of version {head[0]}; was it written by a newer holdfast?")
    form, body = head[1], head[2:]
    if (
        form == _PREFIX
        and len(body) == 4
        and (count := int.from_bytes(body, "big")) <= SEGMENT_ITEMS
    ):
        return bytearray(((1 << count) - 1).to_bytes(_BYTES, "little"))
    if form == _BITMAP:
        try:
            opener = zlib.decompressobj()
            segment = opener.decompress(body, _BYTES + 1)
        except zlib.error as problem:
            raise _corrupt(number, str(problem)) from problem
        if len(segment) == _BYTES and opener.eof:
            return bytearray(segment)
    raise _corrupt(number, "it is not of a form that holdfast writes")


def _corrupt(number: int, why: str) -> StoreCorrupt:
    first = number * SEGMENT_ITEMS
    return StoreCorrupt(
        f"segment {number} of a batch (items {first} to {first + SEGMENT_ITEMS - 1}) does not "
        f"decode: {why}; which of them are done is not known, and is not guessed"
    )
