"""What a step returns by its annotation, and whether a value that a person gave is such a one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from holdfast.errors import HoldfastError, UsageError
from holdfast.flow.coercion import Mismatch, coerce
from holdfast.flow.hints import resolve, type_text
from holdfast.flow.recorded import unreadable
from holdfast.flow.signatures import signature_of
from holdfast.model.called import layers_of
from holdfast.model.codec import decode
from holdfast.model.json import Json
from holdfast.model.standing import StepState
from holdfast.model.typed import command
from holdfast.model.types import Types
from holdfast.runtime.context import Frame


class Stepped(Protocol):
    """What is asked of a step's function here."""

    body: Callable[..., Any]
    name: str

    @property
    def code(self) -> str: ...

    @property
    def types(self) -> Types: ...


def return_hint(body: Callable[..., object]) -> object:
    """Return what a function's annotation says that it returns; `object` when it says nothing."""
    try:
        hint = signature_of(body).return_annotation
    except (TypeError, ValueError):
        return object
    names: Mapping[str, object] = getattr(layers_of(body)[-1], "__globals__", {})
    return object if hint is signature_of(lambda: None).return_annotation else resolve(hint, names)


def fitted(step: Stepped, tree: Json) -> object:
    """Return the value that a person gave for what a step returns, typed by its annotation.

    Raises Mismatch when it is none such; fitting it again changes nothing.
    """
    hint = return_hint(step.body)
    try:
        value = decode(tree, step.types)
    except HoldfastError as error:
        raise Mismatch(hint, tree, str(error)) from None
    return coerce(value, hint)


def given_value(frame: Frame, step: Stepped, seen: StepState) -> object:
    """Return what a person gave as a step's result, typed by the step's annotation.

    Raises Leaving, naming the verb that corrects it, when it is not what the step returns.
    """
    life = frame.life
    try:
        return fitted(step, life.journal.load(seen.result))
    except Mismatch as refusal:
        again = command("done", (life.run, seen.key), ("--output", "JSON", "-m", "REASON"))
        error = UsageError(
            f"step {seen.key} {why_not(step, refusal)}; that is what `done` gave: give it again: "
            f"{again}"
        )
        raise unreadable(life, error) from None


def why_not(step: Stepped, refusal: Mismatch) -> str:
    """Return what is wrong with a value, as a sentence after the step's name."""
    place = f" (at {refusal.path})" if refusal.path else ""
    why = f": {refusal.why}" if refusal.why else ""
    wanted = type_text(return_hint(step.body))
    return f"returns {wanted}, and {refusal.given!r:.80} is not that{place}{why}"


def is_of(step: Stepped, template: str | None, seen: StepState) -> bool:
    """Whether a recorded step may be a call of this function, by its label."""
    if template is None:
        return seen.label == step.name or seen.label.startswith(f"{step.name} ")
    parts = re.split(r"\{[^{}]*\}", template)
    return re.fullmatch(".*".join(map(re.escape, parts)), seen.label, re.DOTALL) is not None
