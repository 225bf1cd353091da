"""What a person typed as the answer to a question, as it is recorded."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from holdfast.errors import UsageError
from holdfast.flow.coercion import Mismatch, from_text
from holdfast.model.codec import encode
from holdfast.model.facts import HoldOpened
from holdfast.model.json import Json, list_in
from holdfast.model.jsontext import dumps

TYPES: dict[str, object] = {
    cls.__name__: cls
    for cls in (
        str, int, float, bool, list, dict, date, datetime, time, timedelta, Decimal, Path, UUID,
    )
}  # fmt: skip
"""The types whose texts are understood by name; an answer of any other is taken as JSON."""


def typed_answer(opened: HoldOpened, text: str) -> Json:
    """Return the value that `text` gives to a question, in the codec's form.

    With choices it is one of them. Raises UsageError, saying what is wanted.
    """
    choices = choices_of(opened)
    if choices:
        for choice in choices:
            if text.strip() == choice_text(choice):
                return choice
        names = ", ".join(map(choice_text, choices))
        raise UsageError(f"{text!r} is none of the choices: {names}")
    name = str(opened.evidence.get("type") or "str")
    try:
        return encode(from_text(text, TYPES.get(name, object)))
    except Mismatch as refusal:
        why = f": {refusal.why}" if refusal.why else ""
        raise UsageError(f"{text!r} is no {name}{why}") from None


def choices_of(opened: HoldOpened) -> list[Json]:
    """Return what a question lets choose from; nothing when any value will do."""
    return list_in(opened.evidence.get("choices"))


def choice_text(value: Json) -> str:
    """Return what a person types for a choice or a default: a text as it is, an Enum's name."""
    if isinstance(value, dict) and value.keys() >= {"$", "v"} and isinstance(value["v"], str):
        return value["v"]
    return value if isinstance(value, str) else dumps(value)
