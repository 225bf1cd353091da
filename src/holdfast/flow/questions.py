"""The verbs that ask a person: a yes, and a value of a type."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin, overload

from holdfast.engine.effects import Program
from holdfast.engine.question import Question, check_default, question
from holdfast.errors import UsageError
from holdfast.flow.recorded import read_back
from holdfast.flow.steps import Duration
from holdfast.flow.verbs import plain_call
from holdfast.model.durations import seconds
from holdfast.model.hold_facts import OnExpiry
from holdfast.model.making import dataclass
from holdfast.model.terms import ANYBODY, Electorate
from holdfast.model.types import NO_TYPES, Types
from holdfast.runtime.context import Frame, in_workflow
from holdfast.runtime.driving import drive

R = TypeVar("R")

EXPIRES_S_MIN: Final = 1.0
"""What nobody has the time to answer is no question: it would be asked again and again."""


class Answered(NamedTuple):
    """Who said yes, when, and what they added; a quorum's names are separated by commas."""

    by: str
    at: datetime
    comment: str


@dataclass(frozen=True, slots=True)
class Asking:
    """Whose yes counts, how many must agree, and until when: the options of `confirm`."""

    approvers: tuple[str, ...] | None
    quorum: int
    expires_s: float | None
    on_expiry: OnExpiry

    @classmethod
    def of(
        cls,
        approvers: Sequence[str] | None,
        quorum: int,
        expires: Duration | None,
        on_expiry: OnExpiry,
    ) -> Asking:
        """Return the options, checked. Raises UsageError."""
        if isinstance(approvers, str):
            raise UsageError(f"approvers={approvers!r}: give a list of names")
        if approvers is not None and not approvers:
            raise UsageError("approvers=[]: nobody could ever say yes; leave it out for anybody")
        if quorum < 1:
            raise UsageError(f"quorum={quorum}: at least one person must say yes")
        if on_expiry not in ("ask", "reject"):
            raise UsageError(
                f"on_expiry={on_expiry!r}: choose ask or reject; a timeout never means yes"
            )
        if on_expiry == "reject" and expires is None:
            raise UsageError('on_expiry="reject" needs expires=, such as "4h"')
        expires_s = None if expires is None else seconds(expires)
        if expires_s is not None and expires_s < EXPIRES_S_MIN:
            raise UsageError(
                f"expires={expires!r}: nobody can answer so soon; give 1s or more, such as "
                '"4h", or leave it out to wait for ever'
            )
        names = None if approvers is None else tuple(approvers)
        return cls(names, quorum, expires_s, on_expiry)

    def electorate(self, frame: Frame) -> Electorate:
        """Return whose yes counts: the script's own approvers, else the target's.

        The script never lowers what the target asks for: who is barred stays barred, and a
        quorum of the target's own approvers is no smaller.
        """
        terms = frame.life.journal.state.terms.electorate
        if self.approvers is None:
            names, quorum = terms.approvers, max(self.quorum, terms.quorum)
        else:
            names, quorum = frame.life.people(self.approvers), self.quorum
        if names and quorum > len(names):
            raise UsageError(f"quorum={quorum}, but only {', '.join(names)} may say yes")
        return Electorate(names, quorum, terms.separate, terms.identity)


def confirm(
    text: str,
    *,
    approvers: Sequence[str] | None = None,
    quorum: int = 1,
    expires: Duration | None = None,
    on_expiry: OnExpiry = "ask",
) -> Answered:
    """Hold until a person says yes; return who, when and their comment.

    `approvers` are names and `@groups` of the inventory, else the target's, else anybody;
    `quorum` of them must say yes. What nobody answered within `expires`, a second at least, is
    asked again, or is a no with `on_expiry="reject"`; it is never a yes. Raises StepFailed when
    the answer is no; `resume` asks again.
    """
    frame = in_workflow("confirm")
    asking = Asking.of(approvers, quorum, expires, on_expiry)
    found = drive(confirm_program(frame, text, asking), frame.life.performer())
    return answered(read_back(frame.life, found, NO_TYPES))


def confirm_program(frame: Frame, text: str, asking: Asking) -> Program[Any]:
    """Return the program that holds until enough people said yes. Raises UsageError."""
    asked = Question(
        text,
        "confirm",
        electorate=asking.electorate(frame),
        expires_s=asking.expires_s,
        on_expiry=asking.on_expiry,
        wants_who=True,
    )
    return question(plain_call(frame, f"confirm {text}"), asked)


def answered(value: Any) -> Answered:
    """Return a recorded answer as `confirm` gives it."""
    return Answered(value["by"], value["at"], value["comment"])


@overload
def ask(text: str, *, choices: list[str] | None = None, default: str | None = None) -> str: ...
@overload
def ask(
    text: str, type: type[R], *, choices: list[R] | None = None, default: R | None = None
) -> R: ...
@overload  # A Literal, say, is no class to a type checker.
def ask(
    text: str, type: object = str, *, choices: list[Any] | None = None, default: Any = None
) -> Any: ...
def ask(
    text: str, type: Any = str, *, choices: list[Any] | None = None, default: Any = None
) -> Any:
    """Ask a person for a value and return it, typed; the run holds until it is given.

    Without `choices` those of a `Literal` are taken. A default, one of them, is offered and
    never taken by itself.
    """
    frame = in_workflow("ask")
    program = ask_program(frame, text, type, choices, default)
    found = drive(program, frame.life.performer())
    return read_back(frame.life, found, Types.of(type))


def ask_program(
    frame: Frame, text: str, type: object, choices: Sequence[object] | None, default: object
) -> Program[Any]:
    """Return the program that holds until a value is given. Raises UsageError for a default that
    is none of the choices."""
    if choices is None and get_origin(type) is Literal:
        choices = get_args(type)
    among = None if choices is None else tuple(choices)
    check_default(among, default)
    asked = Question(text, "question", type, among, default, ANYBODY)
    return question(plain_call(frame, f"ask {text}"), asked)
