"""Who is told how a life goes on."""

from __future__ import annotations

from typing import Protocol

from holdfast.model.facts import Fact
from holdfast.model.state import RunState
from holdfast.ports.store import Output


class Listener(Protocol):
    """Who shows a life's progress. It is told after the fact is durable, and cannot refuse."""

    def fact(self, fact: Fact, state: RunState) -> None:
        """A fact was recorded."""

    def progress(self, key: str, done: float, total: float | None, note: str) -> None:
        """A step says how far it is. Nothing of this is durable."""

    def output(self, output: Output) -> None:
        """A step wrote a line."""

    def note(self, text: str) -> None:
        """Something a person should know that is not a fact of the run."""


class Quiet:
    """A listener that hears nothing: whoever hears some of it says only what that is."""

    def fact(self, fact: Fact, state: RunState) -> None:
        return None

    def progress(self, key: str, done: float, total: float | None, note: str) -> None:
        return None

    def output(self, output: Output) -> None:
        return None

    def note(self, text: str) -> None:
        return None
