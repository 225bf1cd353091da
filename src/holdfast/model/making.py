"""Dataclasses that cost little to define, and, where many are made, little to make.

A process that performs one step of a shell script defines every class of the engine and makes
objects of a few. `dataclasses` writes and compiles six methods for each: 0.7 ms a class, half of
all the time such a process has. Here a class gets methods that read its list of fields, and its
`__init__` is written when the first object is made.

`dataclass` and `field` are used as those of `dataclasses` are, and to the type checker they are
those. They do what this code needs of them: `frozen`, `slots`, defaults, factories, inheritance
from one another, `__post_init__`. `dataclasses.fields` and `replace` work on them.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False):
        """Return the class as a dataclass."""
        if cls is None:
            return lambda given: _made(given, frozen, slots)
        return _made(cls, frozen, slots)

    def field(*, default_factory):
        """Return a default that is made anew for each object."""
        return _Factory(default_factory)

    def replace(given, /, **changes):
        """Return an object like the given one, but for these fields."""
        return given.__class__(
            **{name: getattr(given, name) for name in given.__plan__.types} | changes
        )


def declared(cls: type, missing: object) -> dict[str, Any]:
    """Return the fields of such a class with their defaults, `missing` where there is none, or
    where it is made anew for each object."""
    plan: _Plan = cls.__dict__["__plan__"]
    known = {n: d for n, d in plan.defaults.items() if not isinstance(d, _Factory)}
    return {name: known.get(name, missing) for name in plan.types}


def annotated(cls: type) -> dict[str, Any]:
    """Return the fields of such a class with their types, as they are written there."""
    plan: _Plan = cls.__dict__["__plan__"]
    return dict(plan.types)


def made_often(cls: type[T]) -> type[T]:
    """Return `cls`, a frozen dataclass with slots, whose objects nothing but the type checker keeps
    from being changed.

    A class that forbids an assignment forbids it to its `__init__`, too, which has to go around
    by `object.__setattr__`: for each field that costs ten times what an assignment does, and two
    facts and their effects are made in every step. For a process it stays what it was declared
    to be: it compares, hashes, copies and shows itself the same.
    """
    plan: _Plan = cls.__dict__["__plan__"]
    assert plan.frozen and plan.slots and not hasattr(cls, "__post_init__"), cls
    assert not any(isinstance(default, _Factory) for default in plan.defaults.values()), cls
    plan.is_often = True
    del cls.__setattr__, cls.__delattr__
    return cls


def is_made_often(cls: type) -> bool:
    """Whether the fields of an object of `cls` can be set one by one, without its `__init__`."""
    plan: _Plan | None = cls.__dict__.get("__plan__")
    return plan is not None and plan.is_often


# --- how a class is made ----------------------------------------------------------------------


class _Factory:
    """A default that is made anew for each object."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], object]) -> None:
        self.make = make


_NONE: Final = object()
"""Stands for a default that is to be made."""


class _Plan:
    """What is known of one class: its fields with their types, in order, and their defaults."""

    __slots__ = ("defaults", "frozen", "is_often", "slots", "types")

    def __init__(self, frozen: bool, slots: bool) -> None:
        self.frozen, self.slots, self.is_often = frozen, slots, False
        self.types: dict[str, object] = {}
        self.defaults: dict[str, Any] = {}


class _Late:
    """What only `dataclasses` itself asks for: made by it, of a twin, when it is asked for."""

    def __init__(self, plan: _Plan, name: str) -> None:
        self._plan, self._name = plan, name

    def __get__(self, given: object, owner: type) -> Any:
        import dataclasses

        plan, space = self._plan, dict[str, Any]()
        for name, default in plan.defaults.items():
            is_made = isinstance(default, _Factory)
            space[name] = dataclasses.field(default_factory=default.make) if is_made else default
        space["__annotations__"] = dict(plan.types)
        twin: type = dataclasses.dataclass(frozen=plan.frozen)(type(owner.__name__, (), space))
        if self._name == "__signature__":
            import inspect

            return inspect.signature(twin)
        made = getattr(twin, self._name)
        if owner.__dict__.get(self._name) is self:
            setattr(owner, self._name, made)  # Once: the twin costs a millisecond.
        return made


