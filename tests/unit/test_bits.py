"""A set of done items is a set, however it is stored, and a stored one is read or refused."""

from __future__ import annotations

import itertools
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import StoreCorrupt
from holdfast.model.bits import SEGMENT_ITEMS, Bits, intervals, segment_of, segments_of

EDGES = [0, 1, 7, 8, 9, SEGMENT_ITEMS - 1, SEGMENT_ITEMS, SEGMENT_ITEMS + 1, 2 * SEGMENT_ITEMS - 1]
ORDINALS = st.one_of(st.sampled_from(EDGES), st.integers(0, 40), st.integers(0, 4 * SEGMENT_ITEMS))
RUNS = st.builds(
    lambda first, size: range(first, first + size),
    ORDINALS,
    st.sampled_from([0, 9, 300, SEGMENT_ITEMS, SEGMENT_ITEMS + 9]),
)
"""Stretches of neighbours, some of them as long as a segment."""
slow = settings(deadline=None, max_examples=30)


def bits_of(ordinals: set[int]) -> Bits:
    bits = Bits()
    for ordinal in ordinals:
        assert bits.add(ordinal)
    return bits


def stored(bits: Bits, ordinals: set[int]) -> dict[int, bytes]:
    return {number: bits.encoded(number) for number in {segment_of(o) for o in ordinals}}


@given(st.lists(st.tuples(st.booleans(), ORDINALS), max_size=60))
def test_it_behaves_as_a_set(changes: list[tuple[bool, int]]) -> None:
    """After every change: what is in it, how many, and what a change says of itself."""
    bits, expected = Bits(), set[int]()
    for adds, ordinal in changes:
        if adds:
            assert bits.add(ordinal) == (ordinal not in expected)
            expected.add(ordinal)
        else:
            assert bits.discard(ordinal) == (ordinal in expected)
            expected.discard(ordinal)
        assert (len(expected), ordinal in expected) == (len(bits), ordinal in bits)
    asked = {ordinal for _, ordinal in changes} | set(EDGES)

    assert expected & asked == {ordinal for ordinal in asked if ordinal in bits}


@slow
@given(st.sets(ORDINALS, max_size=40), st.lists(RUNS, max_size=2), st.lists(ORDINALS, max_size=9))
def test_what_is_stored_is_read(ordinals: set[int], runs: list[range], taken: list[int]) -> None:
    """The same set again, which stores the same bytes and goes on like the first."""
    ordinals |= {ordinal for run in runs for ordinal in run}
    bits = bits_of(ordinals)
    blobs = stored(bits, ordinals)
    again = segments_of(blobs)
    assert len(ordinals) == len(again)
    assert blobs == stored(again, ordinals)
    for ordinal in taken:
        assert bits.discard(ordinal) == again.discard(ordinal)

    assert stored(bits, ordinals) == stored(again, ordinals)


@slow
@given(st.sets(ORDINALS, max_size=20), st.lists(RUNS, max_size=2), ORDINALS)
def test_the_next_that_is_missing_is_found(
    ordinals: set[int], runs: list[range], start: int
) -> None:
    """The first at or after a place that is not in the set."""
    ordinals |= {ordinal for run in runs for ordinal in run}
    expected = start
    while expected in ordinals:
        expected += 1

    assert expected == bits_of(ordinals).missing_from(start)


@slow
@given(st.sets(st.integers(0, SEGMENT_ITEMS - 1), max_size=30))
def test_a_damaged_segment_is_refused(ordinals: set[int]) -> None:
    """Any byte that changed, any that is missing or too many: never a guess."""
    blob = bits_of(ordinals).encoded(0)
    damaged = [blob[:at] + bytes((blob[at] ^ 0x41,)) + blob[at + 1 :] for at in range(len(blob))]
    damaged += [blob[:size] for size in range(len(blob))] + [blob + b"\0"]
    for content in damaged:
        with pytest.raises(StoreCorrupt, match="does not decode"):
            Bits().load(0, content)


def test_a_segment_of_another_version_or_form_is_refused() -> None:
    """Though its checksum fits: the sentence says what it is."""

    def sealed(head: bytes) -> bytes:
        return head + zlib.crc32(head).to_bytes(4, "big")

    too_long = zlib.compress(bytes(SEGMENT_ITEMS // 8 + 1))
    forms = {
        b"\x02\x00\0\0\0\1": "newer holdfast",
        b"\x01\x07": "not of a form",
        b"\x01\x00\0\0\0": "not of a form",
        b"\x01\x00" + (SEGMENT_ITEMS + 1).to_bytes(4, "big"): "not of a form",
        b"\x01\x01junk": "does not decode",
        b"\x01\x01" + zlib.compress(b"short"): "not of a form",
        b"\x01\x01" + too_long: "not of a form",
    }
    for head, why in forms.items():
        with pytest.raises(StoreCorrupt, match=why):
            Bits().load(0, sealed(head))


def test_a_segment_that_is_full_or_begun_in_order_is_a_few_bytes() -> None:
    """And so is one that lacks nothing any more."""
    bits = bits_of(set(range(SEGMENT_ITEMS + 1_000)))
    assert (10, 10) == (len(bits.encoded(0)), len(bits.encoded(1)))
    bits.discard(5)
    assert len(bits.encoded(0)) < 100
    bits.add(5)

    assert 10 == len(bits.encoded(0))


@given(st.sets(st.integers(0, 60)))
def test_stretches_of_neighbours_are_named_by_their_ends(ordinals: set[int]) -> None:
    """Together they are the same items, and no two of them touch."""
    found = list(intervals(sorted(ordinals)))

    assert sorted(ordinals) == [n for first, last in found for n in range(first, last + 1)]
    assert all(second[0] > first[1] + 1 for first, second in itertools.pairwise(found))
