"""A terminal with a part that stays and scrolls by, and below it one that moves.

The moving part is drawn with the cursor left at its end, and never hidden: after a kill -9 the
terminal is as it should be, and a program that writes past us loses no line of its own. While
nothing moves there is no such part, so that the script itself may print between its steps.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from threading import Event, Thread, current_thread
from typing import Protocol, TextIO

from rich.console import Console
from rich.text import Text

from holdfast.cli.sink import Sink
from holdfast.locks import RLock, forkable

DRAW_EVERY_S, DRAW_SOON_S = 0.1, 0.05
HELD_BACK_MAX = 10_000
"""Lines kept while a prompt has the terminal; older ones are in the log anyway."""


class Moving(Protocol):
    """What is drawn below the lines that stay."""

    def __len__(self) -> int:
        """How many things move; while there are none, nothing is drawn."""

    def drawn(self, width: int) -> list[Text]:
        """Return it as lines that are no wider; the last ones are the ones that must be seen."""


class Canvas:
    """The terminal, whoever draws on it: the thread that tells, a ticker, or a signal handler."""

    def __init__(self, stream: TextIO, moving: Moving) -> None:
        self._sink, self._moving = Sink(stream), moving
        # Without colours there is no dimming and nothing bold either.
        self._console = Console(
            file=stream, highlight=False, force_terminal=True,
            color_system=None if os.environ.get("NO_COLOR") else "auto",
        )  # fmt: skip
        # Reentrant: a signal handler may write a note while this thread draws.
        self.lock = forkable(RLock())
        self._pending: deque[Text] = deque(maxlen=HELD_BACK_MAX)
        self._height, self._drawn = 0, 0.0
        self._drawer = os.getpid()
        self._is_lent = False
        self._busy, self._over = Event(), Event()
        self._ticker: Thread | None = None

    @property
    def width(self) -> int:
        """How many columns a line may take."""
        return self._console.width - 1

    def keep(self, line: Text) -> None:
        """Have a line stay: it is shown with the next drawing, above what moves."""
        self._pending.append(line)

    def change(self, change: Callable[[], None]) -> None:
        """Take note of something, and draw it now if that is cheap, else with the next tick."""
        with self.lock:
            if self._sink.is_dead or os.getpid() != self._drawer:
                return  # What a forked child says is in the log; its parent has the terminal.
            try:
                change()
                is_over = self._height > 0 and not self._moving
                if is_over or (self._pending and time.monotonic() - self._drawn >= DRAW_SOON_S):
                    self._draw()
                if self._moving or self._pending:
                    self._tick()
            except Exception as error:
                self._sink.write(f"\nprogress cannot be shown ({type(error).__name__}: {error})\n")
                self._sink.is_dead = True

    def lend(self) -> None:
        """Leave the terminal to a prompt: nothing is drawn until it is taken back."""
        with self.lock:
            self._draw(is_moving=False)
            self._is_lent = True

    def take_back(self, *, is_line_begun: bool = False) -> None:
        """Be able to draw again, on a new line when somebody may be typing on this one."""
        with self.lock:
            if self._is_lent and is_line_begun:
                self._sink.write("\n")
            self._is_lent = False

    def redraw(self) -> None:
        """Show now what was not shown yet."""
        with self.lock:
            self._draw()

    def aside(self, write: Callable[[], None]) -> None:
        """Let something be written to the terminal; what moves is drawn again below it, soon."""
        with self.lock:
            self._draw(is_moving=False)
            write()

    def close(self) -> None:
        """Draw for the last time, and end the ticker. Safe to call twice."""
        self._over.set()
        self._busy.set()
        self.redraw()
        if self._ticker is not None and self._ticker is not current_thread():
            self._ticker.join(1.0)

    # --- drawing ---

    def _tick(self) -> None:
        if self._ticker is None:
            self._ticker = Thread(target=self._draw_on, name="holdfast screen", daemon=True)
            self._ticker.start()
        self._busy.set()

    def _draw_on(self) -> None:
        while not self._over.is_set():
            self._busy.wait()
            self._over.wait(DRAW_EVERY_S)
            with self.lock:
                try:
                    self._draw()
                except Exception:
                    self._sink.is_dead = True
                if self._sink.is_dead or not (self._moving or self._pending):
                    self._busy.clear()

    def _draw(self, *, is_moving: bool = True) -> None:
        if self._is_lent:
            return
        moving = self._moving.drawn(self.width) if self._moving and is_moving else []
        moving = moving[-max(1, self._console.height - 2) :]
        if not (self._pending or moving or self._height):
            return
        parts = [_erase(self._height)]
        if self._pending:
            kept = Text("\n").join([self._pending.popleft() for _ in range(len(self._pending))])
            parts.append(self._rendered(kept) + "\n")
        if moving:
            parts.append(self._rendered(Text("\n").join(moving)))
        self._height = len(moving)
        self._drawn = time.monotonic()
        self._sink.write("".join(parts))

    def _rendered(self, text: Text) -> str:
        with self._console.capture() as capture:
            self._console.print(text, soft_wrap=True, end="")
        return capture.get()


def _erase(height: int) -> str:
    """Return what removes the moving part; the cursor stands at the end of its last line."""
    if height == 0:
        return ""
    return "\r" + (f"\x1b[{height - 1}A" if height > 1 else "") + "\x1b[J"
