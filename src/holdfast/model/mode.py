"""Auto or confirm: whether a step needs a yes, and the rule that decided it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether to ask, and the rule to show beside it."""

    asks: bool
    rule: str


_AUTO = Ruling(False, "auto")
_CONFIRM_STEP = Ruling(True, "confirm: the step says so")
_CONFIRM_RUN = Ruling(True, "confirm: the run's mode")
_READS = Ruling(False, "auto: only reads")


def decide(confirm: bool, reads: bool, mode: str, auto_rest: bool) -> Ruling:
    """Return the ruling for one step: the step's own `confirm`, then the run's mode."""
    if confirm:
        return _CONFIRM_STEP
    if mode != "confirm" or auto_rest:
        return _AUTO
    return _READS if reads else _CONFIRM_RUN
