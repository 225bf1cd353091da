"""Does a step proceed by itself, or is a person asked? And the rule that decided it."""

from __future__ import annotations

from holdfast.model.making import dataclass, made_often
from holdfast.model.terms import Terms


@made_often
@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether to ask, and the rule to show beside it."""

    asks: bool
    rule: str


_CONFIRM_STEP = Ruling(True, "confirm: the step says so")
_READS = Ruling(False, "auto: only reads")
_AUTO_REST = Ruling(False, "auto: said for the rest of this run")


def decide(confirm: bool, reads: bool, terms: Terms, auto_rest: bool) -> Ruling:
    """Return the ruling for one step: its own `confirm` first, then the terms of the life.

    Nothing said at a prompt loosens a target that names its approvers.
    """
    if confirm:
        return _CONFIRM_STEP
    if terms.mode == "auto":
        return Ruling(False, terms.rule)
    if reads:
        return _READS
    if auto_rest and not terms.is_guarded:
        return _AUTO_REST
    return Ruling(True, terms.rule)
