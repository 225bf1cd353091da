"""What moves on a terminal while a life goes on: the steps that run or wait now, and the wave."""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime

from rich.text import Text

from holdfast.model.durations import show
from holdfast.model.making import dataclass, field

RUNNING_SHOWN_MAX, OUTPUT_SHOWN_MAX = 8, 3


@dataclass(slots=True)
class Running:
    """A step that runs or waits now."""

    name: str
    since: float = field(default_factory=time.monotonic)
    until: datetime | None = None
    note: str = ""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=OUTPUT_SHOWN_MAX))
    lines: int = 0

    def heard(self, text: str) -> None:
        """Take note of a line that the step wrote."""
        self.tail.append(text)
        self.lines += 1


class Steps(dict[str, Running]):
    """The steps that run or wait now, by key, and the wave that is at work."""

    wave = ""

    def drawn(self, width: int) -> list[Text]:
        """Return a line for each, what it wrote last, and the wave; as many as may be looked at."""
        now, wall = time.monotonic(), datetime.now(UTC)
        lines: list[Text] = []
        for running in list(self.values())[:RUNNING_SHOWN_MAX]:
            lines.append(_line(running, now, wall, width))
            lines += [tail_line(text, width) for text in running.tail]
        more = len(self) - RUNNING_SHOWN_MAX
        if more > 0:
            lines.append(Text(f" ◌ and {more} more", "dim"))
        return [*lines, Text(self.wave, "bold")] if self.wave else lines


def tail_line(text: str, width: int) -> Text:
    """Return a line of a step's output, as it stands below the step."""
    line = Text(f"     {text}", "dim")
    line.truncate(width, overflow="ellipsis")
    return line


def _line(running: Running, now: float, wall: datetime, width: int) -> Text:
    if running.until is not None:
        left = show(max(0.0, round((running.until - wall).total_seconds())))
        line = Text(f" ↻ {running.name}  {left} left  {running.note}", "yellow")
    else:
        spent = show(round(now - running.since, 1))
        line = Text(f" ◌ {running.name}  {spent}  {running.note}")
    line.truncate(width, overflow="ellipsis")
    return line
