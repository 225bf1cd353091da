"""The promises about batches: `holdfast.ports.batches`, but for tails."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from holdfast.errors import LostOwnership, StoreCorrupt, UsageError
from holdfast.model.batches import BatchRow, Checkpoint, ItemRow, Seen
from holdfast.model.bits import Bits, segments_of
from holdfast.model.facts import Spilled
from holdfast.model.items import KEY_BYTES, PRINT_BYTES, ItemStatus
from holdfast.ports.batches import BatchStore
from holdfast.testing.samples import AT, JSON, life_started
from holdfast.testing.store_opening import LARGE, Opens, in_threads, owned, raised

ENTRY_BYTES: Final = KEY_BYTES + PRINT_BYTES
ODD: Final = "é日\ud800/\\ud800"
FULL: Final = BatchRow(
    "k", "position", 9, 8, 7, 6, 5, 4, 3, 2, 1, 11, 12, 13, 14, 15, 16, AT, 17, 1.25, ".x.",
    AT + timedelta(seconds=1), 18, 19, 22, 20, 21, {"page": [1]}, 2.5, ODD, True,
)  # fmt: skip


def entry(ordinal: int, fingerprint: int = 0) -> bytes:
    """Return the manifest's entry of an item."""
    return ordinal.to_bytes(KEY_BYTES, "big") + fingerprint.to_bytes(PRINT_BYTES, "big")


def entries(first: int, count: int) -> bytes:
    """Return so many entries."""
    return b"".join(entry(ordinal) for ordinal in range(first, first + count))


def item(ordinal: int, status: ItemStatus = "failed", key: str = "") -> ItemRow:
    """Return the row of an item."""
    return ItemRow(ordinal, key or f"item {ordinal}", status, AT, attempts=1, error="no")


def change(key: str = "k", **changed: Any) -> Checkpoint:
    """Return a change of a batch that counts nothing."""
    return Checkpoint(changed.pop("batch", BatchRow(key)), **changed)


def seen(number: int, fingerprint: int = 0) -> Seen:
    """Return what a ledger learns of an item."""
    return Seen(number.to_bytes(KEY_BYTES, "big"), fingerprint.to_bytes(PRINT_BYTES, "big"))


def ordinals(rows: Sequence[ItemRow]) -> list[int]:
    """Return which items rows are of."""
    return [row.ordinal for row in rows]


def everything(batches: BatchStore, run: str = "r", key: str = "k") -> tuple[object, ...]:
    """Return all that is known of a batch."""
    return (
        batches.batch(run, key), dict(batches.segments(run, key)),
        batches.manifest(run, key, 0, 10_000), batches.items(run, key), batches.values(run, key),
    )  # fmt: skip


UNKNOWN: Final[tuple[object, ...]] = (None, {}, b"", [], [])


