"""A hold that is asked about at a prompt, and a keyboard with lines typed ahead of time."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from holdfast.cli.lines import Lines as LogLines
from holdfast.cli.prompt import Ask, Prompt
from holdfast.model import facts as f
from holdfast.model.state import HoldState
from holdfast.runtime.journal import Journal
from holdfast.stores.memory import MemoryStore
from holdfast.testing.samples import WHO, run_created

AT = datetime(2026, 11, 21, 5, 0, 0, tzinfo=UTC)
RUN = "r-1"
STEP = {"runs": "drain n7", "inputs": "node='n7'", "undo": "", "why": "confirm: mode"}


class Clock:
    def now(self) -> datetime:
        return AT

    def monotonic(self) -> float:
        return 0.0


class Keyboard:
    """A keyboard with lines typed ahead of time; None is a time without a line."""

    def __init__(self, typed: Iterable[str | None], columns: int = 80) -> None:
        self.typed, self.shown, self.columns = list(typed), "", columns
        self.forgotten = 0

    def write(self, text: str) -> None:
        self.shown += text

    def forget(self) -> None:
        self.forgotten += 1

    def read(self, wait_s: float) -> str | None:
        if not self.typed:
            raise EOFError
        return self.typed.pop(0)


class Quiet(LogLines):
    """Progress that is not looked at."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())


class Desk:
    """A run on hold, and a prompt that attends it."""

    def __init__(self, kind: f.HoldKind = "confirm", **evidence: Any) -> None:
        self.store = MemoryStore()
        self.store.create(RUN, run_created())
        self.journal = Journal(self.store, RUN)
        self.journal.refresh()
        self.opened = f.HoldOpened(AT, "h1", kind, "drain n7", "drain n7?", "digest", evidence)

    def attend(self, *typed: str | None) -> tuple[f.HoldAnswered | None, str]:
        """Return the answer and what was shown, after these lines."""
        keyboard = Keyboard(typed)
        prompt = Prompt(Ask(self.store, Clock(), WHO, Quiet()), keyboard)
        hold = HoldState(self.opened)
        answer = None
        while answer is None and keyboard.typed:
            answer = prompt.attend(RUN, self.journal.refresh(), [hold])
        return answer, keyboard.shown
