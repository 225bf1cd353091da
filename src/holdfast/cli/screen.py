"""A life's progress on a terminal: what ended scrolls by, what runs moves below it.

The moving part is drawn with the cursor left at its end, and never hidden: after a kill -9 the
terminal is as it should be, and a program that writes past us loses no line of its own. While
nothing runs there is no moving part, so that the script itself may print between its steps.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Thread, current_thread
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from holdfast.cli import gates, rollouts
from holdfast.cli import life_words as words
from holdfast.cli.life_words import clean, shown
from holdfast.cli.screen_lines import (
    NOT_TIMED,
    OUTPUT_SHOWN_MAX,
    STYLES,
    Running,
    decision_note,
    ended_line,
    erased,
    moving_line,
    tail_line,
)
from holdfast.cli.sink import Sink
from holdfast.locks import RLock, forkable
from holdfast.model import facts as f
from holdfast.model.keys import scope_of
from holdfast.model.state import RunState
from holdfast.ports.store import Output

DRAW_EVERY_S, DRAW_SOON_S = 0.1, 0.05
RUNNING_SHOWN_MAX = 8
NAME_CELLS_MIN, NAME_CELLS_MAX = 24, 40
BESIDE_NAME_CELLS = 36
"""Left of the line for the time and a note, as long as the name's column is not the least."""
HELD_BACK_MAX = 10_000
"""Lines kept while a prompt has the terminal; older ones are in the log anyway."""