class Batches(Opens):
    """Checkpoints: what they write, and what is read of it."""

    def test_a_batch_nobody_made_is_empty(self, tmp_path: Path) -> None:
        """So is one of an unknown run; nothing is raised for either."""
        store = owned(self.open(tmp_path))
        found = [everything(store.batches, run) for run in ("r", "nobody")]

        assert [UNKNOWN, UNKNOWN] == found
        assert store.batches.item("r", "k", 0) is None
        assert [] == list(store.batches.batches("r"))
        assert [] == list(store.batches.named("r", "k", "a"))
        store.close()

    def test_a_checkpoint_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        """Every field of it, also after the store was closed."""
        store = owned(self.open(tmp_path))
        row = ItemRow(7, ODD, "waiting", AT, 2, 1, "E", ODD, AT, "a.py:1", "last\nlines")
        bits = Bits()
        bits.add(3)
        segments = {0: bits.encoded(0), 2: bits.encoded(2)}
        written = Checkpoint(
            FULL, segments=segments, keys=entries(0, 3), items=[row], values=[(3, ODD, JSON)],
            seen=[seen(1)],
        )  # fmt: skip
        store.batches.checkpoint("r", 1, written)
        expected = (FULL, segments, entries(0, 3), [row], [(3, ODD, JSON)])
        assert expected == everything(store.batches)
        store.close()

        again = self.open(tmp_path)
        assert expected == everything(again.batches)
        assert [(ODD, 1)] == list(again.batches.ledgers())
        assert 3 in segments_of(again.batches.segments("r", "k"))
        again.close()

    def test_a_checkpoint_changes_what_it_names(self, tmp_path: Path) -> None:
        """Segments, rows and results of the same numbers are replaced; all others stay."""
        store = owned(self.open(tmp_path))
        batches = store.batches
        first = change(
            segments={0: b"a", 1: b"b"}, items=[item(1), item(2)], values=[(1, "x", 1), (2, "y", 2)]
        )
        batches.checkpoint("r", 1, first)
        counted, skipped = BatchRow("k", done=2), item(2, "skipped")
        second = change(
            batch=counted, segments={1: b"c"}, items=[skipped], cleared=[1, 99],
            values=[(2, "y", 3)], taken=[1, 99],
        )  # fmt: skip
        batches.checkpoint("r", 1, second)

        assert (counted, {0: b"a", 1: b"c"}, b"", [skipped], [(2, "y", 3)]) == everything(batches)
        store.close()

    def test_a_batch_begins_anew(self, tmp_path: Path) -> None:
        """Nothing of before is left of it; other batches keep theirs, and it keeps its place."""
        store = owned(self.open(tmp_path))
        batches = store.batches
        full = {"segments": {0: b"a"}, "keys": entries(0, 5), "items": [item(1)]}
        for key in ("k", "other"):
            batches.checkpoint("r", 1, change(key, values=[(1, "x", 1)], **full))
        before = everything(batches, key="other")
        batches.checkpoint("r", 1, change(anew=True, segments={1: b"b"}, keys=entries(7, 1)))

        assert (BatchRow("k"), {1: b"b"}, entries(7, 1), [], []) == everything(batches)
        assert before == everything(batches, key="other")
        assert ["k", "other"] == [row.key for row in batches.batches("r")]
        store.close()

    def test_who_lost_the_run_writes_nothing(self, tmp_path: Path) -> None:
        """Neither a checkpoint, durable or not, nor one of a batch it had made itself."""
        store, other = owned(self.open(tmp_path)), self.open(tmp_path)
        store.batches.checkpoint("r", 1, change(items=[item(1)]), durable=False)
        assert other.claim("r", life_started(2), after=2, expected_epoch=1)
        before = everything(other.batches)
        for key, durable in (("k", True), ("k", False), ("new", True), ("new", False)):
            late = change(key, anew=True, items=[item(2)])
            raised(LostOwnership, partial(store.batches.checkpoint, "r", 1, late, durable=durable))

        assert before == everything(other.batches)
        assert UNKNOWN == everything(other.batches, key="new")
        other.batches.checkpoint("r", 2, change(items=[item(3)]))
        assert [1, 3] == ordinals(store.batches.items("r", "k"))
        store.close()
        other.close()

    def test_a_checkpoint_of_an_unknown_run_is_an_error(self, tmp_path: Path) -> None:
        """It is refused as a fact would be."""
        store = self.open(tmp_path)
        problem = raised(UsageError, lambda: store.batches.checkpoint("r", 0, change()))

        assert "no run 'r'" in str(problem)
        store.close()

    def test_a_checkpoint_is_all_or_nothing(self, tmp_path: Path) -> None:
        """A result that no store can hold leaves everything as it was."""
        store = owned(self.open(tmp_path))
        store.batches.checkpoint("r", 1, change(items=[item(1)]))
        before = everything(store.batches)
        bad = change(
            batch=BatchRow("k", done=1), anew=True, segments={0: b"a"}, keys=entries(0, 1),
            items=[item(2)], values=[(1, "x", float("nan"))],
        )  # fmt: skip
        raised(ValueError, lambda: store.batches.checkpoint("r", 1, bad))

        assert before == everything(store.batches)
        store.close()

    def test_a_checkpoint_is_a_change(self, tmp_path: Path) -> None:
        """Who waits for changes sees it, through another store too."""
        store, other = owned(self.open(tmp_path)), self.open(tmp_path)
        before = store.changes(), other.changes()
        store.batches.checkpoint("r", 1, change(), durable=False)

        assert (True, True) == (store.changes() != before[0], other.changes() != before[1])
        store.close()
        other.close()

    def test_nobody_holds_what_the_store_holds(self, tmp_path: Path) -> None:
        """Changing a value after it was written, or one that was read, changes no other."""
        store = owned(self.open(tmp_path))
        value: dict[str, Any] = {"list": [1]}
        store.batches.checkpoint("r", 1, change(values=[(1, "x", value)]))
        value["list"].append(2)
        read: Any = store.batches.values("r", "k")[0].value
        read["list"].append(3)

        assert [(1, "x", {"list": [1]})] == store.batches.values("r", "k")
        store.close()

    def test_items_are_found_by_status_and_paged(self, tmp_path: Path) -> None:
        """In the order of their ordinals, whatever the order of writing or the statuses."""
        store = owned(self.open(tmp_path))
        statuses: list[ItemStatus] = ["failed", "waiting", "quarantined"]
        rows = [item(n, statuses[n % 3]) for n in range(30)]
        store.batches.checkpoint("r", 1, change(items=rows[::-1]))
        store.batches.checkpoint("r", 1, change("other", items=[item(2, "failed")]))
        items = store.batches.items

        assert list(range(30)) == ordinals(items("r", "k"))
        assert list(range(0, 30, 3)) == ordinals(items("r", "k", statuses=["failed"]))
        two = items("r", "k", statuses={"waiting", "failed"}, after=4, limit=5)
        assert [6, 7, 9, 10, 12] == ordinals(two)
        assert [29] == ordinals(items("r", "k", after=28, limit=5))
        assert ([], []) == (items("r", "k", after=29), items("r", "k", statuses=["suspect"]))
        assert [] == list(items("r", "k", limit=0))
        store.close()

    def test_an_item_is_found_by_its_place_and_its_name(self, tmp_path: Path) -> None:
        """A name that items share finds them all; a changed row is found as it is now."""
        store = owned(self.open(tmp_path))
        rows = [item(1, key=ODD), item(2, key="b"), item(3, key=ODD)]
        store.batches.checkpoint("r", 1, change(items=rows))
        moved = replace(rows[0], key="c", status="skipped")
        store.batches.checkpoint("r", 1, change(items=[moved]))
        batches = store.batches

        assert (moved, None, None) == tuple(batches.item("r", "k", n) for n in (1, 4, -1))
        assert [[3], [2], [1], []] == [
            ordinals(batches.named("r", "k", name)) for name in (ODD, "b", "c", "d")
        ]
        assert batches.item("r", "k", 2**70) is None
        store.close()

    def test_results_come_in_order_and_paged(self, tmp_path: Path) -> None:
        """Large ones, and those that look like what a row says of a large one, as any other."""
        store = owned(self.open(tmp_path))
        values: list[tuple[int, str, Any]] = [
            (9, "i", None), (2, "b", LARGE), (5, "e", {"$spilled": "x", "size": 1}),
            (2**35, "z", [1.5, ODD]),
        ]  # fmt: skip
        for value in values:
            store.batches.checkpoint("r", 1, change(values=[value]))
        read = store.batches.values

        assert sorted(values, key=lambda value: value[0]) == read("r", "k")
        assert [5, 9] == [kept.ordinal for kept in read("r", "k", after=2, limit=2)]
        assert [] == list(read("r", "k", after=2**35))
        store.close()

    def test_a_large_result_that_is_damaged_is_not_returned(self, tmp_path: Path) -> None:
        """Its content must have the digest that names it."""
        store = owned(self.open(tmp_path))
        store.batches.checkpoint("r", 1, change(values=[(1, "x", LARGE)]))
        outside = self.spilled(tmp_path)
        is_lost = bool(outside) and self.lose_spilled(tmp_path, outside[0])
        read = partial(store.batches.values, "r", "k")

        assert raised(StoreCorrupt, read) if is_lost else [(1, "x", LARGE)] == read()
        store.close()

    def spilled(self, place: Path) -> list[Spilled]:
        """Return which values the store at `place` keeps outside their rows."""
        return []

    def test_a_removed_run_takes_its_batches_along(self, tmp_path: Path) -> None:
        """A run of the same name begins with none; what a ledger learned stays."""
        store = owned(owned(self.open(tmp_path)), "s")
        full = change(
            batch=BatchRow("k", ledger="l"), segments={0: b"a"}, keys=entries(0, 2),
            items=[item(1)], values=[(1, "x", LARGE)], seen=[seen(1)],
        )  # fmt: skip
        for run in ("r", "s"):
            store.batches.checkpoint(run, 1, full)
        kept = everything(store.batches, "s")
        assert len(self.spilled(tmp_path)) in (0, 1)
        store.remove("r")
        owned(store)

        assert (UNKNOWN, kept) == (everything(store.batches), everything(store.batches, "s"))
        assert [("l", 1)] == list(store.batches.ledgers())
        store.batches.checkpoint("r", 1, change(items=[item(2)]))
        assert [2] == ordinals(store.batches.items("r", "k"))
        store.remove("s")
        assert [] == self.spilled(tmp_path)
        store.close()

    def test_a_reader_sees_whole_checkpoints(self, tmp_path: Path) -> None:
        """While the owner writes, each thing that is read is of one checkpoint."""
        store, reader = owned(self.open(tmp_path)), self.open(tmp_path)
        over = threading.Event()
        wrong: list[object] = []

        def write() -> None:
            try:
                for n in range(60):
                    status: ItemStatus = "failed" if n % 2 else "waiting"
                    items = [item(ordinal, status) for ordinal in range(20)]
                    batch = BatchRow("k", done=n, failed=n)
                    store.batches.checkpoint(
                        "r", 1, change(batch=batch, items=items), durable=False
                    )
            finally:
                over.set()

        def read() -> None:
            while not over.is_set():
                row = reader.batches.batch("r", "k")
                if row is not None and row.done != row.failed:
                    wrong.append(row)
                found = reader.batches.items("r", "k", statuses=["failed", "waiting"])
                if len({row.status for row in found}) > 1 or len(found) not in (0, 20):
                    wrong.append(found)

        in_threads(write, read)

        assert [] == wrong
        store.close()
        reader.close()


