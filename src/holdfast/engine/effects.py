"""The five things a program may ask its driver to do.

Keep this list short: each driver must handle every effect. New step kinds are new programs, not
new effects.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

from holdfast.model.facts import Fact
from holdfast.model.making import dataclass, made_often
from holdfast.model.state import RunState

T = TypeVar("T")
Call: TypeAlias = Callable[[], object]
Place: TypeAlias = Literal["here", "thread"]


@made_often
@dataclass(frozen=True, slots=True)
class Record:
    """Make these facts permanent as one unit. Answer: whether they were written.

    With `durable` they survive power loss; without, the death of the process. A `boundary` is a
    place where the run may be left: the driver raises Leaving there when the run is to stop, and
    writes nothing, answering False, when another process appended since the program last looked;
    the program then looks and decides again.
    """

    facts: tuple[Fact, ...]
    durable: bool = True
    boundary: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """Answer: the run's state, as folded so far. Costs no I/O."""


@dataclass(frozen=True, slots=True)
class Now:
    """Answer: the time."""


@made_often
@dataclass(frozen=True, slots=True)
class Submit:
    """Begin the user's code under a ticket. Answer: None.

    `place` "here" is the calling thread (or task), which is where a sequential step's code runs;
    "thread" is one of its own, so that it can be given up on.
    """

    ticket: str
    call: Call
    place: Place = "here"


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for any of the program's tickets, or until a moment. Answer: what landed, perhaps
    nothing. When `idle`, no ticket is waited for, not even one that was given up on: until the
    moment, or until another process appends; without a moment the driver raises Leaving when
    nobody is there to wait."""

    until: datetime | None = None
    idle: bool = False


@made_often
@dataclass(frozen=True, slots=True)
class Returned:
    """The user's code came back with a value."""

    value: object


@dataclass(frozen=True, slots=True)
class Raised:
    """The user's code raised."""

    error: Exception


Outcome: TypeAlias = Returned | Raised
Landed: TypeAlias = Mapping[str, Outcome]
Effect: TypeAlias = Record | Look | Now | Submit | Wait
Program: TypeAlias = Generator[Effect, Any, T]

LOOK: Final = Look()
NOW: Final = Now()
WAIT: Final = Wait()
ANSWER: Final = Wait(idle=True)
"""Wait for a person."""


def record(*facts: Fact, durable: bool = True) -> Program[None]:
    """Make `facts` permanent, whatever others append meanwhile."""
    yield Record(facts, durable)


def record_at_boundary(*facts: Fact) -> Program[bool]:
    """Make `facts` permanent unless the run is to stop or the journal moved; see `Record`."""
    return cast(bool, (yield Record(facts, boundary=True)))


def look() -> Program[RunState]:
    """Return the run's state, folded so far."""
    return cast(RunState, (yield LOOK))


def now() -> Program[datetime]:
    """Return the time."""
    return cast(datetime, (yield NOW))


def pause(until: datetime | None) -> Program[None]:
    """Wait until a moment, or until another process appends; see `Wait`, when it is `idle`."""
    yield Wait(until, idle=True)


def invoke(ticket: str, call: Call) -> Program[Outcome]:
    """Return what came of `call`."""
    yield Submit(ticket, call)
    landed = cast(Landed, (yield WAIT))
    while ticket not in landed:
        landed = cast(Landed, (yield WAIT))  # A check that was given up on has ended at last.
    return landed[ticket]
