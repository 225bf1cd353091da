"""`@step`: a function whose outcome is recorded once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property, partial, update_wrapper
from typing import (
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    cast,
    overload,
)

from holdfast.engine.spec import Call, Rules
from holdfast.engine.step import is_answered
from holdfast.engine.step import step as step_program
from holdfast.engine.trace import Trace
from holdfast.errors import StepFailed, UsageError
from holdfast.flow.aside import aside, attempt_of, chosen
from holdfast.flow.noting import note_failure
from holdfast.flow.owing import RESULT, function_name, label_for, owed_by, settled_by
from holdfast.flow.recorded import PLAIN_JSON, read_back, refuse_later
from holdfast.flow.returning import given_value
from holdfast.flow.secret import refuse_secret_name, refuse_secrets
from holdfast.flow.signatures import Signature
from holdfast.flow.windowed import within_window
from holdfast.model.codec import digest, recordable, shown_arguments
from holdfast.model.json import Json
from holdfast.model.keys import default_label, format_label, join
from holdfast.model.making import dataclass, replace
from holdfast.model.types import Types
from holdfast.runtime.capture import current_step
from holdfast.runtime.codehash import code_hash, location
from holdfast.runtime.context import FRAME, LIVES, Frame, outside
from holdfast.runtime.driving import drive
from holdfast.runtime.life import Life

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
Duration = str | float | timedelta


@dataclass(frozen=True, slots=True)
class Options:
    """What the decorator was told, as far as the engine does not need it."""

    label: str | None = None
    check: Callable[..., object] | None = None
    undo: Callable[..., object] | None = None
    owes: Callable[..., object] | None = None
    was: str = ""
    is_literal: bool = False
    """Whether the label was given with the call, and is no template that the script holds."""


@dataclass(frozen=True, slots=True)
class Met:
    """One call of a step as this life has met it: how it is given back is made of that."""

    frame: Frame
    step: StepFunction[Any, Any]
    arguments: dict[str, object]
    call: Call


class StepFunction(Generic[P, R]):
    """A function that is a step inside a run, and just the function everywhere else."""

    is_awaited: ClassVar[bool] = False
    """Whether what its functions return is awaited, where it has to be."""

    def __init__(self, function: Callable[P, R], rules: Rules, options: Options) -> None:
        self.function, self.rules, self.options = function, rules, options
        self.body: Callable[P, R] = (
            function.function if isinstance(function, StepFunction) else function
        )
        self.name = str(getattr(self.body, "__name__", "step"))
        update_wrapper(self, self.body)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        frame = FRAME.get()
        if frame is None or frame.step is not None:
            self._refuse_unrecorded(frame)
            return self.body(*args, **kwargs)
        return recorded(frame, self, self.arguments(args, kwargs))

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...

    @overload
    def __get__(
        self: StepFunction[Concatenate[Any, Q], R], instance: object, owner: type | None = None
    ) -> Callable[Q, R]: ...

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        is_free = instance is None or isinstance(self.function, staticmethod)
        return self if is_free else partial(cast(Any, self), instance)

    def __repr__(self) -> str:
        return f"<step {self.name}>"

    def _refuse_unrecorded(self, frame: Frame | None) -> None:
        """A step outside any run is a plain call; one that would go unrecorded is refused."""
        if frame is None:
            if LIVES:
                raise outside(f"step {self.name!r}")
            return
        assert frame.step is not None
        if self.promises:
            raise UsageError(
                f"step {self.name!r} has {self.promises[0]}= and was called inside step "
                f"{frame.step.key!r}, where it is not recorded; call it from the workflow"
            )

    @property
    def promises(self) -> list[str]:
        """The options that hold only where each call is recorded as a step of its own."""
        rules = self.rules
        given = {
            "once": rules.once,
            "check": rules.has_check,
            "undo": rules.undoes,
            "owes": rules.owes,
            "confirm": rules.confirm,
        }
        return [word for word in given if given[word]]

    @property
    def has_options(self) -> bool:
        """Whether it was told more than its label."""
        return self.rules != Rules() or replace(self.options, label=None) != Options()

    # --- what a call is made of ---

    @cached_property
    def signature(self) -> Signature:
        return Signature(self.body)

    def arguments(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        """Return the call's arguments by name, defaults included. Raises TypeError."""
        try:
            return self.signature.bind(args, kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}(): {error}") from None  # As Python names the function.

    @cached_property
    def code(self) -> str:
        """The hash of the step's code and what it reaches; empty when it cannot be told."""
        given = (self.options.check, self.options.undo, self.options.owes)
        return code_hash(self.body, *(plain(fn) for fn in given if fn is not None))

    @cached_property
    def location(self) -> str:
        return location(self.body)

    @cached_property
    def silent(self) -> frozenset[str]:
        """The parameters whose None says nothing to a person, as it is their default."""
        return frozenset(name for name, value in self.signature.defaults.items() if value is None)

    @cached_property
    def types(self) -> Types:
        """Where a recorded result finds its classes: the annotations and the workflow's file."""
        return Types.of_result(self.body)

    def label(self, arguments: Mapping[str, object]) -> str:
        if self.options.label is not None:
            return format_label(self.options.label, arguments)
        return default_label(self.name, arguments, self.signature.defaults)

    def labelled(self, arguments: Mapping[str, object]) -> str:
        """Return the label of a call with these arguments, defaults filled in."""
        return self.label(self.arguments((), arguments))

    @cached_property
    def full_name(self) -> str:
        """The name by which a debt finds the step that settles it."""
        return function_name(self.body)

    def perform(self, arguments: Mapping[str, object]) -> object:
        """Call the body; `arguments` are its own, as `arguments()` returned them."""
        return self.signature.call(arguments)

    def run(
        self, frame: Frame, what: Performs, arguments: Mapping[str, object]
    ) -> Callable[[Call], object]:
        """Return what gives the step back as a call in its place."""
        return partial(run_in_step, frame, what, arguments)

    def ask(
        self, frame: Frame, check: Callable[..., object], arguments: Mapping[str, object]
    ) -> Callable[[Call], object]:
        """Return a check as a call in the step's place: it gets the arguments it names."""
        return aside(frame, plain(check), arguments)


