"""Walk a script through what is recorded, to learn how each step is given back.

The programs are the engine's own, and so are the answers of the journal. What would start, ask,
wait for or record anything new ends the walk instead, as a Leaving that nobody but the walk sees.
A branch beside others ends alone: the others may have more to tell.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from holdfast.engine.effects import Effect, Record, Submit, Wait
from holdfast.errors import HoldfastError, Leaving
from holdfast.model.facts import StepRenamed

WALKED: Final = "walked"
"""The kind of Leaving that ends a walk."""

REPLAYING: Final[ContextVar[bool]] = ContextVar("holdfast_replaying", default=False)
"""Whether the calling code is in a scope that was closed before, and is only walked through."""


class BranchWalked(HoldfastError):
    """A branch of a walk has reached what was never done."""


def walk_over() -> Leaving:
    """Return what ends a walk where nothing more was ever done."""
    return Leaving("the walk has reached what was never done", 0, WALKED)


def refuse_new(effect: Effect) -> None:
    """Raise Leaving for an effect that would do something new."""
    match effect:
        case Record(facts):
            is_new = not all(isinstance(fact, StepRenamed) for fact in facts)
        case Submit(ticket, _, place):
            # A branch is walked through; a body is not, nor a check, which has a ticket of its own.
            is_new = place == "here" or "\0" in ticket
        case Wait(idle=idle):
            is_new = idle
        case _:
            is_new = False
    if is_new:
        raise walk_over()


def walking(perform: Callable[[Effect], object]) -> Callable[[Effect], object]:
    """Return a performer that answers only what is recorded already."""

    def answer(effect: Effect) -> object:
        refuse_new(effect)
        return perform(effect)

    return answer
