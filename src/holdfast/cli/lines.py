"""A life's progress as one line per event, for logs and plain terminals, and the words for it.

Whatever goes wrong here (a closed pipe, a full disk behind a redirection, a bug) is swallowed:
it must never cost a run anything.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from holdfast.cli.gates import opened_line, overridden_line, sampled_line
from holdfast.cli.rollouts import failed_line, granted_line, planned_line
from holdfast.cli.text import safe
from holdfast.errors import error_text
from holdfast.model import facts as f
from holdfast.model.durations import show
from holdfast.model.keys import unescape
from holdfast.model.state import RunState, StepState
from holdfast.ports.store import Output

PROGRESS_EVERY_S = 10.0
"""How often a log is told about one step's progress."""
WRITE_WAIT_S = 1.0


class Sink:
    """Writes straight to the stream's descriptor: a signal handler may write in between."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding or "utf-8"
        self.is_dead = False
        try:
            self._fd: int | None = stream.fileno()
        except (OSError, ValueError, AttributeError):
            self._fd = None

    def write(self, text: str) -> None:
        """Write `text` now, or nothing any more once nobody reads."""
        if self.is_dead:
            return
        try:
            if self._fd is None:
                self._stream.write(text)
                self._stream.flush()
            else:
                _write_all(self._fd, text.encode(self._encoding, "backslashreplace"))
        except (OSError, ValueError):
            self.is_dead = True


def _write_all(fd: int, left: bytes) -> None:
    while left:
        try:
            left = left[os.write(fd, left) :]
        except BlockingIOError:
            if not select.select([], [fd], [], WRITE_WAIT_S)[1]:
                raise


class Lines:
    """One line per event, with its time; no cursor movement."""

    def __init__(self, stream: TextIO) -> None:
        self._sink = Sink(stream)
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
                self._sink.write(f"{fact.at.isoformat()[:19]}Z {text}\n")
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
            at = output.at.isoformat()[:19]
            self._sink.write(f"{at}Z step output {shown(output.key)}: {clean(output.text)}\n")
        except Exception as error:
            self._give_up(error)

    def note(self, text: str) -> None:
        self._line(f"note {clean(text)}")

    def pause(self, hold: str, key: str) -> None:
        return None

    def go_on(self) -> None:
        return None

    def close(self) -> None:
        return None

    def _line(self, text: str) -> None:
        try:
            self._sink.write(f"{datetime.now(UTC).isoformat()[:19]}Z {text}\n")
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._sink.write(f"note progress cannot be shown ({type(error).__name__}: {error})\n")
        self._sink.is_dead = True


# --- the words ------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Return `text` on one line, with control and bidirectional characters escaped."""
    return text if text.isprintable() else safe(" ".join(text.split("\n")))


def shown(key: str) -> str:
    """Return a key as a person reads it."""
    return clean(unescape(key) if "%" in key else key)


def fraction(done: float, total: float | None) -> str:
    """Return `340/1000 34%`, or `340` when nobody knows the end; less than all is never 100%."""
    if total is None or total <= 0:
        return _number(done)
    percent = 100 * done / total
    shown = 99.0 if done < total and percent > 99 else percent
    return f"{_number(done)}/{_number(total)} {shown:.0f}%"


def _number(value: float) -> str:
    """Return a number with all its digits where it is whole."""
    return f"{value:.0f}" if value // 1 == value else f"{value:g}"


def took(step: StepState | None, at: datetime) -> str:
    """Return how long a step's last attempt took until `at`."""
    if step is None or step.started_at is None:
        return ""
    return show(max(0.0, (at - step.started_at).total_seconds()))


def beginning(run: str, state: RunState, now: datetime) -> str:
    """Return the first line: what begins, or what is gone on with."""
    created = state.created
    assert created is not None
    where = f" on {created.target}" if created.target else ""
    if len(state.lives) <= 1:
        return f"run {run}: {created.workflow}{where}"
    by, age = name_of(created.by), show(max(0.0, (now - created.at).total_seconds()))
    done = sum(step.is_finished for step in state.steps.values())
    text = f"resuming {run}{where} (started by {by} {age} ago): {count(done, 'step')} done"
    left = [s.key for s in state.steps.values() if not s.is_finished and s.status != "superseded"]
    if state.ledger.is_going_back or (state.lives and state.lives[-1].errand):
        return f"{text}, going back"
    return f"{text}, going on with {left[0]}" if left else text


