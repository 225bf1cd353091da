"""What is stored of a batch is checked when it is read: damage is named, and nothing is guessed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.crash.databases import written_by_the_first_release

from holdfast.app.upkeep import verify_run
from holdfast.errors import StoreCorrupt, StoreError
from holdfast.model.batches import BatchRow, Checkpoint, ItemRow
from holdfast.model.bits import Bits
from holdfast.stores.batch_rows import ENTRY_BYTES, mark_of
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.samples import AT
from holdfast.testing.store_batches import change, entries
from holdfast.testing.store_opening import owned


def full_batch(path: Path) -> None:
    """Make a store with a batch of everything."""
    bits = Bits()
    for n in range(0, 1_000, 7):
        bits.add(n * n % 60_000)
    written = Checkpoint(
        BatchRow("k", done=1_000),
        segments={0: bits.encoded(0)},
        keys=entries(0, 100),
        items=[ItemRow(3, "item 3", "failed", AT, error="no")],
        values=[(4, "item 4", {"n": 12_345})],
    )
    with closing(owned(SqliteStore(path))) as store:
        store.batches.checkpoint("r", 1, written)


def read_all(store: SqliteStore) -> None:
    batches = store.batches
    batches.segments("r", "k")
    batches.batches("r")
    batches.manifest("r", "k", 0, 20_000)
    batches.items("r", "k")
    batches.values("r", "k")


@pytest.mark.parametrize(
    ("table", "column", "names"),
    [
        ("batch_segment", "bits", "segment 0 of batch 'k' of run r"),
        ("batch_manifest", "keys", "the manifest of batch 'k' of run r from item 0 on"),
        ("batch", "body", "the row of batch 'k' of run r"),
        ("batch_item", "body", "the row of item 3 of batch 'k' of run r"),
        ("batch_value", "body", "the result of item 4 of batch 'k' of run r"),
    ],
)
def test_a_flipped_bit_is_named(tmp_path: Path, table: str, column: str, names: str) -> None:
    """In any byte of a row: reading stops and says where; so do doctor and verify."""
    path = tmp_path / "s.db"
    full_batch(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (kind, content) = connection.execute(
            f"SELECT typeof({column}), CAST({column} AS BLOB) FROM {table}"
        ).fetchone()
        change = f"UPDATE {table} SET {column} = CAST(? AS {kind})"
        for at in range(0, len(content), max(1, len(content) // 50)):
            flipped = bytearray(content)
            flipped[at] ^= 1 << at % 8
            connection.execute(change, (bytes(flipped),))
            flips = pytest.raises(StoreCorrupt, match="checksum does not fit")
            with closing(SqliteStore(path)) as store, flips as caught:
                read_all(store)

            assert str(caught.value).startswith(names)
    health = SqliteStore.inspect(path)
    assert [("r", True)] == [(run, why.startswith(names)) for run, why in health.broken_batches]
    assert (1, False) == (health.batches, health.is_clean)
    with pytest.raises(StoreError, match="is damaged: run r: "):
        SqliteStore.clear_suspect(path)
    with closing(SqliteStore(path)) as store, pytest.raises(StoreCorrupt, match=names):
        verify_run(store, "r")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE batch_segment SET id = id + 1", "segment 1 .* checksum"),
        ("UPDATE batch_item SET id = id + 1", "item 4 .* checksum"),
        ("UPDATE batch_item SET status = 'skipped'", "item 3 .* is that of item 3, failed"),
        ("UPDATE batch SET key = 'l' WHERE key = 'k2'", "is that of batch 'k2'"),
        ("DELETE FROM batch_manifest WHERE id & 0xFFFFF = 4096", "nothing for items 4096 to 8191"),
    ],
)
def test_a_row_that_was_moved_or_taken_out_is_found(
    tmp_path: Path, statement: str, why: str
) -> None:
    """A row is of its place, and a manifest has no holes."""
    path = tmp_path / "s.db"
    full_batch(path)
    with closing(SqliteStore(path)) as store:
        store.batches.checkpoint("r", 1, change(keys_at=100, keys=entries(100, 9_000)))
        store.batches.checkpoint("r", 1, change("k2"))

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(statement).rowcount == 1

    with closing(SqliteStore(path)) as store, pytest.raises(StoreCorrupt, match=why):
        read_all(store)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"version":2,"key":"k"}', "version 2; was it written by a newer holdfast"),
        ('{"key":"k"}', "of version None"),
        ('{"version":1,"key":"k","weight":1}', "unknown field 'weight'.* newer holdfast"),
        ('{"version":1,"key":"k","done":"1"}', "field 'done' .* does not decode"),
        ('{"version":1}', "lacks its field 'key'"),
        ("[1]", "not a JSON object"),
        ("{", "not JSON"),
    ],
)
def test_a_row_of_another_version_is_not_guessed_at(tmp_path: Path, body: str, why: str) -> None:
    """An unknown version, field or shape stops with a sentence, though its checksum fits."""
    path = tmp_path / "s.db"
    full_batch(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE batch SET body = ?, mark = ?", (body, mark_of(1, body)))
    with closing(SqliteStore(path)) as store, pytest.raises(StoreCorrupt, match=why):
        store.batches.batch("r", "k")


def test_a_segment_that_does_not_decode_is_found(tmp_path: Path) -> None:
    """Though it is what was written: verify and doctor name it."""
    path = tmp_path / "s.db"
    full_batch(path)
    with closing(SqliteStore(path)) as store:
        assert 1 == verify_run(store, "r").batches
        store.batches.checkpoint("r", 1, change(segments={2: b"bits"}))
        with pytest.raises(StoreCorrupt, match=r"batch 'k' of run r: segment 2 .* does not decode"):
            verify_run(store, "r")

    ((run, why),) = SqliteStore.inspect(path).broken_batches
    assert ("r", True) == (run, "segment 2" in why)


def test_small_rows_of_a_manifest_become_one(tmp_path: Path) -> None:
    """Ten thousand items that are addressed one by one leave three rows and a few, not as many."""
    path = tmp_path / "s.db"
    with closing(owned(SqliteStore(path))) as store:
        for n in range(8_195):
            written = change(keys_at=n, keys=entries(n, 1))
            store.batches.checkpoint("r", 1, written, durable=False)
        assert entries(0, 8_195) == store.batches.manifest("r", "k", 0, 9_000)
    with closing(sqlite3.connect(path)) as connection:
        sizes = [
            size // ENTRY_BYTES
            for (size,) in connection.execute("SELECT length(keys) FROM batch_manifest ORDER BY id")
        ]

    assert [4_096, 4_096, 1, 1, 1] == sizes


def test_a_store_of_an_earlier_release_has_no_batches(tmp_path: Path) -> None:
    """Read only, it keeps its old tables, and every question has an answer."""
    path = written_by_the_first_release(tmp_path / "s.db")
    with closing(SqliteStore(path, read_only=True)) as store:
        batches = store.batches
        found = [
            batches.batch("r", "k"), list(batches.batches("r")), dict(batches.segments("r", "k")),
            batches.manifest("r", "k", 0, 9), list(batches.items("r", "k")),
            batches.item("r", "k", 1), list(batches.named("r", "k", "a")),
            list(batches.values("r", "k")), list(batches.left("r", "k", 9)),
            dict(batches.seen("l", [b"k"])), list(batches.ledger("l")), list(batches.ledgers()),
        ]  # fmt: skip

    assert [None, [], {}, b"", [], None, [], [], [], {}, [], []] == found
    with closing(owned(SqliteStore(path))) as store:
        store.batches.checkpoint("r", 1, change())
        assert ["k"] == [row.key for row in store.batches.batches("r")]