def refuse_promises(verb: str, function: object) -> None:
    """Raise UsageError for a step whose options would be dropped, because `verb` makes calls of
    it that are no steps of their own."""
    if isinstance(function, StepFunction) and function.promises:
        raise UsageError(
            f"{verb}: step {function.name!r} has {function.promises[0]}=, which holds only where "
            "each call is a step of its own; call it in the workflow, or give a plain function"
        )


def plain(function: Callable[..., object]) -> Callable[..., object]:
    """Return the function behind a step, or the function itself."""
    return function.body if isinstance(function, StepFunction) else function


def recorded(frame: Frame, step: StepFunction[Any, R], arguments: dict[str, object]) -> R:
    """Run one call of a step as a checkpoint and return its recorded value."""
    life = frame.life
    label, key = identify(frame, step, arguments)
    trees = recordable(arguments)
    inputs = digest(trees)
    seen = life.journal.state.steps.get(key)
    if (
        seen is not None
        and is_answered(seen, step.rules, inputs, step.code)
        and not (step.rules.has_check and life.is_replaying)  # That is to meet its check.
    ):
        life.raise_if_leaving()
        frame.trace.reach(key)
        result = seen.result
    else:
        call = _call(frame, step, arguments, label, key, trees, inputs)
        life.under_way.add(key)
        try:
            result = drive(step_program(call), life.performer())
        except StepFailed as failure:
            note_failure(frame, failure)
            raise
        finally:
            life.under_way.discard(key)
        seen = life.journal.state.steps.get(key)
    if seen is not None and seen.status == "already_done" and seen.is_by_hand:
        return given_value(frame, step, seen)  # type: ignore[return-value]
    if type(result) in PLAIN_JSON:
        return result  # type: ignore[return-value]
    return read_back(life, result, step.types)  # type: ignore[return-value]


def prepare(frame: Frame, step: StepFunction[Any, Any], arguments: dict[str, object]) -> Call:
    """Return what the engine needs to know of one call of `step`."""
    label, key = identify(frame, step, arguments)
    trees = recordable(arguments)
    return _call(frame, step, arguments, label, key, trees, digest(trees))


def identify(
    frame: Frame, step: StepFunction[Any, Any], arguments: dict[str, object]
) -> tuple[str, str]:
    """Return the label and key of one call, noting that the script reached it."""
    trace = frame.trace
    label = step.label(arguments)
    if frame.life.redactor:
        template = "" if step.options.is_literal else step.options.label or step.name
        refuse_secret_name(frame.life, label, template)
    key = join(trace.scope, label, trace.number(label))
    frame.life.afterwards.note_reached(key, trace, frame.lane)
    return label, key


