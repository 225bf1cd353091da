"""One run that is lived through and decided upon, to be kept as a golden journal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.app.starting import Setting, resume, rollback, start
from holdfast.errors import Leaving
from holdfast.flow.running import Outcome
from holdfast.flow.workflows import Workflow
from holdfast.model.facts import (
    Fact,
    Who,
)
from holdfast.model.state import RunState
from holdfast.ports.store import RunRow
from holdfast.runtime.journal import Journal
from holdfast.stores.memory import MemoryStore
from holdfast.testing.clock import JumpClock

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "journals"
RUN = "golden"
ADA, BEN = Who("ada", "host", "pts/1", "Ada"), Who("ben", "host")
AT = datetime(2026, 11, 21, tzinfo=UTC)


class Away:
    """Nobody is there: a hold parks the run."""

    def attend(self, run: str, state: Any, holds: Any) -> None:
        raise Leaving("waits for a person", 3, "park")


class Scene:
    """One run, lived through and decided upon by several people."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), JumpClock(AT)
        self.workflow: Workflow[..., Any] | None = None
        self.patience_s: float | None = None

    def start(self, workflow: Workflow[..., Any], **params: object) -> Outcome:
        self.workflow = workflow
        setting = Setting(self.store, self.clock, Away(), ADA, patience_s=self.patience_s)
        return start(setting, workflow, params, id=RUN)

    def resume(self, workflow: Workflow[..., Any], **options: Any) -> Outcome:
        self.workflow = workflow
        setting = Setting(self.store, self.clock, Away(), BEN, patience_s=self.patience_s)
        return resume(setting, RUN, workflow, **options)

    def rollback(self, workflow: Workflow[..., Any], **options: Any) -> Outcome:
        self.workflow = workflow
        return rollback(Setting(self.store, self.clock, Away(), BEN), RUN, workflow, **options)

    def look(self) -> tuple[RunRow, RunState]:
        """Return the run as it stands, for a verb that decides about it."""
        row = self.store.row(RUN)
        assert row is not None
        return row, Journal(self.store, RUN).refresh()

    def add(self, *facts: Fact) -> None:
        """Append what no verb here leads to."""
        journal = Journal(self.store, RUN)
        journal.refresh()
        journal.append(facts)
