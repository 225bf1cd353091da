"""The promises about targets: one unfinished run each, kept through holds, failures and crashes."""

from __future__ import annotations

from pathlib import Path

from holdfast.errors import TargetLocked
from holdfast.model.facts import (
    Fact,
    LockStolen,
    RunCancelled,
    RunFailed,
    RunStopped,
    RunSucceeded,
)
from holdfast.ports.store import Store
from holdfast.testing.samples import AT, WHO, life_started, run_created
from holdfast.testing.store_opening import Opens, in_threads, raised

KEEPING: tuple[Fact, ...] = (
    RunStopped(AT, "park", "waits for a person", 3),
    RunStopped(AT, "pause", "paused", 3),
    RunFailed(AT, "E", "e"),
)
STOLEN = LockStolen(AT, WHO, "its process is gone", "s")
CANCELLED = RunCancelled(AT, WHO, "no longer needed")


class Locks(Opens):
    """Who has a target."""

    def test_a_target_has_one_run(self, tmp_path: Path) -> None:
        """A second one is refused before anything of it is recorded, and told who has it."""
        store = self.open(tmp_path)
        store.create("r", run_created(target="db"))

        raised(TargetLocked, lambda: store.create("s", run_created(target="db")))
        assert store.row("s") is None
        assert store.create("t", run_created(target="other"))
        assert store.create("u", run_created())
        assert ["r", None] == [store.holder("db"), store.holder("nothing")]
        store.close()

    def test_a_resting_run_keeps_its_target(self, tmp_path: Path) -> None:
        """On hold, paused, failed, and without an owner: what it did there is half done."""
        store = self.open(tmp_path)
        for number, fact in enumerate(KEEPING):
            target, run = f"db{number}", f"r{number}"
            store.create(run, run_created(target=target))
            store.claim(run, life_started(1), after=1, expected_epoch=0)
            store.append(run, [fact], after=2, epoch=1)
            store.release(run, 1)

            assert run == store.holder(target)
        store.close()

    def test_a_target_is_free_when_its_run_is_over(self, tmp_path: Path) -> None:
        """The fact that ends the run and the lock's end are one unit."""
        store = self._on_target(tmp_path)
        store.append("r", [RunSucceeded(AT)], after=2, epoch=1)

        assert store.holder("db") is None
        assert store.create("s", run_created(target="db"))
        store.close()

    def test_a_living_run_that_is_cancelled_keeps_its_target(self, tmp_path: Path) -> None:
        """Until its process has left: the step in hand still acts on it."""
        store = self._on_target(tmp_path)
        store.append("r", [CANCELLED], after=2, epoch=None)
        kept = store.holder("db")
        store.release("r", 1)

        assert ["r", None] == [kept, store.holder("db")]
        store.close()

    def test_a_resting_run_that_is_cancelled_frees_its_target(self, tmp_path: Path) -> None:
        """Nobody is at work on it."""
        store = self._on_target(tmp_path)
        store.release("r", 1)
        store.append("r", [CANCELLED], after=2, epoch=None)

        assert store.holder("db") is None
        store.close()

    def test_a_stolen_target_is_free(self, tmp_path: Path) -> None:
        """Also while a dead process is its run's owner; the run takes it again when it can."""
        store = self._on_target(tmp_path)
        store.append("r", [STOLEN], after=2, epoch=None)
        free = store.holder("db")
        store.create("s", run_created(target="db"))

        assert free is None
        again = life_started(2)
        raised(TargetLocked, lambda: store.claim("r", again, after=3, expected_epoch=1))
        row = store.row("r")
        assert row is not None and row.epoch == 1
        store.claim("s", life_started(1), after=1, expected_epoch=0)
        store.append("s", [RunSucceeded(AT)], after=2, epoch=1)
        assert 4 == store.claim("r", life_started(2), after=3, expected_epoch=1)
        assert "r" == store.holder("db")
        store.close()

    def test_a_removed_run_holds_nothing(self, tmp_path: Path) -> None:
        """Its target goes with it."""
        store = self._on_target(tmp_path)
        store.remove("r")

        assert store.holder("db") is None
        store.close()

    def test_of_many_that_start_at_once_one_has_the_target(self, tmp_path: Path) -> None:
        """All others are told which."""
        store = self.open(tmp_path)

        told: list[str] = []

        def start(run: str) -> None:
            try:
                store.create(run, run_created(target="db"))
            except TargetLocked as refused:
                told.append(refused.run)

        in_threads(*(lambda run=f"r{n}": start(run) for n in range(8)))

        assert [store.holder("db")] * 7 == told
        assert 1 == len(store.rows(target="db"))
        store.close()

    def _on_target(self, place: Path) -> Store:
        store = self.open(place)
        store.create("r", run_created(target="db"))
        store.claim("r", life_started(1), after=1, expected_epoch=0)
        return store
