"""The in-doubt step: it began, nobody knows how it ended, and it must not run twice unasked."""

from __future__ import annotations

from holdfast.engine.effects import ANSWER, Program, look, now, record, record_at_boundary
from holdfast.model.facts import HoldOpened, StepDoubted
from holdfast.model.json import Json
from holdfast.model.state import RunState, StepState
from holdfast.model.undoing import why_not_again


def none_left() -> Program[None]:
    """Hold as long as a step is in doubt that the script did not come back to: because it
    was edited, or cancelled the step. A run cannot succeed over it."""
    state = yield from look()
    for seen in list(state.steps.values()):
        if seen.leaves_doubt and seen.status in ("running", "in_doubt"):
            yield from decided_again(seen)


def decided_again(seen: StepState) -> Program[None]:
    """Hold until a person decided: `done` gave the step a result, `retry` lets it run again.

    Raises nothing: a run that is left here stays on hold (exit 6). A crash costs nothing; the
    doubt is found again.
    """
    state = yield from look()
    if seen.status == "running":
        ended = "it was cancelled" if seen.epoch == state.epoch else "its process ended"
        why = f"{ended} before a result was recorded ({_where(state, seen)})"
        yield from record(StepDoubted((yield from now()), seen.key, seen.attempts, why))
    while seen.status == "in_doubt":
        hold = state.holds.latest(seen.key, "in_doubt")
        if hold is not None and hold.status == "open":
            yield ANSWER
            continue
        at = yield from now()
        name = state.holds.new_id()
        why = why_not_again(seen.key, is_once=seen.once)
        question = f"did {seen.key} take effect? {why}, and its end is not known"
        digest = f"{seen.key}@{seen.attempts}"
        opened = HoldOpened(
            at, name, "in_doubt", seen.key, question, digest, _evidence(state, seen)
        )
        yield from record_at_boundary(opened)


def _where(state: RunState, seen: StepState) -> str:
    life = state.life_of(seen)
    return "owner unknown" if life is None else f"pid {life.owner.pid} on {life.owner.host}"


def _evidence(state: RunState, seen: StepState) -> dict[str, Json]:
    life = state.life_of(seen)
    return {
        "attempt": seen.attempts,
        "inputs": seen.shown,
        "started_at": seen.started_at.isoformat() if seen.started_at else None,
        "host": life.owner.host if life else None,
        "pid": life.owner.pid if life else None,
        "why": seen.error,
    }
