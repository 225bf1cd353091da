"""Where the calling code is: which life, which scope, inside which step.

Kept in a context variable, so that `asyncio` tasks and `to_thread` inherit it and a plain thread
does not: a step called from there would go unrecorded, and is refused instead.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from holdfast.errors import UsageError
from holdfast.model.making import dataclass

if TYPE_CHECKING:
    from holdfast.engine.spec import Call
    from holdfast.engine.trace import Trace
    from holdfast.runtime.life import Life


@dataclass(slots=True)
class Frame:
    """The place in a run that the calling code belongs to; `step` is set inside a body, and in a
    check beside it (`is_aside`), which looks at the world and changes nothing."""

    life: Life
    trace: Trace
    step: Call | None = None
    lane: int = 0
    is_aside: bool = False


FRAME: ContextVar[Frame | None] = ContextVar("holdfast_frame", default=None)
LIVES: set[Life] = set()
"""The runs that live in this process."""


def frame(verb: str) -> Frame:
    """Return the calling code's place. Raises UsageError outside a run, and in a thread that
    does not carry the run's context."""
    found = FRAME.get()
    if found is None:
        raise outside(verb)
    return found


def outside(verb: str) -> UsageError:
    """Return what to raise for a verb that was called outside a run, or in a stray thread."""
    if LIVES:
        return UsageError(
            f"{verb} was called from a thread that does not carry the run's context, so it would "
            "go unrecorded; use holdfast.parallel or holdfast.each instead of a pool of your own"
        )
    return UsageError(
        f"{verb} was called outside a run; start the workflow with `holdfast run FILE` or "
        "holdfast.run(workflow)"
    )


def in_workflow(verb: str) -> Frame:
    """Return the calling code's place in the workflow. Raises UsageError inside a step too, and
    Leaving in a stage that is being undone."""
    found = outside_steps(verb)
    found.life.journal.refuse_shut(found.trace.scope)
    return found


def outside_steps(verb: str) -> Frame:
    """Return the calling code's place. Raises UsageError outside a run, and inside a step."""
    found = frame(verb)
    if found.step is not None:
        raise UsageError(
            f"{verb} was called inside step {found.step.key!r}; call it in the workflow, so that "
            "it is a checkpoint of its own"
        )
    return found


def is_in_step() -> bool:
    """Whether a step's body, or its check, is calling."""
    found = FRAME.get()
    return found is not None and found.step is not None


def in_step(verb: str) -> tuple[Life, Call]:
    """Return the life and the step whose body is calling. Raises UsageError anywhere else."""
    found = frame(verb)
    if found.step is None:
        raise UsageError(f"{verb} belongs inside a step's function; here no step is running")
    return found.life, found.step
