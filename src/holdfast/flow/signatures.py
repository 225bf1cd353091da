"""The parameters of functions, and the arguments of calls by name.

`inspect` knows every callable. But loading it takes a tenth of the time from the start of a
process to its first new step, and binding a call by it as long as answering the call from the
journal. So what a plain function tells about itself is read from there, and the rest left to it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from holdfast.model.called import layers_of
from holdfast.model.making import dataclass

if TYPE_CHECKING:
    import inspect

EMPTY: Final = type("EMPTY", (), {})
"""Stands for a default or an annotation that is not there."""

# As `inspect` numbers them, and in the order in which they may stand.
POSITIONAL_ONLY: Final = 0
POSITIONAL_OR_KEYWORD: Final = 1
VAR_POSITIONAL: Final = 2
KEYWORD_ONLY: Final = 3
VAR_KEYWORD: Final = 4
_NAMED: Final = (POSITIONAL_OR_KEYWORD, KEYWORD_ONLY)

_HAS_VAR_POSITIONAL: Final = 0x04  # CO_VARARGS of a code object's flags.
_HAS_VAR_KEYWORD: Final = 0x08  # CO_VARKEYWORDS

# From 3.14 on annotations are evaluated late, and may then name what does not exist.
_LATE: Final = sys.version_info >= (3, 14)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function."""

    name: str
    kind: int
    default: object = EMPTY
    annotation: object = EMPTY

    @property
    def is_required(self) -> bool:
        return self.default is EMPTY


def parameters_of(function: Callable[..., object]) -> tuple[Parameter, ...]:
    """Return the parameters of any callable in their order, also when its annotations do not
    resolve. Raises TypeError and ValueError as `inspect.signature` does."""
    if _is_plain(function):
        return tuple(_of_code(function))
    signature = signature_of(function)
    empty = signature.empty
    return tuple(
        Parameter(
            p.name,
            int(p.kind),
            EMPTY if p.default is empty else p.default,
            EMPTY if p.annotation is empty else p.annotation,
        )
        for p in signature.parameters.values()
    )


def signature_of(
    function: Callable[..., object], *, follow_wrapped: bool = True
) -> inspect.Signature:
    """Return what `inspect` knows, also when annotations do not resolve."""
    import inspect

    late = {"annotation_format": _forward()} if _LATE else {}
    signature: Callable[..., inspect.Signature] = inspect.signature
    return signature(function, follow_wrapped=follow_wrapped, **late)


def annotations_of(cls: type) -> dict[str, object]:
    """Return the annotations of a class, without those of its bases."""
    import inspect

    late = {"format": _forward()} if _LATE else {}
    annotations: Callable[..., dict[str, object]] = inspect.get_annotations
    return annotations(cls, **late)


def _forward() -> object:
    import annotationlib  # type: ignore[import-not-found, unused-ignore]  # Since 3.14.

    return annotationlib.Format.FORWARDREF


class Signature:
    """How one function is called."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        try:
            self.parameters = parameters_of(function)
        except ValueError:  # Some builtins do not tell: `int`, `max`. They are asked by the call.
            self.parameters = _UNTOLD
        self.defaults = {p.name: p.default for p in self.parameters if not p.is_required}
        self._positional = sum(p.kind == POSITIONAL_OR_KEYWORD for p in self.parameters)
        is_named = all(p.kind in _NAMED for p in self.parameters)
        self._names = tuple(p.name for p in self.parameters) if is_named else None

    def bind(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        """Return the arguments of a call by name, in the order of the parameters, defaults
        included. Raises TypeError where the call would."""
        names = self._names
        given = len(args)
        if names is None or given > self._positional:
            return self._inspected(args, kwargs)
        arguments = dict(zip(names, args))  # noqa: B905 - the rest follows
        if given == len(names) and not kwargs:
            return arguments
        left = len(kwargs)
        for name in names[given:]:
            if name in kwargs:
                arguments[name] = kwargs[name]
                left -= 1
            elif name in self.defaults:
                arguments[name] = self.defaults[name]
            else:
                return self._inspected(args, kwargs)
        return arguments if left == 0 else self._inspected(args, kwargs)

    def call(self, arguments: Mapping[str, object]) -> object:
        """Call the function with what `bind` returned."""
        if self._takes_names:
            return self._function(**arguments)
        bound = self._signature.bind_partial()
        bound.arguments.update(arguments)
        return self._function(*bound.args, **bound.kwargs)

    @cached_property
    def _takes_names(self) -> bool:
        """Whether every argument can be given by its name: a decorator that stands for another
        function may pass on what it is given by position alone."""
        if self._names is None or _is_plain(self._function):
            return self._names is not None
        return all(_passes_on(layer, self._names) for layer in layers_of(self._function))

    @cached_property
    def _signature(self) -> inspect.Signature:
        return signature_of(_untold if self.parameters is _UNTOLD else self._function)

    def _inspected(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)


def _untold(*args: object, **kwargs: object) -> None:
    """Stands for how a function is called that does not tell it."""


_UNTOLD: Final = (Parameter("args", VAR_POSITIONAL), Parameter("kwargs", VAR_KEYWORD))


def _passes_on(layer: Any, names: Sequence[str]) -> bool:
    """Whether a function, by itself, takes arguments of these names by name."""
    try:
        own = signature_of(layer, follow_wrapped=False).parameters.values()
    except ValueError:  # `functools.cache` is a builtin, and passes on whatever it is given.
        return True
    by_name = {p.name for p in own if int(p.kind) in _NAMED}
    return by_name.issuperset(names) or any(int(p.kind) == VAR_KEYWORD for p in own)


def _is_plain(function: Callable[..., object]) -> bool:
    """Whether a function is called as its own code says, and not as what it wraps."""
    if type(function) is not FunctionType:
        return False
    try:
        function.__annotations__  # noqa: B018 - asked of, and maybe evaluated, for the first time
    except Exception:
        return False
    return not {"__wrapped__", "__signature__"} & vars(function).keys()


def _of_code(function: Any) -> list[Parameter]:
    code, annotations = function.__code__, function.__annotations__
    names, flags = code.co_varnames, code.co_flags
    placed, named = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    kinds = [POSITIONAL_ONLY] * code.co_posonlyargcount
    kinds += [POSITIONAL_OR_KEYWORD] * (placed - code.co_posonlyargcount)
    given = function.__defaults__ or ()
    defaults = dict(zip(names[placed - len(given) : placed], given, strict=True))
    defaults |= function.__kwdefaults__ or {}
    found = [*zip(names[:placed], kinds, strict=True)]
    after = named
    if flags & _HAS_VAR_POSITIONAL:
        found.append((names[after], VAR_POSITIONAL))
        after += 1
    found += [(name, KEYWORD_ONLY) for name in names[placed:named]]
    if flags & _HAS_VAR_KEYWORD:
        found.append((names[after], VAR_KEYWORD))
    return [
        Parameter(name, kind, defaults.get(name, EMPTY), annotations.get(name, EMPTY))
        for name, kind in found
    ]
