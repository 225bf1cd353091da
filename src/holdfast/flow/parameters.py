"""Parameters: what a workflow is started with, typed by its annotations.

Values come as texts of `-p`, from a JSON file, from the inventory or from Python, and leave as
the complete arguments of the call. What is wrong is refused before anything is recorded, in the
words of the function's own signature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Final, get_args, get_origin

from holdfast.errors import UsageError
from holdfast.flow.coercion import Mismatch, coerce, from_text
from holdfast.flow.hints import (
    choices,
    example,
    holds_secret,
    plain,
    resolve,
    type_text,
)
from holdfast.flow.signatures import (
    EMPTY,
    POSITIONAL_ONLY,
    VAR_KEYWORD,
    VAR_POSITIONAL,
    Parameter,
    parameters_of,
)
from holdfast.flow.texts import HIDDEN, quoted, text_of
from holdfast.model.called import layers_of
from holdfast.model.codec import fingerprint
from holdfast.model.keys import is_secret_name
from holdfast.model.making import dataclass

_PLAIN_WORDS: Final = r"[\w./:-]+(,[\w./:-]+)*"


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """A parameter as a person needs it; all but `required` is text."""

    name: str
    type: str
    required: bool
    default: str | None
    """What to type to get the default, or None when there is none."""
    choices: tuple[str, ...]
    example: str
    """What may stand behind `NAME=`."""

    def __str__(self) -> str:
        default = "" if self.default is None else f" = {self.default}"
        return f"{self.name}: {self.type}{default}"


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    hint: object
    default: object

    @property
    def required(self) -> bool:
        return self.default is EMPTY

    def fit(self, value: object) -> object:
        """Return the value as it is annotated, or raise Mismatch; the default always fits."""
        try:
            return coerce(value, self.hint)
        except Mismatch:
            # `size: int = None` is common; the bool is there for arrays and the like.
            if type(value) is type(self.default) and bool(value == self.default):
                return value
            raise

    def fitted_default(self) -> object:
        try:
            return coerce(self.default, self.hint)
        except Mismatch:
            return self.default


class Parameters:
    """The parameters of a workflow's function; nothing is resolved before it is asked for."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    @classmethod
    def of(cls, function: Callable[..., object]) -> Parameters:
        """Return the parameters of `function`, a plain or an `async def` one.

        Asking them anything raises UsageError for a function with `*args` or with positional
        parameters that have no name, because a run's parameters are recorded by name.
        """
        return cls(function)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the order of the signature, without that of `**kwargs`."""
        return tuple(self._named)

    def describe(self) -> list[ParameterInfo]:
        """Return each parameter for a person, `**kwargs` last."""
        infos = [_info(parameter) for parameter in self._named.values()]
        if self._others is not None:
            type, sample = type_text(self._others.hint), _sample(self._others)
            name = f"**{self._others.name}"
            infos.append(ParameterInfo(name, type, False, None, (), sample))
        return infos

    def parse(
        self,
        pairs: Sequence[str],
        file: Mapping[str, object] | None = None,
        *,
        option: str = "-p",
    ) -> dict[str, object]:
        """Return the values of a parameter file, with those typed as `NAME=VALUE` over them.

        A parameter annotated `str` is taken verbatim, any other as JSON or else as its type's
        text; `option` is what it was typed behind. What is missing is not looked at: `check` does
        that, when all sources are together.
        Raises UsageError for an unknown name, a name typed twice, and a text that does not fit.
        """
        values = dict(file or {})
        self._check_known(values)
        typed: dict[str, object] = {}
        for pair in pairs:
            name, text = self._split(pair, option)
            if name in typed:
                raise UsageError(f"parameter {name} is given twice with {option}; give it once")
            parameter = self._parameter(name)
            try:
                typed[name] = from_text(text, parameter.hint)
            except Mismatch as refusal:
                sample = _sample(parameter, text)
                raise _wrong(parameter, refusal, f"{option} {quoted(f'{name}={sample}')}") from None
        return {**values, **typed}

    def check(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return all arguments of the call, typed, in the order of the signature.

        Checking them again changes nothing. Raises UsageError for unknown and missing names and
        for a value that is not, and cannot without loss be made, what its annotation says.
        """
        self._check_known(values)
        missing = [p for p in self._named.values() if p.required and p.name not in values]
        if missing:
            raise self._missing(missing)
        extra = [name for name in values if name not in self._named]
        checked: dict[str, object] = {}
        for name in [*self._named, *extra]:
            if name in values:
                checked[name] = self.fit(name, values[name])
            else:
                checked[name] = self._parameter(name).fitted_default()
        return checked

    def fit(self, name: str, value: object) -> object:
        """Return a value for the parameter `name`, typed. Raises UsageError as `check` does."""
        parameter = self._parameter(name)
        try:
            return parameter.fit(value)
        except Mismatch as refusal:
            sample = json.dumps({name: example(parameter.hint)}, ensure_ascii=False)
            raise _wrong(parameter, refusal, sample) from None
        except RecursionError:
            raise UsageError(f"parameter {name} is nested too deeply") from None

    # --- the signature ------------------------------------------------------------------------

    @cached_property
    def _every(self) -> list[tuple[Parameter, _Parameter]]:
        names = getattr(layers_of(self._function)[-1], "__globals__", {})
        return [
            (p, _Parameter(p.name, resolve(p.annotation, names), p.default))
            for p in parameters_of(self._function)
        ]

    @cached_property
    def _named(self) -> dict[str, _Parameter]:
        for p, _ in self._every:
            if p.kind == VAR_POSITIONAL:
                raise UsageError(
                    f"workflow {self._name} takes *{p.name}, but parameters are given by name; "
                    f"make it one parameter, `{p.name}: list[str]`"
                )
            if p.kind == POSITIONAL_ONLY:
                raise UsageError(
                    f"workflow {self._name} takes {p.name} by position only, but parameters are "
                    "given by name; remove the `/`"
                )
        return {p.name: made for p, made in self._every if p.kind != VAR_KEYWORD}

    @cached_property
    def _others(self) -> _Parameter | None:
        """What `**kwargs` takes, if there is one."""
        return next((made for p, made in self._every if p.kind == VAR_KEYWORD), None)

    @property
    def _name(self) -> str:
        return getattr(self._function, "__name__", type(self._function).__name__)

    def _parameter(self, name: str) -> _Parameter:
        if name in self._named or self._others is None:
            return self._named[name]
        return _Parameter(name, self._others.hint, EMPTY)

    # --- what is wrong ------------------------------------------------------------------------

    def _split(self, pair: str, option: str) -> tuple[str, str]:
        name, sign, text = pair.partition("=")
        if not sign:
            # Not shown whole: it may be a secret that was typed the wrong way.
            shown = re.match(r"[\w-]*", pair)
            first = next(
                (f"{option} {quoted(f'{p.name}={_sample(p)}')}" for p in self._named.values()), ""
            )
            raise UsageError(
                f"{option} {shown.group() if shown else ''}…: NAME=VALUE is needed"
                + (f", for example {first}" if first else f"; {self._listed()}")
            )
        self._check_known([name])
        return name, text

    def _check_known(self, given: Iterable[str]) -> None:
        for name in given:
            if name in self._named or (self._others is not None and _is_keyword(name)):
                continue
            raise self._unknown(name)

    def _unknown(self, name: str) -> UsageError:
        from difflib import get_close_matches  # Here alone: a run that starts does not need it.

        near = get_close_matches(str(name).replace("-", "_"), self._named, 1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        return UsageError(
            f"workflow {self._name} has no parameter {name!r}; {guess}{self._listed()}"
        )

    def _missing(self, missing: list[_Parameter]) -> UsageError:
        words = [f"{p.name}: {type_text(p.hint)}" for p in missing]
        noun = "parameter" if len(missing) == 1 else "parameters"
        samples = " ".join(f"-p {quoted(f'{p.name}={_sample(p)}')}" for p in missing)
        return UsageError(
            f"workflow {self._name} needs the {noun} {', '.join(words)}; give for example "
            f"{samples}; {self._listed()}"
        )

    def _listed(self) -> str:
        infos = [str(info) for info in self.describe()]
        return f"its parameters: {', '.join(infos)}" if infos else "it has no parameters"


def _is_keyword(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier()


def _wrong(parameter: _Parameter, refusal: Mismatch, sample: str) -> UsageError:
    place = f"{parameter.name}{refusal.path}"
    names = choices(refusal.hint)
    wanted = type_text(refusal.hint) + (f" ({', '.join(names)})" if names else "")
    why = f": {refusal.why}" if refusal.why else ""
    secret = holds_secret(parameter.hint) or holds_secret(refusal.hint)
    # A secret's name anywhere above the value speaks for all below it.
    secret = secret or any(map(is_secret_name, re.findall(r"\w+", place)))
    given = "what was given is not shown" if secret else f"given {_shown(refusal.given)}"
    advice = f"; for example {sample}" if _takes_example(parameter) else ""
    return UsageError(f"parameter {place} takes {wanted}; {given}{why}{advice}")


def _takes_example(parameter: _Parameter) -> bool:
    """Return whether our example would do: a class may have checks of its own."""
    try:
        coerce(example(parameter.hint), parameter.hint)
    except Mismatch:
        return False
    return True


def _shown(value: object) -> str:
    return fingerprint({"_": value})[1].removeprefix("_=")


# --- texts that can be typed ------------------------------------------------------------------


def _info(parameter: _Parameter) -> ParameterInfo:
    default: str | None = None
    if not parameter.required:
        hidden = is_secret_name(parameter.name) and not holds_secret(parameter.hint)
        is_shown = not hidden or parameter.default in (None, "")
        default = text_of(parameter.fitted_default()) if is_shown else HIDDEN
    return ParameterInfo(
        parameter.name,
        type_text(parameter.hint),
        parameter.required,
        default,
        choices(parameter.hint),
        _sample(parameter),
    )


def _sample(parameter: _Parameter, text: str = "") -> str:
    """Return an example to type; of `a,b` given for a list of words, these words as JSON."""
    hint = plain(parameter.hint)
    is_words = get_origin(hint) in (list, tuple, set, frozenset, Sequence, Iterable)
    if is_words and plain((*get_args(hint), None)[0]) is str and re.fullmatch(_PLAIN_WORDS, text):
        with suppress(Mismatch):
            coerce(text.split(","), hint)
            return json.dumps(text.split(","))
    return text_of(example(hint))
