"""Types: how the name of a class in the store finds the class, without importing anything.

The store may be edited by anybody who can write the file, so a name found there is never
imported and never called unless the script itself offers a record or an Enum of that name.
"""

from __future__ import annotations

import sys
import typing
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from operator import attrgetter
from types import ModuleType, SimpleNamespace
from typing import (
    Final,
    Literal,
    NewType,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)
from weakref import WeakValueDictionary

from holdfast.errors import UsageError
from holdfast.model.called import layers_of
from holdfast.model.records import Undecodable, is_recordable, tag_of
from holdfast.model.scalars import Refused

_Class = TypeVar("_Class", bound=type)

_OURS: Final = __name__.partition(".")[0]

_registered: Final[dict[str, type]] = {}
_met: Final[WeakValueDictionary[str, type]] = WeakValueDictionary()


def register(cls: _Class) -> _Class:
    """Make recorded objects of `cls` readable everywhere in this process; for use as a decorator.

    Raises UsageError for a class that is no dataclass, NamedTuple, Enum, pydantic model, attrs
    class or msgspec Struct.
    """
    if not isinstance(cls, type) or not is_recordable(cls):
        raise UsageError(
            f"register: {cls!r} is no dataclass, NamedTuple, Enum, pydantic model, "
            "attrs class or msgspec Struct"
        )
    _registered[tag_of(cls)] = cls
    return cls


def remember(tag: str, cls: type) -> None:
    """Let `tag` be resolved in this process as long as somebody else keeps the class. Raises
    Refused for a class that whoever is to read the value will not find."""
    reader = READER.get()
    if reader is not None:
        reader.has_objects = True
        reader.types.refuse_lost(tag)
    _met[tag] = cls


