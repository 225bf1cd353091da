"""A life's progress as one line per event, for logs and plain terminals.

Whatever goes wrong here (a closed pipe, a full disk behind a redirection, a bug) is swallowed:
it must never cost a run anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from holdfast.cli.gates import opened_line, overridden_line, sampled_line
from holdfast.cli.life_words import (
    answer_note,
    beginning,
    clean,
    fraction,
    left_note,
    reason,
    retry_note,
    shown,
    stop_note,
    took,
)
from holdfast.cli.rollouts import failed_line, granted_line, planned_line
from holdfast.cli.sink import Sink
from holdfast.model import facts as f
from holdfast.model.state import RunState
from holdfast.ports.store import Output

PROGRESS_EVERY_S = 10.0
"""How often a log is told about one step's progress."""


class Lines:
    """One line per event, with its time; no cursor movement. Where whoever reads the lines notes
    their times, they have none. `to_type` makes the commands in a note find the same store."""

    def __init__(
        self, stream: TextIO, *, is_timed: bool = True, to_type: Callable[[str], str] = str
    ) -> None:
        self._sink, self._is_timed, self._to_type = Sink(stream), is_timed, to_type
        self._told: dict[str, float] = {}

    def begin(self, run: str, state: RunState) -> None:
        self.note(beginning(run, state, datetime.now(UTC)))

    def fact(self, fact: f.Fact, state: RunState) -> None:
        told = _LINES.get(type(fact))
        if told is None:
            return
        try:
            text = told(fact, state)
            if text:
                self._write(fact.at, text)
        except Exception as error:
            self._give_up(error)

    def progress(self, key: str, done: float, total: float | None, note: str) -> None:
        now = time.monotonic()
        if now - self._told.get(key, -PROGRESS_EVERY_S) < PROGRESS_EVERY_S:
            return
        self._told[key] = now
        self._line(f"step progress {shown(key)}: {fraction(done, total)} {clean(note)}".rstrip())

    def output(self, output: Output) -> None:
        try:
            self._write(output.at, f"step output {shown(output.key)}: {clean(output.text)}")
        except Exception as error:
            self._give_up(error)

    def note(self, text: str) -> None:
        self._line(f"note {clean(self._to_type(text))}")

    def pause(self, hold: str, key: str) -> None:
        return None

    def go_on(self) -> None:
        return None

    def close(self) -> None:
        return None

    def _line(self, text: str) -> None:
        try:
            self._write(datetime.now(UTC), text)
        except Exception as error:
            self._give_up(error)

    def _write(self, at: datetime, text: str) -> None:
        stamp = f"{at.isoformat()[:19]}Z " if self._is_timed else ""
        self._sink.write(f"{stamp}{text}\n")

    def _give_up(self, error: Exception) -> None:
        self._sink.write(f"note progress cannot be shown ({type(error).__name__}: {error})\n")
        self._sink.is_dead = True


def _started(fact: f.StepStarted, state: RunState) -> str:
    again = f" (attempt {fact.attempt})" if fact.attempt > 1 else ""
    earned = f" ({clean(fact.decided_by)})" if fact.decided_by.startswith("earned") else ""
    return f"step started {shown(fact.key)}{again}{earned}"


def _succeeded(fact: f.StepSucceeded, state: RunState) -> str:
    spent = took(state.steps[fact.key], fact.at)
    return f"step succeeded {shown(fact.key)}" + (f" ({spent})" if spent else "")


def _found_done(fact: f.StepFoundDone, state: RunState) -> str:
    return f"step already_done {shown(fact.key)} ({clean(fact.decided_by)})"


def _failed(fact: f.AttemptFailed, state: RunState) -> str:
    spent = took(state.steps.get(fact.key), fact.at)
    why = reason(fact.type, fact.message)
    if fact.next_at is None:
        return f"step failed {shown(fact.key)}{f' ({spent})' if spent else ''}: {why}"
    return f"step waiting {shown(fact.key)}: {why}; {retry_note(fact)}"


def _timer(fact: f.TimerSet, state: RunState) -> str:
    until = f" until {fact.until.isoformat()[:19]}Z" if fact.until else ""
    return f"step waiting {shown(fact.key)}{until}"


def _hold(fact: f.HoldOpened, state: RunState) -> str:
    if fact.key.endswith(f"{fact.kind} {fact.question}"):
        return f"hold opened {fact.id} {shown(fact.key)}"
    about = f" {shown(fact.key)}" if fact.key else ""
    return f"hold opened {fact.id} {fact.kind}{about}: {clean(fact.question)}"


_LINES: dict[type[f.Fact], Callable[[Any, RunState], str]] = {
    f.StepStarted: _started,
    f.StepSucceeded: _succeeded,
    f.StepFoundDone: _found_done,
    f.AttemptFailed: _failed,
    f.StepDoubted: lambda t, state: f"step in_doubt {shown(t.key)}: {clean(t.why)}",
    f.StepRearmed: lambda t, state: f"step rearmed {shown(t.key)} by {clean(t.by.name)}",
    f.StepSkipped: lambda t, state: (
        f"step skipped {shown(t.key)} by {clean(t.by.name)}: {clean(t.reason)}"
    ),
    f.StepRenamed: lambda t, state: f"step renamed {shown(t.was)} to {shown(t.key)}",
    f.StepLeft: lambda t, state: f"step left {shown(t.key)}, {left_note(t.key, state)}",
    f.ItemsRearmed: lambda t, state: f"items rearmed {shown(t.key)} by {clean(t.by.name)}",
    f.ItemDecided: lambda t, state: (
        f"item {t.outcome} {shown(t.key)} {clean(t.item)} by {clean(t.by.name)}"
    ),
    f.BudgetGranted: lambda t, state: f"budget granted {shown(t.key)} by {clean(t.by.name)}",
    f.TimerSet: _timer,
    f.ScopeEntered: lambda t, state: f"{t.kind} entered {shown(t.key)}",
    f.ScopeClosed: lambda t, state: f"{t.kind} closed {shown(t.key)}",
    f.DebtSettled: lambda t, state: f"debt settled {shown(t.key)} ({t.how})",
    f.DebtAccepted: lambda t, state: f"debt accepted {shown(t.key)} by {clean(t.by.name)}",
    f.PointPassed: lambda t, state: f"no return from here on: {clean(t.reason)}",
    f.UndoBegun: lambda t, state: f"undoing {shown(t.scope)}",
    f.StepUndone: lambda t, state: f"step undone {shown(t.key)}",
    f.StageUndone: lambda t, state: f"undone {shown(t.scope)}",
    f.RollbackBegun: lambda t, state: f"rolling back{f' to {shown(t.to)}' if t.to else ''}",
    f.HoldOpened: _hold,
    f.HoldAnswered: lambda t, state: f"hold {t.id} {clean(answer_note(t))}",
    f.HoldVoided: lambda t, state: f"hold {t.id} void: {clean(t.why)}",
    f.DriftAccepted: lambda t, state: f"drift accepted by {clean(t.by.name)}",
    f.StopRequested: lambda t, state: clean(stop_note(t)),
    f.GateOpened: opened_line,
    f.SampleTaken: sampled_line,
    f.GateOverridden: overridden_line,
    f.RolloutPlanned: planned_line,
    f.UnitFailed: failed_line,
    f.FailuresGranted: granted_line,
    f.RunCancelled: lambda t, state: f"cancelled by {clean(t.by.name)}: {clean(t.reason)}",
}
