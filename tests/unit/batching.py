"""What the tests of `each` share: a run in memory, an item that notes that it ran, a batch."""

from __future__ import annotations

from typing import Any

from tests.unit.runs import Runs, touch

from holdfast import each, workflow
from holdfast.model.batches import BatchRow
from holdfast.runtime.listening import Quiet


def batch_of(runs: Runs, key: str = "item") -> BatchRow:
    """Return what is stored of a batch."""
    found = runs.store.batches.batch("r", key)
    assert found is not None
    return found


def item(value: Any) -> Any:
    """An item that notes that it ran."""
    return touch(str(value), value)


def over(items: Any, function: Any = item, **options: Any) -> Any:
    """Return a workflow of one batch, whose result is its counts."""

    @workflow
    def main() -> dict[str, int]:
        found = each(items, function, **options)
        return {"total": found.total, "done": found.done, "failed": found.failed}

    return main


class Seen(Quiet):
    """Who listens to a life: what it was told, and how far the batch was when it moved last."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.of: tuple[float, float | None] = (0, None)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, key: str, done: float, total: float | None, note: str) -> None:
        self.of = (done, total)