class Types:
    """The classes that a recorded value may be made of; costs nothing until a name is met."""

    __slots__ = ("_found", "_kept", "_modules", "_namespace", "_offered")

    def __init__(
        self,
        offered: tuple[object, ...],
        namespace: Mapping[str, object],
        modules: int | None = None,
    ) -> None:
        self._offered, self._namespace, self._modules = offered, namespace, modules
        self._found: dict[str, list[type]] | None = None
        self._kept: set[str] = set()

    @classmethod
    def of(cls, *offered: object, namespace: Mapping[str, object] | None = None) -> Types:
        """Return the classes reachable from these, as they are when a name is first met.

        `offered` are annotations, classes, functions (whose annotations count) and other `Types`.
        `namespace` is the globals of the workflow's file: its classes count, and so do classes
        of the modules it imported, by their exact name; strings are resolved in it.
        """
        return cls(offered, {} if namespace is None else namespace)

    @classmethod
    def of_result(cls, function: object) -> Types:
        """Return the classes that what `function` returns may be made of: those that its
        annotations reach, and those of the file that defines it, whatever stands around it."""
        layers = layers_of(function)
        *around, inmost = [getattr(layer, "__globals__", {}) for layer in layers]
        return cls((*layers, *(cls((), names) for names in around if names)), inmost)

    def without_later(self, modules: int) -> Types:
        """Return the same classes, without those of modules that were loaded when there had been
        so many: what is not run again loads them in no later life."""
        return Types((self,), {}, modules)

    def resolve(self, tag: str) -> type:
        """Return the class recorded as `tag`, or raise `Undecodable`.

        The exact `module:qualname` wins; else the qualname alone does, when exactly one class
        has it: a script is `__main__` one time and a module the next.
        """
        module, _, qualname = tag.partition(":")
        candidates = self._candidates(qualname)
        found = self._exact(module, qualname, candidates) or _met.get(tag)
        if found is not None:
            return found
        if len(candidates) == 1:
            return candidates[0]
        raise Undecodable(f"a {tag}", _missing(qualname, candidates))

    def refuse_lost(self, tag: str) -> None:
        """Raise Refused unless `tag` can be resolved in a process that has met no such object."""
        if tag in self._kept:
            return
        module, _, qualname = tag.partition(":")
        later = self._later()
        candidates = [cls for cls in self._candidates(qualname) if cls.__module__ not in later]
        is_found = len(candidates) == 1 or any(cls.__module__ == module for cls in candidates)
        if not is_found and module in later:
            raise Refused(
                f"no later life could read a {tag} back: only what returned it imports {module}; "
                "import that at the top of the workflow's file"
            )
        if not is_found and self._exact(module, qualname, candidates) is None:
            why = _missing(qualname, candidates)
            raise Refused(f"no later life could read a {tag} back: {why}")
        self._kept.add(tag)

    def _later(self) -> frozenset[str]:
        if self._modules is None:
            return frozenset()
        # Kept in the order in which they were loaded. Ours come with whatever needs them.
        later = list(sys.modules)[self._modules :]
        return frozenset(name for name in later if name.partition(".")[0] != _OURS)

    def _exact(self, module: str, qualname: str, candidates: list[type]) -> type | None:
        for cls in candidates:
            if cls.__module__ == module:
                return cls
        return self._imported(module, qualname) or _own(module, qualname)

    def _candidates(self, qualname: str) -> list[type]:
        """Return the classes of that qualname, those nearest to the caller first."""
        if self._found is None:
            every: dict[str, list[type]] = defaultdict(list)
            for cls in self._every():
                if cls not in every[cls.__qualname__]:
                    every[cls.__qualname__].append(cls)
            self._found = every
        found = self._found.get(qualname, [])
        given = [cls for cls in _registered.values() if cls.__qualname__ == qualname]
        return [*found, *(cls for cls in given if cls not in found)]

    def _every(self) -> Iterator[type]:
        others = [other for other in self._offered if isinstance(other, Types)]
        yield from _walk([o for o in self._offered if not isinstance(o, Types)], self._namespace)
        for other in others:
            yield from other._every()
        own = self._namespace.get("__name__")
        yield from _walk(
            [
                value
                for value in self._namespace.values()
                if isinstance(value, type) and (is_recordable(value) or value.__module__ == own)
            ],
            self._namespace,
            heirs=False,
        )

    def _imported(self, module: str, qualname: str) -> type | None:
        """Return the class from a module object that the script itself imported."""
        for value in self._namespace.values():
            if isinstance(value, ModuleType):
                found = _attribute(value, module, qualname)
                if found is not None:
                    return found
        others = (other for other in self._offered if isinstance(other, Types))
        return next(filter(None, (other._imported(module, qualname) for other in others)), None)


NO_TYPES: Final = Types.of()


class Reader:
    """Whoever will read what is now being recorded: where it looks for classes, and whether it
    has to."""

    __slots__ = ("has_objects", "types")

    def __init__(self, types: Types) -> None:
        self.types, self.has_objects = types, False


READER: Final[ContextVar[Reader | None]] = ContextVar("holdfast_reader", default=None)
"""The reader of what is now being recorded; None when it is only compared or shown."""


def _own(module: str, qualname: str) -> type | None:
    """Return a class of ours, such as what `sh` returns: a script need not have imported it."""
    ours = sys.modules.get(_OURS)
    return None if ours is None else _attribute(ours, module, qualname)


def _missing(qualname: str, candidates: list[type]) -> str:
    name = qualname.rpartition(".")[2]
    if "<locals>" in qualname and not candidates:
        return (
            "it is defined inside a function; define it at the top of a module, and annotate the "
            f"parameter or the step's return type with {name}"
        )
    advice = (
        f"annotate the parameter or the step's return type with {name}, or call "
        f"holdfast.register({name}) in the workflow's file"
    )
    if candidates:
        return f"{len(candidates)} classes are called {qualname}, none in that module; {advice}"
    return f"the script offers no class of that name; {advice}"


