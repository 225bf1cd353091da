"""Frozen dataclasses of which every step makes some: an `__init__` that costs a third."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def made_often(cls: type[T]) -> type[T]:
    """Return `cls`, a frozen dataclass with slots, with an `__init__` that sets them directly.

    That of `dataclasses` calls `object.__setattr__` for each field, because the class forbids an
    assignment: 1.6 µs for the twelve of `StepStarted`. This one lets the new object be of a twin
    class, which has the same slots and allows it, and gives it its own class back at the end:
    0.6 µs. What `cls` may be given, and that nobody can change an object of it, stays the same.
    """
    declared = fields(cls)  # type: ignore[arg-type]
    simple = all(field.init and field.default_factory is MISSING for field in declared)
    assert simple and not hasattr(cls, "__post_init__"), f"{cls} needs its own __init__"
    names = [field.name for field in declared]
    known: dict[str, Any] = {
        "become": object.__dict__["__class__"].__set__,
        "own": cls,
        "twin": type(cls.__name__, (), {"__slots__": names}),
        **{f"default_{field.name}": field.default for field in declared},
    }
    given = [
        field.name if field.default is MISSING else f"{field.name}=default_{field.name}"
        for field in declared
    ]
    lines = [
        f"def __init__(self, {', '.join(given)}):",
        "become(self, twin)",
        *(f"self.{name} = {name}" for name in names),
        "become(self, own)",
    ]
    # Made of nothing but our own fields' names, as `dataclasses` does it.
    exec("\n ".join(lines), known)
    init, former = known["__init__"], cls.__init__
    init.__qualname__, init.__annotations__ = former.__qualname__, former.__annotations__
    cls.__init__ = init  # type: ignore[method-assign]
    return cls