def _made(cls: type, frozen: bool, slots: bool) -> type:
    plan = _Plan(frozen, slots)
    inherited: list[_Plan] = [
        vars(base)["__plan__"] for base in reversed(cls.__mro__[1:]) if "__plan__" in vars(base)
    ]
    for base in inherited:
        plan.types.update(base.types)
        plan.defaults.update(base.defaults)
    space = dict(cls.__dict__)
    own = [n for n, t in space.get("__annotations__", {}).items() if not _is_of_class(t)]
    for name in own:
        plan.types[name] = space["__annotations__"][name]
        if name in space:
            plan.defaults[name] = space.pop(name) if slots else space[name]
            if isinstance(plan.defaults[name], _Factory):
                space.pop(name, None)
    space.pop("__dict__", None)
    space.pop("__weakref__", None)
    if slots:
        known = {name for base in inherited if base.slots for name in base.types}
        space["__slots__"] = tuple(name for name in own if name not in known)
    space["__plan__"] = plan
    space.setdefault("__match_args__", tuple(plan.types))
    for name in ("__dataclass_fields__", "__dataclass_params__", "__signature__"):
        space[name] = _Late(plan, name)
    for name, method in _methods(plan).items():
        space.setdefault(name, method)
    if space["__hash__"] is None and frozen:
        space["__hash__"] = _hash_of(plan)
    made = type(cls)(cls.__name__, cls.__bases__, space)
    made.__qualname__ = cls.__qualname__
    if "__init__" not in cls.__dict__:
        made.__init__ = _first_init(made, plan)  # type: ignore[misc]
    return made


def _is_of_class(hint: object) -> bool:
    return str(hint).startswith(("ClassVar", "typing.ClassVar"))


def _methods(plan: _Plan) -> dict[str, Any]:
    names = tuple(plan.types)
    values: Callable[[Any], Any] = attrgetter(*names) if names else lambda given: ()

    def __eq__(self: object, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return bool(values(self) == values(other))

    def __repr__(self: object) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({shown})"

    methods: dict[str, Any] = {"__eq__": __eq__, "__repr__": __repr__}
    methods["__hash__"] = _hash_of(plan) if plan.frozen else None
    if plan.frozen:
        methods |= {"__setattr__": _refuse_set, "__delattr__": _refuse_delete}
    if plan.frozen and plan.slots:
        methods |= {"__getstate__": _state_of, "__setstate__": _set_state}
    return methods


def _hash_of(plan: _Plan) -> Callable[[object], int]:
    names = tuple(plan.types)
    if len(names) < 2:
        return lambda self: hash(tuple(getattr(self, name) for name in names))
    values = attrgetter(*names)
    return lambda self: hash(values(self))


def _refuse_set(self: object, name: str, value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: object, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state_of(self: Any) -> list[object]:
    return [getattr(self, name) for name in self.__plan__.types]


def _set_state(self: Any, state: list[object]) -> None:
    for name, value in zip(self.__plan__.types, state, strict=True):
        object.__setattr__(self, name, value)


# --- `__init__` -------------------------------------------------------------------------------


def _first_init(cls: Any, plan: _Plan) -> Callable[..., None]:
    """Return an `__init__` that writes the real one, puts it in its own place, and calls it."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        cls.__init__ = init = _init_of(cls, plan)
        init(self, *args, **kwargs)

    return __init__


def _init_of(cls: Any, plan: _Plan) -> Callable[..., None]:
    names = list(plan.types)
    known: dict[str, Any] = {"none": _NONE, "set_": object.__setattr__}
    given = []
    for name in names:
        if name not in plan.defaults:
            given.append(name)
            continue
        default = plan.defaults[name]
        is_made = isinstance(default, _Factory)
        known[f"default_{name}"] = default.make if isinstance(default, _Factory) else default
        given.append(f"{name}=none" if is_made else f"{name}=default_{name}")
    lines = [f"def __init__(self, {', '.join(given)}):"]
    for name, default in plan.defaults.items():
        if isinstance(default, _Factory):
            lines.append(f"if {name} is none: {name} = default_{name}()")
    if plan.frozen and not plan.is_often:
        lines += [f"set_(self, {name!r}, {name})" for name in names]
    else:
        lines += [f"self.{name} = {name}" for name in names]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    # Made of nothing but our own fields' names, as `dataclasses` does it.
    # In the name of this file, so that no error is said to be in a line of it that nobody has.
    exec(compile("\n ".join([*lines, "pass"]), __file__, "exec"), known)
    init: Callable[..., None] = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init