def _attribute(root: ModuleType, module: str, qualname: str) -> type | None:
    """Return a record or Enum by its path below a module, made of attributes alone."""
    if module != root.__name__ and not module.startswith(root.__name__ + "."):
        return None
    found: object = root
    below = module.removeprefix(root.__name__).removeprefix(".")
    for name in [*filter(None, below.split(".")), *qualname.split(".")]:
        found = vars(found).get(name) if isinstance(found, ModuleType | type) else None
    if isinstance(found, type) and is_recordable(found) and tag_of(found) == f"{module}:{qualname}":
        return found
    return None


# --- walking annotations --------------------------------------------------------------------


def _walk(
    roots: Iterable[object], namespace: Mapping[str, object], *, heirs: bool = True
) -> Iterator[type]:
    """Yield the records and Enums that annotations reach, each once, nearest first.

    `heirs`: a step annotated with a base class may return any class derived from it.
    """
    todo = list(roots)  # Grows while it is walked.
    visited: dict[int | str, object] = {}
    for item in todo:
        # A text that speaks of itself gives new objects each time it is evaluated.
        known = item if isinstance(item, str) else getattr(item, "__forward_arg__", id(item))
        if known in visited:
            continue
        visited[known] = item  # Keeps it alive, so that its id stays its own.
        if isinstance(item, type) and get_origin(item) is None:
            if is_recordable(item):
                yield item
            todo.extend(_inside_class(item, namespace))
            if heirs and item.__module__.partition(".")[0] not in sys.stdlib_module_names:
                todo.extend(type.__subclasses__(item))
        else:
            todo.extend(_inside(item, namespace))


def _inside(item: object, namespace: Mapping[str, object]) -> Iterable[object]:
    """Return the parts of an annotation that is not a plain class, or a function's annotations."""
    if type(item).__name__ == "ForwardRef":
        # By its name: since 3.14 the class itself costs three milliseconds.
        item = getattr(item, "__forward_arg__", item)
    match item:
        case str():
            return _evaluated(item, namespace)
        case TypeVar():
            return (item.__bound__, *item.__constraints__)
        case NewType():
            return (item.__supertype__,)
        case list():
            return item
    origin = get_origin(item)
    if origin is Literal:
        return [type(arg) for arg in get_args(item)]
    if origin is not None:
        return (origin, *get_args(item))
    if callable(item):
        return _hints(item, {**getattr(item, "__globals__", {}), **namespace})
    return ()


def _inside_class(cls: type, namespace: Mapping[str, object]) -> Iterable[object]:
    """Return the annotations of the class's fields and the classes defined in it."""
    if cls.__module__ in sys.stdlib_module_names:
        return ()
    module = sys.modules.get(cls.__module__)
    nested = [value for value in vars(cls).values() if isinstance(value, type)]
    models = getattr(cls, "__pydantic_fields__", None)
    if isinstance(models, dict):
        return [*nested, *(field.annotation for field in models.values())]
    if not (is_recordable(cls) or typing.is_typeddict(cls)):
        return nested
    return [*nested, *_hints(cls, {**namespace, **(vars(module) if module else {})})]


def _hints(holder: object, names: dict[str, object]) -> list[object]:
    """Return the annotations of a class or function; those that do not resolve are left out."""
    while hasattr(holder, "__wrapped__"):
        holder = attrgetter("__wrapped__")(holder)
        names = {**getattr(holder, "__globals__", {}), **names}
    try:
        return list(get_type_hints(holder, names, include_extras=True).values())
    except Exception:  # Foreign annotations raise anything; each is then tried on its own.
        own = getattr(holder, "__annotations__", {})
        return [part for text in own.values() for part in _evaluated(text, names)]


def _evaluated(annotation: object, names: Mapping[str, object]) -> list[object]:
    if not isinstance(annotation, str):
        return [annotation]
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return list(get_type_hints(holder, dict(names), include_extras=True).values())
    except Exception:  # A name under TYPE_CHECKING, say: other ways to find the class remain.
        return []