class Screen:
    """Draws one life; see `cli.live.Progress` for what each call means."""

    def __init__(self, stream: TextIO, *, prompts: bool = False) -> None:
        self._sink, self._prompts = Sink(stream), prompts
        self._console = Console(file=stream, highlight=False, force_terminal=True)
        # Reentrant: a signal handler may write a note while this thread draws.
        self._lock = forkable(RLock())
        self._pending: deque[Text] = deque(maxlen=HELD_BACK_MAX)
        self._running: dict[str, Running] = {}
        self._stages: dict[str, str] = {}
        self._stage = self._wave = ""
        self._height, self._drawn = 0, 0.0
        self._drawer = os.getpid()
        self._held: tuple[str, str] | None = None
        self._busy, self._over = Event(), Event()
        self._ticker: Thread | None = None

    # --- what is told ---

    def begin(self, run: str, state: RunState) -> None:
        def tell() -> None:
            self._keep(Text(clean(words.beginning(run, state, datetime.now(UTC))), "bold"))
            self._draw()

        self._tell(tell)

    def fact(self, fact: f.Fact, state: RunState) -> None:
        if state.rollouts and type(fact) in rollouts.MOVES:
            self._wave = rollouts.live_line(state, self._console.width - 1)
        told = _TOLD.get(type(fact))
        if told is not None:
            self._tell(lambda: told(self, fact, state))

    def progress(self, key: str, done: float, total: float | None, note: str) -> None:
        def tell() -> None:
            running = self._running.get(key)
            if running is not None:
                running.note = f"{words.fraction(done, total)}  {clean(note)}".rstrip()

        self._tell(tell)

    def output(self, output: Output) -> None:
        def tell() -> None:
            running = self._running.get(output.key)
            if running is not None and output.text.strip():
                running.tail.append(clean(output.text.expandtabs()))
                running.lines += 1

        self._tell(tell)

    def note(self, text: str) -> None:
        self._tell(lambda: self._keep(Text(f"   {clean(text)}", "yellow")))

    def pause(self, hold: str, key: str) -> None:
        with self._lock:
            if self._held is None:
                self._draw(is_moving=False)
                self._held = (hold, key)

    def go_on(self) -> None:
        with self._lock:
            self._held = None
            self._draw()

    def aside(self, write: Callable[[], None]) -> None:
        """Let something be written to the terminal; what moves is drawn again below it, soon."""
        with self._lock:
            self._draw(is_moving=False)
            write()

    def close(self) -> None:
        self._over.set()
        self._busy.set()
        with self._lock:
            if self._held is not None:
                self._sink.write("\n")
                self._held = None
            self._running.clear()
            self._draw()
        if self._ticker is not None and self._ticker is not current_thread():
            self._ticker.join(1.0)

    def _tell(self, change: Callable[[], None]) -> None:
        """Take note of something, and draw it now if that is cheap, else with the next tick."""
        with self._lock:
            if self._sink.is_dead or os.getpid() != self._drawer:
                return  # What a forked child says is in the log; its parent has the terminal.
            try:
                change()
                is_over = self._height > 0 and not self._running
                if is_over or (self._pending and time.monotonic() - self._drawn >= DRAW_SOON_S):
                    self._draw()
                if self._running or self._pending:
                    self._tick()
            except Exception as error:
                self._sink.write(f"\nprogress cannot be shown ({type(error).__name__}: {error})\n")
                self._sink.is_dead = True

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
            with self._lock:
                try:
                    self._draw()
                except Exception:
                    self._sink.is_dead = True
                if self._sink.is_dead or not (self._running or self._pending):
                    self._busy.clear()

    def _draw(self, *, is_moving: bool = True) -> None:
        if self._held is not None:
            return
        moving = self._moving() if self._running and is_moving else []
        if not (self._pending or moving or self._height):
            return
        parts = [erased(self._height)]
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

    def _moving(self) -> list[Text]:
        now, wall = time.monotonic(), datetime.now(UTC)
        width = self._console.width - 1
        drawn: list[Text] = []
        for running in list(self._running.values())[:RUNNING_SHOWN_MAX]:
            drawn.append(moving_line(running, now, wall, width))
            drawn += [tail_line(text, width) for text in running.tail]
        more = len(self._running) - RUNNING_SHOWN_MAX
        if more > 0:
            drawn.append(Text(f" ◌ and {more} more", "dim"))
        drawn += [Text(self._wave, "bold")] if self._wave else []
        return drawn[-max(1, self._console.height - 2) :]

    # --- lines that stay ---

    def _keep(self, line: Text) -> None:
        self._pending.append(line)

    def _step(self, key: str, state: RunState) -> tuple[str, str]:
        """Return the step's name below its stage, and the indent, showing the stage if it is
        another one than that of the line before."""
        stage = self._stage_of(scope_of(key), state)
        if stage != self._stage:
            self._stage = stage
            if stage:
                self._keep(Text(shown(stage), "bold"))
        name = key[len(stage) + 1 :] if stage else key
        return shown(name), " " if stage else ""

    def _column(self) -> int:
        """Return how many cells the names of steps take, so that times stand in a column."""
        beside = self._console.width - BESIDE_NAME_CELLS
        return max(NAME_CELLS_MIN, min(NAME_CELLS_MAX, beside))

    def _stage_of(self, scope: str, state: RunState) -> str:
        found = self._stages.get(scope)
        if found is None:
            at = scope
            while at and not (at in state.scopes and state.scopes[at].kind == "stage"):
                at = scope_of(at)
            found = self._stages[scope] = at
        return found

    def _ended(
        self, mark: str, key: str, state: RunState, at: datetime, note: str = "", *more: str
    ) -> None:
        """Keep the line of a step that ended, with its last output and `more` lines below."""
        running = self._running.pop(key, None)
        name, indent = self._step(key, state)
        spent = "" if mark in NOT_TIMED else words.took(state.steps.get(key), at)
        note = note or (running.note if running else "")
        self._keep(ended_line(indent, mark, name, spent, note, self._column()))
        if running is not None and running.tail:
            if running.lines > len(running.tail):
                self._keep(Text(f"     … {running.lines - len(running.tail)} lines before", "dim"))
            for text in running.tail:
                self._keep(tail_line(text, self._console.width - 1))
        for text in more:
            self._keep(Text(f"     {text}", STYLES.get(mark, "")))

    def _release(self, hold: str = "", key: str = "") -> None:
        """What the open prompt asks about was decided elsewhere: the terminal is ours again."""
        if self._held is not None and (hold == self._held[0] or (key and key == self._held[1])):
            self._sink.write("\n")
            self._held = None

    # --- one method per fact ---

    def _started(self, fact: f.StepStarted, state: RunState) -> None:
        stage = self._stage_of(scope_of(fact.key), state)
        name = shown(fact.key[len(stage) + 1 :] if stage else fact.key)
        self._running[fact.key] = Running(name, time.monotonic())

    def _succeeded(self, fact: f.StepSucceeded, state: RunState) -> None:
        self._ended("✔", fact.key, state, fact.at, decision_note(state.steps[fact.key]))

    def _found_done(self, fact: f.StepFoundDone, state: RunState) -> None:
        self._release(key=fact.key)
        said = "already done" if fact.decided_by == "check" else clean(fact.decided_by)
        self._ended("–", fact.key, state, fact.at, said)

    def _failed(self, fact: f.AttemptFailed, state: RunState) -> None:
        why = words.reason(fact.type, fact.message.split("\n")[0])
        more = [clean(line) for line in fact.message.split("\n")[1:][-OUTPUT_SHOWN_MAX:]]
        if fact.next_at is None:
            self._ended("✖", fact.key, state, fact.at, "", why, *more)
            return
        self._ended("↻", fact.key, state, fact.at, words.retry_note(fact), why, *more)
        waits = Running(shown(fact.key), time.monotonic(), fact.next_at, "until the next attempt")
        self._running[fact.key] = waits

    def _doubted(self, fact: f.StepDoubted, state: RunState) -> None:
        self._ended("?", fact.key, state, fact.at, "in doubt", clean(fact.why))

    def _rearmed(self, fact: f.StepRearmed, state: RunState) -> None:
        self._release(key=fact.key)
        name, indent = self._step(fact.key, state)
        note = f"runs again ({clean(fact.by.name)})"
        self._keep(ended_line(indent, "↻", name, "", note, self._column()))

    def _skipped(self, fact: f.StepSkipped, state: RunState) -> None:
        self._release(key=fact.key)
        why = f"skipped by {fact.by.name}" + (f": {fact.reason}" if fact.reason else "")
        self._ended("–", fact.key, state, fact.at, clean(why))

    def _left(self, fact: f.StepLeft, state: RunState) -> None:
        self._ended("‖", fact.key, state, fact.at, f"left, {words.left_note(fact.key, state)}")

    def _timer(self, fact: f.TimerSet, state: RunState) -> None:
        if fact.until is not None:
            self._running[fact.key] = Running(shown(fact.key), time.monotonic(), fact.until)

    def _gate(self, fact: f.GateOpened | f.SampleTaken, state: RunState) -> None:
        running = self._running.setdefault(fact.key, Running(shown(fact.key), time.monotonic()))
        gate = state.steps[fact.key].gate
        if gate is not None:
            running.note = gates.progress_note(gate)
            running.tail = deque(gates.series_notes(gate), OUTPUT_SHOWN_MAX)

    def _stage_entered(self, fact: f.ScopeEntered, state: RunState) -> None:
        if fact.kind == "stage" and self._stage != fact.key:
            self._stage = fact.key
            self._keep(Text(shown(fact.key), "bold"))

    def _hold_opened(self, fact: f.HoldOpened, state: RunState) -> None:
        if fact.kind == "gate":
            self._ended("‖", fact.key, state, fact.at)
        if not self._prompts:
            note = f"waits for a person: {clean(fact.question)} ({fact.id})"
            self._keep(Text(f" ‖ {note}", "yellow"))

    def _hold_answered(self, fact: f.HoldAnswered, state: RunState) -> None:
        self._release(fact.id)
        self._keep(Text(f"   {fact.id} {clean(words.answer_note(fact))}", "dim"))

    def _hold_voided(self, fact: f.HoldVoided, state: RunState) -> None:
        self._release(fact.id)
        self._keep(Text(f"   {fact.id} is void: {clean(fact.why)}", "dim"))

    def _stop(self, fact: f.StopRequested, state: RunState) -> None:
        self._keep(Text(f"   {clean(words.stop_note(fact))}", "yellow"))


_TOLD: dict[type[f.Fact], Callable[[Screen, Any, RunState], None]] = {
    f.StepStarted: Screen._started,
    f.StepSucceeded: Screen._succeeded,
    f.StepFoundDone: Screen._found_done,
    f.AttemptFailed: Screen._failed,
    f.StepDoubted: Screen._doubted,
    f.StepRearmed: Screen._rearmed,
    f.StepSkipped: Screen._skipped,
    f.StepLeft: Screen._left,
    f.TimerSet: Screen._timer,
    f.GateOpened: Screen._gate,
    f.SampleTaken: Screen._gate,
    f.ScopeEntered: Screen._stage_entered,
    f.HoldOpened: Screen._hold_opened,
    f.HoldAnswered: Screen._hold_answered,
    f.HoldVoided: Screen._hold_voided,
    f.StopRequested: Screen._stop,
}
