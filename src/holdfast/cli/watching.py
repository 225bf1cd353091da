"""Following a run: redrawn in place on a terminal, a line a change anywhere else."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from holdfast.app.judging import LIVING, owner_is, status_of
from holdfast.app.reasons import why_of
from holdfast.app.timeline import Event, Timeline
from holdfast.app.views import RunView, look
from holdfast.app.wording import stands
from holdfast.cli.paper import Paper
from holdfast.cli.showing import head_lines, run_lines, step_lines, why_lines
from holdfast.cli.text import safe
from holdfast.ports.store import RunRow, Store
from holdfast.runtime.journal import Journal

POLL_S: Final = 0.25
PAUSE_FOR_LOOK: Final = 4
"""How many times as long as a look takes nobody looks again."""
JUDGE_EVERY_S: Final = 1.0
"""How soon the death of an owner is seen: it commits nothing, so it has to be looked for."""

MOVING: Final = frozenset({"queued", "running", "waiting"})
"""The statuses in which a run goes on without anybody doing anything."""


class Pulse:
    """One run by its row alone, which is read again whenever the run may have moved: however long
    its journal is, that costs nothing."""

    def __init__(self, store: Store, row: RunRow) -> None:
        self.row = row
        self._store = store
        self._changes: object = None
        self._judge_at = 0.0
        self._pause_s = POLL_S

    @property
    def is_over(self) -> bool:
        """Whether the run goes on no more by itself."""
        if status_of(self.row) == "interrupted":
            # It may have ended in order since its row was read.
            self.row = self._store.row(self.row.id) or self.row
        return status_of(self.row) not in MOVING and owner_is(self.row) not in LIVING

    def tick(self) -> bool:
        """Wait a moment, and return whether the run may have moved: then the row is new."""
        time.sleep(self._pause_s)
        changes, now = self._store.changes(), time.monotonic()
        if changes == self._changes and now < self._judge_at:
            return False
        self._changes, self._judge_at = changes, now + JUDGE_EVERY_S
        self.row = self._store.row(self.row.id) or self.row
        return True


class Watched(Pulse):
    """One run with all of its steps. A look at many takes its time, and is taken as rarely."""

    def __init__(self, store: Store, row: RunRow) -> None:
        super().__init__(store, row)
        self._journal = Journal(store, row.id)
        self.view = self._look()

    @property
    def is_over(self) -> bool:
        """Whether the run, as it was seen, goes on no more by itself."""
        return self.view.status not in MOVING and not self.view.is_alive

    def tick(self) -> bool:
        """Wait a moment, and return whether the run may have moved: then the view is new."""
        if not super().tick():
            return False
        self.view = self._look()
        return True

    def _look(self) -> RunView:
        begun = time.monotonic()
        view = look(self._journal, self.row)
        self._pause_s = max(POLL_S, (time.monotonic() - begun) * PAUSE_FOR_LOOK)
        return view


def follow(store: Store, row: RunRow, timeline: Timeline) -> Iterator[Event]:
    """Yield the events of a run as they come, until it goes on no more by itself."""
    pulse = Pulse(store, row)
    while True:
        is_over = pulse.is_over
        # What was written before it ended is there to be read now.
        yield from timeline.entries()
        if is_over:
            return
        pulse.tick()


def watch_lines(
    store: Store, row: RunRow, paper: Paper, options: Sequence[str], echo: Callable[[str], None]
) -> None:
    """Print how a run stands, then each change on a line of its own, then why it ended."""
    from holdfast.cli.events import event_lines

    timeline = Timeline(store, row.id)
    timeline.skip()
    watched = Watched(store, row)
    echo(f"{safe(row.id)} {stands(watched.view.status)}: {_why(watched.view)}")
    if not watched.is_over:
        for event in follow(store, row, timeline):
            if event["kind"] != "Output":
                for line in event_lines(event, paper):
                    echo(line)
        view = look(Journal(store, row.id), row)
        echo(f"{safe(row.id)} {stands(view.status)}: {_why(view)}")
        watched.view = view
    for line in why_lines(why_of(watched.view), paper, _now(), options, is_short=True):
        echo(line)


def watch_drawn(
    store: Store, row: RunRow, paper: Paper, options: Sequence[str], echo: Callable[[str], None]
) -> None:
    """Draw a run, again whenever it moved, and leave its last picture on the screen."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    watched = Watched(store, row)

    def picture() -> Text:
        return Text.from_ansi("\n".join(_fitted(watched.view, paper)), no_wrap=True)

    if not watched.is_over:
        console = Console(no_color=not paper.has_colour, highlight=False)
        with Live(picture(), console=console, auto_refresh=False, transient=True) as live:
            while not watched.is_over:
                if watched.tick():
                    live.update(picture(), refresh=True)
    for line in run_lines(watched.view, paper, _now(), options):
        echo(line)


def _fitted(view: RunView, paper: Paper) -> list[str]:
    """Return as much of a run as the screen holds: what it is, and its latest steps."""
    rows = shutil.get_terminal_size().lines - 2
    head = list(head_lines(view, paper, _now()))
    steps = list(step_lines(view, paper, _now()))
    holds = [f"  waits: {safe(hold.opened.question)}" for hold in view.state.open_holds]
    room = max(3, rows - len(head) - len(holds) - 2)
    if len(steps) > room:
        steps = [f" … {len(steps) - room + 1} lines above", *steps[-(room - 1) :]]
    return [*head, "", *steps, *holds]


def _why(view: RunView) -> str:
    return safe(why_of(view).summary.partition("\n")[0])


def _now() -> datetime:
    return datetime.now(UTC)
