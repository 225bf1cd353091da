"""A life's progress on stderr: `lines.py` writes it for logs, `screen.py` draws it for people.

A listener is told after a fact is durable, from any thread, and never raises.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol, TextIO

from holdfast.cli.lines import Lines
from holdfast.model.facts import Fact
from holdfast.model.state import RunState
from holdfast.ports.store import Output


class Progress(Protocol):
    """A `runtime.life.Listener` that is also told of beginning, prompt and end."""

    def begin(self, run: str, state: RunState) -> None:
        """This process owns the run now; nothing of it has run yet."""

    def fact(self, fact: Fact, state: RunState) -> None: ...

    def progress(self, key: str, done: float, total: float | None, note: str) -> None: ...

    def output(self, output: Output) -> None: ...

    def note(self, text: str) -> None: ...

    def pause(self, hold: str, key: str) -> None:
        """Leave the terminal to a prompt about this hold, until `go_on` or its answer."""

    def go_on(self) -> None:
        """The prompt is over."""

    def close(self) -> None:
        """Show what was not shown yet. Safe to call twice."""


def progress_on(
    stream: TextIO,
    *,
    plain: bool = False,
    prompts: bool = False,
    is_timed: bool = True,
    to_type: Callable[[str], str] = str,
) -> Progress:
    """Return the listener that suits `stream`; with `prompts`, holds are shown by a prompt."""
    if plain or not is_rich(stream):
        return Lines(stream, is_timed=is_timed, to_type=to_type)
    from holdfast.cli.screen import Screen

    return Screen(stream, prompts=prompts, to_type=to_type)


def is_rich(stream: TextIO) -> bool:
    """Return whether `stream` is a terminal that can move its cursor, and its user wants that."""
    if os.environ.get("TERM", "dumb") in ("dumb", ""):
        return False
    try:
        return stream.isatty()
    except ValueError:
        return False