def _call(
    frame: Frame,
    step: StepFunction[Any, Any],
    arguments: dict[str, object],
    label: str,
    key: str,
    trees: Mapping[str, Json],
    inputs: str,
) -> Call:
    trace, options = frame.trace, step.options
    name = options.label or step.name
    gives_back = options.undo is not None or options.owes is not None
    call = Call(
        key,
        label,
        step.rules,
        partial(run_in_step, frame, step, arguments),
        trace,
        inputs,
        frame.life.redactor(shown_arguments(arguments, trees, step.silent)),
        step.code,
        _former_key(trace, options.was, arguments) if options.was else "",
        step.location,
        None if options.check is None else step.ask(frame, options.check, arguments),
        frame.life.kill_programs_of,
        lane=frame.lane,
        redact=frame.life.redactor,
        edited=frame.life.note_edited,
        types=step.types,
        ahead=frame.life.ahead,
        name=name,
        trials=lambda limit: frame.life.trials_of(name, limit),
    )
    special = within_window(frame, step.rules, step.code, name)
    if gives_back:
        special |= _given_back(options, arguments)
    if frame.life.journal.state.ledger.owing:
        special["settles"] = partial(settled_by, step.full_name, arguments)
    if special:  # Of few: so many arguments by name cost more than all the others.
        call = replace(call, **special)
    if gives_back or step.rules.once or (step.rules.has_check and frame.life.is_replaying):
        _note_met(Met(frame, step, arguments, call))
    return call


def _given_back(options: Options, arguments: Mapping[str, object]) -> dict[str, Any]:
    """Return what a call is told of how it is given back. Raises UsageError when that needs what
    the step does not have: better now than when it is needed."""
    known = {**arguments, RESULT: None}
    owes, shown = None, []
    if options.undo is not None:
        shown.append(label_for(options.undo, chosen(options.undo, known)))
    if options.owes is not None:
        chosen(options.owes, known)
        owes = owed_by(options.owes, arguments)
        shown.append(f"owes {owes.label}")
    return {"owes": owes, "undo_shown": "; ".join(shown)}


def _note_met(met: Met) -> None:
    """Keep how to give a step back, where that may be needed in this life."""
    trace = met.frame.trace
    if trace.is_replay or trace.undone_with():
        met.frame.life.met[met.call.key] = met


def _former_key(trace: Trace, was: str, arguments: Mapping[str, object]) -> str:
    """Return the key that this call had under its old label, numbered as the old calls were."""
    label = format_label(was, arguments)
    return join(trace.scope, label, trace.number(f"was\0{label}"))


class Performs(Protocol):
    """A step's function, or what gives a step back."""

    @property
    def body(self) -> Callable[..., object]:
        """The script's own function."""

    def perform(self, arguments: Mapping[str, object]) -> object:
        """Do it."""


def run_in_step(
    frame: Frame, step: Performs, arguments: Mapping[str, object], call: Call
) -> object:
    """Run a step's body where `print`, `save` and `sh` find the step they belong to."""
    attempt = attempt_of(frame, call)
    inside = FRAME.set(Frame(frame.life, frame.trace, call, frame.lane))
    logged = current_step.set((call.key, attempt))
    modules = len(sys.modules)
    try:
        value = step.perform(arguments)
        refuse_secret_result(frame.life, call.key, value)
        refuse_later(value, call.types, modules)
        tell_of_changed(frame.life, call, arguments)
        return value
    finally:
        frame.life.end_of_body(call.key, attempt)
        current_step.reset(logged)
        FRAME.reset(inside)


def tell_of_changed(life: Life, call: Call, arguments: Mapping[str, object]) -> None:
    """Say so when a body changed its arguments in place, such as a list that it added to: a replay
    answers without the body, and what comes after it would find them as they were."""
    changeable = [name for name, value in arguments.items() if type(value) not in PLAIN_JSON]
    if not changeable:
        return
    try:
        is_changed = digest(recordable(arguments)) != call.inputs
    except Exception:
        return  # Somebody changes them now, perhaps: nothing of that makes a done step fail.
    if is_changed:
        names = " or ".join(changeable)
        life.tell_once(
            f"{call.key}: it changed its argument {names} in place, which a resumed run will not "
            "see; let it return what it found"
        )


def refuse_secret_result(life: Life, key: str, value: object) -> None:
    """Raise UsageError when what a step's body returned holds the text of a secret."""
    if life.redactor:  # Of few runs: the name costs more than the question.
        refuse_secrets(life, f"the result of step {key!r}", value)