class Manifests(Opens):
    """The addresses of items."""

    def test_entries_are_appended_and_read_across_every_edge(self, tmp_path: Path) -> None:
        """However they were written: one by one, or by ten thousand, in one checkpoint or many."""
        store = owned(self.open(tmp_path))
        at = 0
        for count in (1, 2, 4_092, 1, 1, 4_095, 10_000, 3):
            written = change(keys_at=at, keys=entries(at, count))
            store.batches.checkpoint("r", 1, written, durable=False)
            at += count
        read = store.batches.manifest

        assert entries(0, at) == read("r", "k", 0, at + 9)
        for edge in (0, 4_095, 4_096, 8_192, 16_384, at):
            first = max(0, edge - 2)
            assert entries(first, min(5, at - first)) == read("r", "k", first, 5)
        assert [b"", b""] == [read("r", "k", at, 5), read("r", "k", 3, 0)]
        store.close()

    def test_slow_items_are_addressed_one_by_one(self, tmp_path: Path) -> None:
        """A checkpoint for each: what is read is the same as of one for all."""
        store = owned(self.open(tmp_path))
        store.batches.checkpoint("r", 1, change(keys=entries(0, 4_000)))
        for n in range(4_000, 4_200):
            written = change(keys_at=n, keys=entry(n))
            store.batches.checkpoint("r", 1, written, durable=False)

        assert entries(0, 4_200) == store.batches.manifest("r", "k", 0, 9_999)
        store.close()

    def test_entries_are_written_again_in_their_place(self, tmp_path: Path) -> None:
        """As after a crash, from what the tail says; those behind them stay."""
        store = owned(self.open(tmp_path))
        store.batches.checkpoint("r", 1, change(keys=entries(0, 5_000)))
        again = b"".join(entry(n, 9) for n in range(4_090, 4_100))
        store.batches.checkpoint("r", 1, change(keys_at=4_090, keys=again))
        over = b"".join(entry(n, 8) for n in range(4_998, 5_004))
        store.batches.checkpoint("r", 1, change(keys_at=4_998, keys=over))

        expected = entries(0, 4_090) + again + entries(4_100, 898) + over
        assert expected == store.batches.manifest("r", "k", 0, 9_999)
        store.close()


