"""A life's progress on a terminal: what ended scrolls by, what runs moves below it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from rich.cells import cell_len
from rich.text import Text

from holdfast.app.wording import count
from holdfast.cli import gates, rollouts
from holdfast.cli import life_words as words
from holdfast.cli.canvas import Canvas
from holdfast.cli.life_words import clean, shown
from holdfast.cli.moving import OUTPUT_SHOWN_MAX, Running, Steps, tail_line
from holdfast.model import facts as f
from holdfast.model.keys import scope_of
from holdfast.model.state import RunState, StepState
from holdfast.ports.store import Output

NAME_CELLS_MIN, NAME_CELLS_MAX = 24, 40
BESIDE_NAME_CELLS = 36
"""Left of the line for the time and a note, as long as the name's column is not the least."""


class Screen:
    """Draws one life; see `cli.live.Progress` for what each call means."""

    def __init__(
        self, stream: TextIO, *, prompts: bool = False, to_type: Callable[[str], str] = str
    ) -> None:
        self._running, self._prompts, self._to_type = Steps(), prompts, to_type
        self._canvas = Canvas(stream, self._running)
        self._stages: dict[str, str] = {}
        self._stage = ""
        self._asked: tuple[str, str] | None = None

    # --- what is told ---

    def begin(self, run: str, state: RunState) -> None:
        def tell() -> None:
            self._keep(Text(clean(words.beginning(run, state, datetime.now(UTC))), "bold"))
            self._canvas.redraw()

        self._canvas.change(tell)

    def fact(self, fact: f.Fact, state: RunState) -> None:
        if state.rollouts and type(fact) in rollouts.MOVES:
            self._running.wave = rollouts.live_line(state, self._canvas.width)
        told = _TOLD.get(type(fact))
        if told is not None:
            self._canvas.change(lambda: told(self, fact, state))

    def progress(self, key: str, done: float, total: float | None, note: str) -> None:
        def tell() -> None:
            running = self._running.get(key)
            if running is not None:
                running.note = f"{words.fraction(done, total)}  {clean(note)}".rstrip()

        self._canvas.change(tell)

    def output(self, output: Output) -> None:
        def tell() -> None:
            running = self._running.get(output.key)
            if running is not None and output.text.strip():
                running.heard(clean(output.text.expandtabs()))

        self._canvas.change(tell)

    def note(self, text: str) -> None:
        line = f"   {clean(self._to_type(text))}"
        self._canvas.change(lambda: self._keep(Text(line, "yellow")))

    def pause(self, hold: str, key: str) -> None:
        with self._canvas.lock:
            if self._asked is None:
                self._canvas.lend()
                self._asked = (hold, key)

    def go_on(self) -> None:
        with self._canvas.lock:
            self._asked = None
            self._canvas.take_back()
            self._canvas.redraw()

    def aside(self, write: Callable[[], None]) -> None:
        """Let something be written to the terminal; what moves is drawn again below it, soon."""
        self._canvas.aside(write)

    def close(self) -> None:
        with self._canvas.lock:
            self._release_terminal()
            self._running.clear()
        self._canvas.close()

    # --- lines that stay ---

    def _keep(self, line: Text) -> None:
        self._canvas.keep(line)

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
        beside = self._canvas.width + 1 - BESIDE_NAME_CELLS
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
        spent = "" if mark in _NOT_TIMED else words.took(state.steps.get(key), at)
        note = note or (running.note if running else "")
        self._keep(_line(indent, mark, name, spent, note, self._column()))
        if running is not None and running.tail:
            if running.lines > len(running.tail):
                before = count(running.lines - len(running.tail), "line")
                self._keep(Text(f"     … {before} before", "dim"))
            for text in running.tail:
                self._keep(tail_line(text, self._canvas.width))
        for text in more:
            self._keep(Text(f"     {text}", _STYLES.get(mark, "")))

    def _release(self, hold: str = "", key: str = "") -> None:
        """What the open prompt asks about was decided elsewhere: the terminal is ours again."""
        if self._asked is not None and (hold == self._asked[0] or (key and key == self._asked[1])):
            self._release_terminal()

    def _release_terminal(self) -> None:
        self._canvas.take_back(is_line_begun=True)
        self._asked = None

    # --- one method per fact ---

    def _started(self, fact: f.StepStarted, state: RunState) -> None:
        stage = self._stage_of(scope_of(fact.key), state)
        name = shown(fact.key[len(stage) + 1 :] if stage else fact.key)
        self._running[fact.key] = Running(name)

    def _succeeded(self, fact: f.StepSucceeded, state: RunState) -> None:
        self._ended("✔", fact.key, state, fact.at, _decision(state.steps[fact.key]))

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
        self._running[fact.key] = Running(
            shown(fact.key), until=fact.next_at, note="until the next attempt"
        )

    def _doubted(self, fact: f.StepDoubted, state: RunState) -> None:
        self._ended("?", fact.key, state, fact.at, "in doubt", clean(fact.why))

    def _rearmed(self, fact: f.StepRearmed, state: RunState) -> None:
        self._release(key=fact.key)
        name, indent = self._step(fact.key, state)
        note = f"runs again ({clean(fact.by.name)})"
        self._keep(_line(indent, "↻", name, "", note, self._column()))

    def _skipped(self, fact: f.StepSkipped, state: RunState) -> None:
        self._release(key=fact.key)
        why = f"skipped by {fact.by.name}" + (f": {fact.reason}" if fact.reason else "")
        self._ended("–", fact.key, state, fact.at, clean(why))

    def _left(self, fact: f.StepLeft, state: RunState) -> None:
        self._ended("‖", fact.key, state, fact.at, f"left, {words.left_note(fact.key, state)}")

    def _timer(self, fact: f.TimerSet, state: RunState) -> None:
        if fact.until is not None:
            self._running[fact.key] = Running(shown(fact.key), until=fact.until)

    def _gate(self, fact: f.GateOpened | f.SampleTaken, state: RunState) -> None:
        running = self._running.setdefault(fact.key, Running(shown(fact.key)))
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


_NOT_TIMED = frozenset("–?")
"""Marks of steps that end by a decision: how long ago they began says nothing."""
_STYLES = {"✔": "green", "–": "cyan", "✖": "red", "↻": "yellow", "?": "magenta", "‖": "yellow"}


def _line(indent: str, mark: str, name: str, spent: str, note: str, column: int) -> Text:
    padding = " " * max(0, column - cell_len(indent + name))
    line = Text(indent)
    line.append(mark, _STYLES.get(mark, ""))
    line.append(f" {name}")
    line.append(f"{padding}{spent:>8}" if spent else "", "dim")
    line.append(f"  {note}" if note else "", "dim")
    return line


def _decision(step: StepState) -> str:
    """Return what is worth saying about a step that succeeded."""
    notes = [f"attempt {step.attempts}"] if step.attempts > 1 else []
    if step.decided_by.startswith(("approved", "earned", "overridden")):
        notes.append(clean(step.decided_by))
    return ", ".join(notes)


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