def count(number: int, noun: str) -> str:
    """Return `1 step` or `2 steps`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def name_of(who: f.Who) -> str:
    return who.name


def reason(type: str, message: str) -> str:
    """Return why an attempt failed, in one line."""
    return clean(error_text(type, message))


def retry_note(fact: f.AttemptFailed) -> str:
    """Return when the next attempt follows a failed one, and which it is."""
    assert fact.next_at is not None
    wait = show(max(0.0, (fact.next_at - fact.at).total_seconds()))
    return f"retry in {wait} (attempt {fact.attempt + 1})"


ANSWERED = {
    "approve": "approved", "reject": "rejected", "skip": "skipped", "value": "answered",
    "done": "decided", "retry": "decided",
}  # fmt: skip


def answer_note(fact: f.HoldAnswered) -> str:
    """Return who answered a hold, and how."""
    comment = f": {fact.comment}" if fact.comment else ""
    return f"{ANSWERED.get(fact.answer, 'answered')} by {name_of(fact.by)}{comment}"


def stop_note(fact: f.StopRequested) -> str:
    """Return who asked for a stop."""
    word = "pause" if fact.pause else "stop"
    return f"asked to {word} by {name_of(fact.by)}; leaving after the step in hand"


def left_note(key: str, state: RunState) -> str:
    """Return what of a step that was left is kept."""
    return "its items are checkpointed" if key in state.batches else "its cursor saved"


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
    f.StepRearmed: lambda t, state: f"step rearmed {shown(t.key)} by {clean(name_of(t.by))}",
    f.StepSkipped: lambda t, state: (
        f"step skipped {shown(t.key)} by {clean(name_of(t.by))}: {clean(t.reason)}"
    ),
    f.StepRenamed: lambda t, state: f"step renamed {shown(t.was)} to {shown(t.key)}",
    f.StepLeft: lambda t, state: f"step left {shown(t.key)}, {left_note(t.key, state)}",
    f.ItemsRearmed: lambda t, state: f"items rearmed {shown(t.key)} by {clean(name_of(t.by))}",
    f.ItemDecided: lambda t, state: (
        f"item {t.outcome} {shown(t.key)} {clean(t.item)} by {clean(name_of(t.by))}"
    ),
    f.BudgetGranted: lambda t, state: f"budget granted {shown(t.key)} by {clean(name_of(t.by))}",
    f.TimerSet: _timer,
    f.ScopeEntered: lambda t, state: f"{t.kind} entered {shown(t.key)}",
    f.ScopeClosed: lambda t, state: f"{t.kind} closed {shown(t.key)}",
    f.DebtSettled: lambda t, state: f"debt settled {shown(t.key)} ({t.how})",
    f.DebtAccepted: lambda t, state: f"debt accepted {shown(t.key)} by {clean(name_of(t.by))}",
    f.PointPassed: lambda t, state: f"no return from here on: {clean(t.reason)}",
    f.UndoBegun: lambda t, state: f"undoing {shown(t.scope)}",
    f.StepUndone: lambda t, state: f"step undone {shown(t.key)}",
    f.StageUndone: lambda t, state: f"undone {shown(t.scope)}",
    f.RollbackBegun: lambda t, state: f"rolling back{f' to {shown(t.to)}' if t.to else ''}",
    f.HoldOpened: _hold,
    f.HoldAnswered: lambda t, state: f"hold {t.id} {clean(answer_note(t))}",
    f.HoldVoided: lambda t, state: f"hold {t.id} void: {clean(t.why)}",
    f.DriftAccepted: lambda t, state: f"drift accepted by {clean(name_of(t.by))}",
    f.StopRequested: lambda t, state: clean(stop_note(t)),
    f.GateOpened: opened_line,
    f.SampleTaken: sampled_line,
    f.GateOverridden: overridden_line,
    f.RolloutPlanned: planned_line,
    f.UnitFailed: failed_line,
    f.FailuresGranted: granted_line,
    f.RunCancelled: lambda t, state: f"cancelled by {clean(name_of(t.by))}: {clean(t.reason)}",
}
