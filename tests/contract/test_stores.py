"""Both stores keep every promise of the contract."""

from __future__ import annotations

from pathlib import Path

from holdfast.model.facts import Spilled
from holdfast.ports.store import Store
from holdfast.stores.memory import MemoryDisk, MemoryStore
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing import StoreSuite


class TestMemory(StoreSuite):
    """The store in memory, whose disk outlives it."""

    disks: dict[Path, MemoryDisk]

    def setup_method(self) -> None:
        self.disks = {}

    def open(self, place: Path) -> Store:
        return MemoryStore(self.disks.setdefault(place, MemoryDisk()))

    def lose_spilled(self, place: Path, spilled: Spilled) -> bool:
        self.disks[place].spilled[spilled.digest] += b" "
        return True


class TestSqlite(StoreSuite):
    """The store on a disk."""

    def open(self, place: Path) -> Store:
        return SqliteStore(place / "journal.db")

    def lose_spilled(self, place: Path, spilled: Spilled) -> bool:
        path = place / "journal.db.spill" / spilled.digest[:2] / spilled.digest
        path.write_bytes(path.read_bytes().replace(b"x", b"y", 1))
        return True

    def spilled(self, place: Path) -> list[Spilled]:
        files = [path for path in (place / "journal.db.spill").rglob("*") if path.is_file()]
        return [Spilled(path.name, path.stat().st_size) for path in files]
