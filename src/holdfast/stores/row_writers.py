"""Writers: for each class of fact, one function that writes its fields as JSON text.

Two facts are written in every step, so what is known of a class is worked out once: the writer's
text is put together from the class's fields, as `dataclasses` does it for `__init__`. A loop over
the fields does the same and takes three times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

Spilled: TypeAlias = Callable[[Any, str], str]
"""Given a value that may be too large for its row, and its JSON text: what the row has of it."""

Writer: TypeAlias = Callable[[Any, Spilled | None], str]
"""Returns the JSON object of what it is given; large values go through the second argument."""


class Missing:
    """The default of a field that has none; equal to nothing a fact can hold."""


MISSING: Final = Missing()


class Field(NamedTuple):
    """What a writer knows of one field."""

    name: str
    default: Any
    encode: Callable[[Any], str]
    spills: bool


def writer_of(fields: Sequence[Field]) -> Writer:
    """Return the writer of a class with these fields.

    A field that equals its default, and is of the same class, is left out.
    """
    # Of a fact the first field is always there; where it may not be, the first comma is cut off.
    leads = fields[0].default is MISSING
    known: dict[str, Any] = {}
    lines = ["def write(given, spilled):", ' text = "{"' if leads else ' text = ""']
    for number, field in enumerate(fields):
        known[f"encode{number}"] = field.encode
        known[f"default{number}"] = field.default
        known[f"class{number}"] = field.default.__class__
        lines += _lines_of(field, number, "" if leads and number == 0 else ",")
    lines.append(' return text + "}"' if leads else ' return "{" + text[1:] + "}"')
    # Made of nothing but our own fields' names.
    exec("\n".join(lines), known)
    writer: Writer = known["write"]
    return writer


def _lines_of(field: Field, number: int, comma: str) -> list[str]:
    """Return the lines that write one field, if it is not its default."""
    encoded = f"encode{number}(value)"
    if field.spills:
        encoded = f"{encoded} if spilled is None else spilled(value, {encoded})"
    written = f"text = f'{{text}}{comma}\"{field.name}\":{{{encoded}}}'"
    if field.default is MISSING:
        return [f" value = given.{field.name}", f" {written}"]
    return [
        f" value = given.{field.name}",
        # By identity first, which settles most: equal is not enough, as 0 == False.
        f" if value is not default{number} and "
        f"(value != default{number} or value.__class__ is not class{number}):",
        f"  {written}",
    ]
