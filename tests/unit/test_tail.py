"""A tail is read up to its first record that is not whole, and no damage adds one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.model.items import KEY_BYTES, PRINT_BYTES
from holdfast.model.tail import (
    DoneRecord,
    KeyRecord,
    Record,
    done_record,
    key_record,
    records,
)

NUMBERS = st.integers(0, 2**64 - 1)
RECORDS = st.lists(
    st.one_of(
        st.builds(DoneRecord, NUMBERS, NUMBERS),
        st.builds(
            KeyRecord,
            NUMBERS,
            st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES),
            st.binary(min_size=PRINT_BYTES, max_size=PRINT_BYTES),
        ),
    ),
    max_size=6,
)


def written(record: Record) -> bytes:
    if isinstance(record, DoneRecord):
        return done_record(record.ordinal, record.output_bytes)
    return key_record(record.ordinal, record.key, record.print)


@settings(deadline=None)
@given(RECORDS)
def test_what_is_written_is_read(expected: list[Record]) -> None:
    """Every record, in order."""
    tail = b"".join(map(written, expected))

    assert expected == list(records(tail))


@settings(deadline=None)
@given(RECORDS, st.binary(max_size=60))
def test_a_tail_that_is_cut_short_loses_its_last_record_alone(
    expected: list[Record], junk: bytes
) -> None:
    """Wherever it is cut: what is before it is read. So it is when something else follows."""
    pieces = list(map(written, expected))
    tail = b"".join(pieces)
    for size in range(len(tail) + 1):
        whole, at = 0, 0
        while whole < len(pieces) and at + len(pieces[whole]) <= size:
            at += len(pieces[whole])
            whole += 1

        assert expected[:whole] == list(records(tail[:size]))
    assert expected == list(records(tail + b"\0" + junk))


@settings(deadline=None)
@given(RECORDS.filter(bool), st.integers(1, 255))
def test_a_damaged_record_ends_what_is_read(expected: list[Record], change: int) -> None:
    """Any byte that changed: those before it are read, and none that was never written."""
    pieces = list(map(written, expected))
    tail = b"".join(pieces)
    starts = [sum(map(len, pieces[:n])) for n in range(len(pieces))]
    for at in range(len(tail)):
        damaged = tail[:at] + bytes((tail[at] ^ change,)) + tail[at + 1 :]
        intact = sum(start <= at for start in starts) - 1

        assert expected[:intact] == list(records(damaged))
