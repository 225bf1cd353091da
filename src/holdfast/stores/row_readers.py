"""Readers: for each class of fact and each set of fields found in a row, one function.

Rows of one kind mostly have the same fields. A long journal is read a hundred thousand times
through the same two or three readers, so what a reader has to check is written out for it, as
`row_writers` does it for writing. Nothing is looser for it: each field's type is still checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from holdfast.model.making import is_made_often

Decode: TypeAlias = Callable[[Any], Any]
"""Returns the value of what was stored. Raises TypeError or ValueError.

With an attribute `by_type`, it returns what it is given when that is of this class.
"""

Reader: TypeAlias = Callable[[Mapping[str, Any]], Any]


def reader_of(
    make: type[Any],
    decode: Mapping[str, Decode],
    defaults: Mapping[str, Any],
    names: Sequence[str],
) -> Reader:
    """Return what makes an object from stored fields of these `names`, in this order.

    Both mappings have every field of the class, in its order. The reader raises TypeError or
    ValueError for a value that is not of its field; KeyError here, for an unknown name.
    """
    known: dict[str, Any] = {"make": make}
    places = {name: number for number, name in enumerate(names)}
    checks, arguments = [], []
    for name in names:
        known[f"decode{places[name]}"] = decode[name]
    for name, default in defaults.items():
        number = places.get(name)
        cls = None if number is None else getattr(decode[name], "by_type", None)
        if number is None:
            known[f"default_{name}"] = default
            arguments.append(f"default_{name}")
        elif cls is None:
            arguments.append(f"decode{number}(v{number})")
        else:
            known[f"class{number}"] = cls
            # The decoder itself says what is wrong.
            checks.append(
                f" if v{number}.__class__ is not class{number}: decode{number}(v{number})"
            )
            arguments.append(f"v{number}")
    values = "".join(f"v{number}, " for number in range(len(names)))
    # What has no field that differs from its default has no value to take either.
    taken = [f" {values}= stored.values()"] if names else []
    lines = ["def read(stored):", *taken, *checks]
    if is_made_often(make):
        known["new"] = object.__new__
        given = zip(defaults, arguments, strict=True)
        lines += [" made = new(make)", *(f" made.{name} = {value}" for name, value in given)]
        lines.append(" return made")
    else:
        lines.append(f" return make({', '.join(arguments)})")
    # Made of nothing but numbers and the names of our own fields.
    exec("\n".join(lines), known)
    reader: Reader = known["read"]
    return reader
