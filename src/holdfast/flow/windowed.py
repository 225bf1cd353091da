"""Steps behind a window: one that would still run when the window closes is not begun."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Any, Final

from holdfast.engine.spec import Rules
from holdfast.engine.trace import Trace
from holdfast.errors import UsageError
from holdfast.model import windows
from holdfast.model.durations import show
from holdfast.model.facts import StepStarted, StepSucceeded
from holdfast.model.state import RunState
from holdfast.model.window_fit import next_fit, usual_s
from holdfast.runtime.context import Frame
from holdfast.runtime.life import Life

RUNS_READ_MAX: Final = 3
"""Earlier runs of a step, the newest, that tell how long it takes where this one does not."""
FACTS_READ_MAX: Final = 10_000
"""Of each of them."""


def within_window(frame: Frame, rules: Rules, code: str, name: str) -> dict[str, Any]:
    """Return what a call is told of the window it is behind, if there is one.

    What only reads is never kept waiting, nor is anything once the window has closed: a run that
    is in the middle then goes on to where it can rest.
    """
    # Without `chain()`: every step asks, and nearly none is behind a window.
    trace: Trace | None = frame.trace
    while trace is not None and trace.window is None:
        trace = trace.parent
    spec = None if trace is None else trace.window
    if not isinstance(spec, str) or rules.reads or frame.life.replays_here():
        return {}
    window = windows.parse(spec)
    zone = zone_of(window)

    def fits(state: RunState, at: datetime) -> datetime:
        if not window.has(at.astimezone(zone)):
            return at
        needs_s = usual_s(_known(frame.life, state, code, name))
        moment = next_fit(window, at, zone, needs_s) if needs_s else at
        if moment > at:
            frame.life.tell_once(
                f"{name} usually takes {show(needs_s)}, and the window closes before: it begins at "
                f"{moment:%Y-%m-%d %H:%M} UTC"
            )
        return moment

    return {"fits": fits}


def _known(life: Life, state: RunState, code: str, name: str) -> list[float]:
    """Return how long the very code of a step took: in this run, or else in earlier ones."""
    here = [
        (step.ended_at - step.started_at).total_seconds()
        for step in list(state.steps.values())
        if step.code == code != "" and step.status == "succeeded"
        if step.started_at is not None and step.ended_at is not None
    ]
    return here or list(_in_earlier_runs(life, code, name))


def _in_earlier_runs(life: Life, code: str, name: str) -> Iterator[float]:
    """Yield the durations of the newest clean trials, the oldest of them first."""
    clean = (
        trial
        for trial in life.trials_of(name, RUNS_READ_MAX * 4)
        if trial.outcome == "clean" and trial.code == code and trial.run != life.run
    )
    for trial in reversed(list(islice(clean, RUNS_READ_MAX))):
        started = None
        for stored in islice(life.store.read(trial.run), FACTS_READ_MAX):
            fact = stored.fact
            if isinstance(fact, StepStarted) and fact.key == trial.key:
                started = fact.at
            elif isinstance(fact, StepSucceeded) and fact.key == trial.key and started:
                yield (fact.at - started).total_seconds()
                break


def zone_of(window: windows.Window) -> tzinfo:
    """Return the time zone of a window. Raises UsageError when it is not known here."""
    if window.zone == "UTC":
        return UTC  # Known everywhere.
    from zoneinfo import TZPATH, ZoneInfo

    try:
        return ZoneInfo(window.zone)
    except (KeyError, OSError, ValueError) as error:
        # Not there; a folder of that name; a file that holds no zone.
        where = ", ".join(TZPATH) or "no folder"
        raise UsageError(
            f"window {window.text!r}: this machine knows no time zone {window.zone!r} (it looked "
            f"in {where}): correct the name, or: pip install tzdata"
        ) from error