class Ledgers(Opens):
    """What is known of items across runs."""

    def test_a_ledger_knows_what_it_learned(self, tmp_path: Path) -> None:
        """From any batch of any run; the last fingerprint counts, and others know nothing of it."""
        store = owned(owned(self.open(tmp_path)), "s")
        batch = BatchRow("k", ledger="l")
        store.batches.checkpoint("r", 1, change(batch=batch, seen=[seen(n) for n in range(5_000)]))
        store.batches.checkpoint("s", 1, change(batch=batch, seen=[seen(7, 1), seen(9_999)]))
        other = BatchRow("k2", ledger="m")
        store.batches.checkpoint("r", 1, change(batch=other, seen=[seen(1)]))
        batches = store.batches
        expected = {s.key: s.print for s in [*map(seen, range(5_000)), seen(7, 1), seen(9_999)]}

        asked = [seen(n).key for n in range(6_000)]
        assert {k: v for k, v in expected.items() if k in set(asked)} == batches.seen("l", asked)
        assert sorted(expected.items()) == [(s.key, s.print) for s in batches.ledger("l")]
        assert [("l", 5_001), ("m", 1)] == list(batches.ledgers())
        assert ({}, []) == (batches.seen("none", asked[:1]), list(batches.ledger("none")))
        assert {} == batches.seen("l", [])
        store.close()

    def test_a_ledger_outlives_the_batch_that_taught_it(self, tmp_path: Path) -> None:
        """Also when that begins anew."""
        store = owned(self.open(tmp_path))
        batch = BatchRow("k", ledger="l")
        store.batches.checkpoint("r", 1, change(batch=batch, seen=[seen(1)]))
        store.batches.checkpoint("r", 1, change(batch=batch, anew=True))
        store.close()

        again = self.open(tmp_path)
        assert [seen(1)] == list(again.batches.ledger("l"))
        again.close()
