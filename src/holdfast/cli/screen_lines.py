"""The lines that a screen is made of: of a step that runs, of one that ended, of what it wrote."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text

from holdfast.cli.life_words import clean
from holdfast.model.durations import show
from holdfast.model.making import dataclass, field
from holdfast.model.state import StepState

OUTPUT_SHOWN_MAX = 3
NOT_TIMED = frozenset("–?")
"""Marks of steps that end by a decision: how long ago they began says nothing."""
STYLES = {"✔": "green", "–": "cyan", "✖": "red", "↻": "yellow", "?": "magenta", "‖": "yellow"}


@dataclass(slots=True)
class Running:
    """A step that runs or waits now."""

    name: str
    since: float
    until: datetime | None = None
    note: str = ""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=OUTPUT_SHOWN_MAX))
    lines: int = 0


def erased(height: int) -> str:
    """Return what removes the moving part; the cursor stands at the end of its last line."""
    if height == 0:
        return ""
    return "\r" + (f"\x1b[{height - 1}A" if height > 1 else "") + "\x1b[J"


def ended_line(indent: str, mark: str, name: str, spent: str, note: str, column: int) -> Text:
    """Return the line of a step that ended: its mark and name, how long it took, a note."""
    padding = " " * max(0, column - cell_len(indent + name))
    line = Text(indent)
    line.append(mark, STYLES.get(mark, ""))
    line.append(f" {name}")
    line.append(f"{padding}{spent:>8}" if spent else "", "dim")
    line.append(f"  {note}" if note else "", "dim")
    return line


def moving_line(running: Running, now: float, wall: datetime, width: int) -> Text:
    """Return the line of a step that runs, or that waits for a moment, cut to `width`."""
    if running.until is not None:
        left = show(max(0.0, round((running.until - wall).total_seconds())))
        line = Text(f" ↻ {running.name}  {left} left  {running.note}", "yellow")
    else:
        spent = show(round(now - running.since, 1))
        line = Text(f" ◌ {running.name}  {spent}  {running.note}")
    line.truncate(width, overflow="ellipsis")
    return line


def tail_line(text: str, width: int) -> Text:
    """Return a line that a step wrote, cut to `width`."""
    line = Text(f"     {text}", "dim")
    line.truncate(width, overflow="ellipsis")
    return line


def decision_note(step: StepState) -> str:
    """Return what is worth saying about a step that succeeded."""
    notes = [f"attempt {step.attempts}"] if step.attempts > 1 else []
    if step.decided_by.startswith(("approved", "earned", "overridden")):
        notes.append(clean(step.decided_by))
    return ", ".join(notes)
