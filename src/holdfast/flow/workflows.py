"""`@workflow`: a plain function whose recorded calls make up a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from holdfast.engine import debts, doubt, drift
from holdfast.engine.effects import NOW, Program, record_at_boundary
from holdfast.engine.trace import Trace
from holdfast.errors import UsageError
from holdfast.flow.decorator import refuse_async, refuse_generator
from holdfast.flow.parameters import Parameters
from holdfast.flow.scopes import in_scope, scope_key
from holdfast.flow.secret import refuse_secrets
from holdfast.model.codec import Unrecordable, decode, encode
from holdfast.model.facts import RunSucceeded
from holdfast.model.json import Json
from holdfast.model.terms import ASKS, MODES, Ask, Mode
from holdfast.model.types import Types
from holdfast.runtime.context import FRAME, in_workflow, outside
from holdfast.runtime.driving import drive
from holdfast.runtime.life import Life

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Workflow(Generic[P, R]):
    """A function that can be run, resumed and, inside a run, nested."""

    def __init__(
        self,
        function: Callable[P, R],
        name: str | None = None,
        mode: str | None = None,
        target: str | None = None,
        ask: str = "step",
    ) -> None:
        if mode is not None and mode not in MODES:
            raise UsageError(f"mode={mode!r}: choose one of {', '.join(MODES)}")
        if ask not in ASKS:
            raise UsageError(f"ask={ask!r}: choose one of {', '.join(ASKS)}")
        if not hasattr(function, "__code__"):
            raise UsageError(
                f"workflow: {function!r:.80} is no function of a script, of which the file and the "
                "parameters are known; define one with `def` that calls it"
            )
        refuse_generator("workflow: ", function)
        self.function = function
        self.name = name or function.__name__
        self.mode, self.target, self.ask = mode, target, ask
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if FRAME.get() is None:
            raise outside(f"workflow {self.name!r}")
        frame = in_workflow(f"workflow {self.name!r}")
        key = scope_key(frame, self.name)
        call = lambda: self.function(*args, **kwargs)  # noqa: E731
        return cast(R, in_scope(frame, key, "workflow", call, self.types))

    def __repr__(self) -> str:
        return f"<workflow {self.name}>"

    @property
    def file(self) -> str:
        """The file that defines it."""
        return self.function.__code__.co_filename

    @property
    def script(self) -> str:
        """Its file as any later life finds it; empty where no file has it, as of `python -c`."""
        path = Path(self.file).resolve()
        return str(path) if path.is_file() else ""

    @cached_property
    def parameters(self) -> Parameters:
        """Its parameters, typed by their annotations."""
        return Parameters.of(self.function)

    @cached_property
    def types(self) -> Types:
        """Where recorded values find their classes."""
        return Types.of_result(self.function)

    def recorded(self, params: Mapping[str, object]) -> dict[str, Json]:
        """Return the parameters of a run as they are recorded. Raises UsageError, naming it, for
        one that cannot be, or that no later life could read back."""
        found: dict[str, Json] = {}
        for name, value in params.items():
            try:
                found[name] = encode(value, self.types)
            except Unrecordable as error:
                place = f"{name}{error.path}"
                raise UsageError(f"parameter {place} cannot be recorded: {error.why}") from None
        return found

    def refuse_here(self) -> None:
        """Raise UsageError where the function cannot run: a plain one can everywhere."""

    def walk(self, life: Life, root: Trace, params: Mapping[str, object]) -> object:
        """Run the function in `life` to its recorded end, and return its recorded value.

        Raises what the script raises; Leaving again when the script swallowed it; and whatever
        comes of finished steps that are gone from the script.
        """
        function: Callable[..., R] = self.function
        value = function(**params)
        life.raise_if_leaving()
        drive(drift.at_end(root), life.performer())
        refuse_secrets(life, "what the workflow returns", value)
        encoded = encode(value, self.types)
        life.forget_deadline()
        drive(succeed(encoded), life.performer())
        return decode(encoded, self.types)

    def perform(self, life: Life, program: Program[T]) -> T:
        """Drive a program of the run's own, outside the function."""
        return drive(program, life.performer())


def succeed(encoded: Json) -> Program[None]:
    """Record the workflow's result, unless a person ended or stopped the run before that. Holds
    while a step is in doubt, and while something is owed."""
    yield from doubt.none_left()
    yield from debts.none_left()
    written = False
    while not written:
        written = yield from record_at_boundary(RunSucceeded((yield NOW), encoded))


@overload
def workflow(fn: Callable[P, R]) -> Workflow[P, R]: ...


@overload
def workflow(
    fn: None = None,
    *,
    name: str | None = None,
    mode: Mode | None = None,
    ask: Ask = "step",
    target: str | None = None,
) -> Callable[[Callable[P, R]], Workflow[P, R]]: ...


def workflow(
    fn: Any = None,
    *,
    name: str | None = None,
    mode: Any = None,
    ask: Any = "step",
    target: str | None = None,
) -> Any:
    """Make a function a workflow.

    Its parameters are typed by their annotations. Code between its steps runs anew at every
    resume, so whatever changes the world belongs into a step. Called inside a run it is nested
    as a scope; called directly it raises: start it with `holdfast.run` or `holdfast run FILE`.
    `mode` and `ask` say whether its steps ask and how much one yes covers, where neither the
    command nor the target says it; `target="required"` refuses to start without one.
    """
    if fn is not None:
        refuse_async(fn, "workflow")
        return Workflow(fn)

    def made(function: Callable[..., Any]) -> Workflow[..., Any]:
        refuse_async(function, "workflow")
        return Workflow(function, name, mode, target, ask)

    return made
