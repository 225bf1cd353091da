"""How a rollout's units are fitted into a window."""

from __future__ import annotations

from datetime import datetime

from holdfast.engine.rollout import Fits
from holdfast.flow.windowed import zone_of
from holdfast.model import windows
from holdfast.model.durations import show
from holdfast.model.keys import scopes_around
from holdfast.model.state import RunState, StepState
from holdfast.model.window_fit import next_fit, usual_s
from holdfast.runtime.context import Frame


def fits_in(frame: Frame, spec: str) -> Fits:
    """Return what tells when a unit may begin, by how long the units before it took.

    Raises UsageError for a text that is no window.
    """
    window = windows.parse(spec)
    zone = zone_of(window)

    def fits(state: RunState, at: datetime) -> datetime:
        needs_s = usual_s(unit_durations(state))
        moment = next_fit(window, at, zone, needs_s)
        if moment > at:
            usual = f"; a unit usually takes {show(needs_s)}" if needs_s else ""
            frame.life.tell_once(f"the next unit begins at {moment:%Y-%m-%d %H:%M} UTC{usual}")
        return moment

    return fits


def unit_durations(state: RunState) -> list[float]:
    """Return how long each unit that is done took, from its first step to the end of its last."""
    units = [scope for scope in list(state.scopes.values()) if scope.kind == "unit"]
    done = {unit.key: list[StepState]() for unit in units if unit.closed}
    for step in list(state.steps.values()):
        for around in scopes_around(step.key):
            if around in done:
                done[around].append(step)
    found = []
    for inside in done.values():
        starts = [s.started_at for s in inside if s.started_at is not None]
        ends = [s.ended_at for s in inside if s.ended_at is not None]
        if starts and ends:
            found.append((max(ends) - min(starts)).total_seconds())
    return found
