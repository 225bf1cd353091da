"""The promises about tails: what an owner says of a batch between two checkpoints."""

from __future__ import annotations

from pathlib import Path

from holdfast.errors import LostOwnership
from holdfast.ports.batches import BatchStore, Slot
from holdfast.ports.slots import LAYOUT, packed
from holdfast.testing.samples import life_started
from holdfast.testing.store_batches import change
from holdfast.testing.store_opening import Opens, owned, raised


def left(batches: BatchStore, epoch: int = 9, key: str = "k") -> list[tuple[object, ...]]:
    """Return what lives left, without where the machine was."""
    return [(life.epoch, life.tail, life.slots) for life in batches.left("r", key, epoch)]


class Tails(Opens):
    """The tail and the slots of a life."""

    def test_what_a_life_wrote_is_left_when_it_dies(self, tmp_path: Path) -> None:
        """Its records in their order, and what its workers were at; by life, the latest last."""
        store = owned(self.open(tmp_path))
        tail = store.batches.tail("r", "k", 1, slots=3)
        tail.write(b"one")
        tail.write(b"")
        tail.write(b"two" * 1_000)
        tail.occupy(0, 7, 42)
        tail.occupy(2, 0, 43)
        tail.occupy(1, 9, 42)
        tail.vacate(1)
        assert (Slot(7, 42), None, Slot(0, 43)) == tail.slots()
        again = self.open(tmp_path)
        assert again.claim("r", life_started(2), after=2, expected_epoch=1)
        second = again.batches.tail("r", "k", 2, slots=1)
        second.write(b"three")

        expected = [(1, b"one" + b"two" * 1_000, (Slot(7, 42), Slot(0, 43))), (2, b"three", ())]
        assert expected == left(again.batches)
        assert expected[:1] == left(again.batches, 2)
        assert [] == left(again.batches, 1) == left(again.batches, key="other")
        assert 1 == len({life.boot for life in again.batches.left("r", "k", 9)})
        tail.close()
        second.close()
        store.close()
        again.close()

    def test_an_emptied_tail_says_nothing(self, tmp_path: Path) -> None:
        """What is written then is all it says; an end with nothing to say leaves nothing."""
        store = owned(self.open(tmp_path))
        tail = store.batches.tail("r", "k", 1, slots=1)
        tail.write(b"long before")
        tail.empty()
        assert [] == left(store.batches)
        tail.write(b"now")
        assert [(1, b"now", ())] == left(store.batches)
        tail.empty()
        tail.close()
        tail.close()

        assert [] == left(store.batches)
        store.close()

    def test_a_life_that_ends_in_the_middle_leaves_its_tail(self, tmp_path: Path) -> None:
        """Records, or a worker at an item, are kept although it was closed in order."""
        store = owned(self.open(tmp_path))
        tails = {key: store.batches.tail("r", key, 1, slots=1) for key in ("k", "slot")}
        tails["k"].write(b"record")
        tails["slot"].occupy(0, 5, 6)
        for tail in tails.values():
            tail.close()

        assert [(1, b"record", ())] == left(store.batches)
        assert [(1, b"", (Slot(5, 6),))] == left(store.batches, key="slot")
        store.close()

    def test_a_tail_is_opened_empty(self, tmp_path: Path) -> None:
        """Also a second time in the same life."""
        store = owned(self.open(tmp_path))
        tail = store.batches.tail("r", "k", 1, slots=2)
        tail.write(b"before")
        tail.occupy(1, 1, 1)
        tail.close()
        again = store.batches.tail("r", "k", 1, slots=1)

        assert ([], (None,)) == (left(store.batches), again.slots())
        again.close()
        store.close()

    def test_what_was_left_is_forgotten(self, tmp_path: Path) -> None:
        """That of earlier lives, not one's own; forgetting twice is fine."""
        store = owned(self.open(tmp_path))
        store.batches.tail("r", "k", 1, slots=1).write(b"one")
        assert store.claim("r", life_started(2), after=2, expected_epoch=1)
        tail = store.batches.tail("r", "k", 2, slots=1)
        tail.write(b"two")
        for _ in range(2):
            store.batches.forget_left("r", "k", 2)

        assert [(2, b"two", ())] == left(store.batches)
        tail.close()
        store.close()

    def test_who_lost_the_run_opens_and_forgets_nothing(self, tmp_path: Path) -> None:
        """What its own tail says is for its successor, and so is what others left."""
        store = owned(self.open(tmp_path))
        store.batches.tail("r", "k", 1, slots=1).write(b"one")
        assert store.claim("r", life_started(2), after=2, expected_epoch=1)
        raised(LostOwnership, lambda: store.batches.tail("r", "k", 1, slots=1))
        raised(LostOwnership, lambda: store.batches.forget_left("r", "k", 1))

        assert [(1, b"one", ())] == left(store.batches)
        store.close()

    def test_a_batch_that_begins_anew_forgets_what_tails_say(self, tmp_path: Path) -> None:
        """Of earlier lives and of this one, whose tail goes on empty; not those of others."""
        store = owned(self.open(tmp_path))
        store.batches.tail("r", "k", 1, slots=1).write(b"one")
        store.batches.tail("r", "other", 1, slots=1).write(b"other")
        assert store.claim("r", life_started(2), after=2, expected_epoch=1)
        tail = store.batches.tail("r", "k", 2, slots=1)
        tail.write(b"two")
        store.batches.checkpoint("r", 2, change(anew=True))
        assert [] == left(store.batches)
        tail.write(b"three")

        assert [(2, b"three", ())] == left(store.batches)
        assert [(1, b"other", ())] == left(store.batches, key="other")
        tail.close()
        store.batches.checkpoint("r", 2, change(anew=True))
        assert [] == left(store.batches)
        store.close()

    def test_a_removed_run_takes_its_tails_along(self, tmp_path: Path) -> None:
        """A run of the same name finds none."""
        store = owned(self.open(tmp_path))
        store.batches.tail("r", "k", 1, slots=1).write(b"one")
        store.remove("r")
        owned(store)

        assert [] == left(store.batches)
        store.close()

    def test_a_worker_process_notes_its_item_without_a_store(self, tmp_path: Path) -> None:
        """It writes the file of slots, where there is one."""
        store = owned(self.open(tmp_path))
        tail = store.batches.tail("r", "k", 1, slots=2)
        if tail.slots_path is not None:
            with Path(tail.slots_path).open("r+b") as file:
                file.seek(LAYOUT.size)
                file.write(packed(5, 77))
            assert (None, Slot(5, 77)) == tail.slots()
            assert [(1, b"", (Slot(5, 77),))] == left(store.batches)
        tail.close()
        store.close()
