"""A digest of the code behind a step: evidence that it is still the same code, not identity.

It covers the source of the function and the functions, classes and constants of the same file
that it reaches by name, and the versions of the ready-made steps among them; of a ready-made step
itself, its version alone. Not covered: what is imported from elsewhere (but from where it is
imported is), values computed at run time, the arguments of a `functools.partial` (they are
input), and decorators of holdfast (they are options). The same file gives the same digest as
`__main__` and as a module.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING

from holdfast.model.hashing import sha256

if TYPE_CHECKING:
    from holdfast.runtime.syntax import Definition, File

DIGITS = 16
WRAPPERS_MAX = 100
_OPS = "holdfast.ops."

_files: dict[str, tuple[int, int, File | None]] = {}
TEXTS_MAX = 10_000
_texts: dict[int, tuple[object, str]] = {}
"""By the id of a code object or class, which is kept beside the text so that it stays its own."""


def code_hash(fn: Callable[..., object], *others: Callable[..., object]) -> str:
    """Return 16 hex digits for the code of `fn` and of `others`: its check, undo, owed step.

    Returns "" when there is no source to read (a REPL, a C function): then nobody can say
    whether the code is the same. A C function among `others` counts by its name. What was
    computed for a function is kept with it: a file that is edited meanwhile does not change the
    digest of code that is already loaded and was asked for before.
    """
    texts = [_text(fn, set()), *(_text(other, set()) or _builtin(other) for other in others)]
    if not all(texts):
        return ""
    return sha256("\n\n".join(texts).encode(errors="replace")).hexdigest()[:DIGITS]


def location(fn: Callable[..., object]) -> str:
    """Return "file:line" of what is behind `fn`, and "" if it has no source."""
    code = getattr(_unwrapped(fn), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if isinstance(code, CodeType) else ""


def _text(fn: object, seen: set[int]) -> str:
    """Return what the digest is taken of, and "" if there is no source."""
    target = _unwrapped(fn)
    seen.add(id(target))
    closure = _closure(target)
    # A lambda in a loop is a new function each time, of one and the same code.
    key = target.__code__ if isinstance(target, FunctionType) else target
    kept = _texts.get(id(key))
    if kept is None:
        text = _own_text(target, closure)
        if not text:
            return ""
        if len(_texts) >= TEXTS_MAX:
            _texts.clear()
        kept = _texts[id(key)] = key, text
    return "\n".join([kept[1], *_held(closure, seen)]) if closure else kept[1]


def _own_text(target: object, closure: Mapping[str, object]) -> str:
    """Return the text of a function or class and what it reaches, without what it encloses."""
    module = getattr(target, "__module__", None) or ""
    if module.startswith(_OPS):
        return _version_of(module)
    source = _source(target)
    if source is None:
        return ""
    file, qualname, line = source
    nodes = file.find(qualname, line)
    if not nodes:
        return ""
    roots = [file.definition(node, named=False) for node in nodes]
    # A name that is taken from an enclosing function is not the module's name.
    names = {name for root in roots for name in root.names} - set(closure)
    reached = file.reach(names)
    lines = [*(root.digest for root in roots), *_described(reached)]
    lines += _versions(file, [*roots, *(each for found in reached.values() for each in found)])
    return "\n".join(lines)


def _unwrapped(fn: object) -> object:
    """Return the function or class behind decorators, partials, methods and callable objects."""
    for _ in range(WRAPPERS_MAX):
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif isinstance(fn, MethodType):
            fn = fn.__func__
        elif hasattr(fn, "__wrapped__"):
            fn = fn.__wrapped__
        else:
            break
    if isinstance(fn, FunctionType | BuiltinFunctionType | type):
        return fn
    return type(fn)


def _source(target: object) -> tuple[File, str, int] | None:
    """Return the parsed file of a function or class, its qualified name and its line."""
    if isinstance(target, FunctionType):
        code = target.__code__
        own_file = target.__globals__.get("__file__")
        # A relative name means another file once the script has changed its directory.
        path = code.co_filename if os.path.isabs(code.co_filename) else own_file
        qualname, line = code.co_qualname, code.co_firstlineno
    elif isinstance(target, type):
        path = getattr(sys.modules.get(target.__module__), "__file__", None)
        qualname, line = target.__qualname__, 0
    else:
        return None
    file = _file(path) if isinstance(path, str) else None
    return None if file is None else (file, qualname, line)


def _file(path: str) -> File | None:
    """Return a file parsed, once as long as it does not change; None if it cannot be."""
    from holdfast.runtime.syntax import File  # not at start-up: it imports ast

    try:
        status = os.stat(path)
        kept = _files.get(path)
        if kept is None or kept[:2] != (status.st_mtime_ns, status.st_size):
            with open(path, "rb") as source:
                content = source.read()
            try:
                file = File(content)
            except (SyntaxError, ValueError, RecursionError):
                file = None
            kept = _files[path] = (status.st_mtime_ns, status.st_size, file)
    except OSError:
        return None
    return kept[2]


def _described(reached: dict[str, list[Definition]]) -> Iterator[str]:
    """Give a line per name, in the order of the names: moving code about changes nothing."""
    for name in sorted(reached):
        yield " ".join([name, *(found.digest for found in reached[name])])


def _versions(file: File, definitions: Iterable[Definition]) -> list[str]:
    """Return the version of each module of ready-made steps that these definitions name."""
    versions = set()
    for definition in definitions:
        for dotted in definition.dotted:
            full = file.imported(dotted)
            if full.startswith(_OPS):
                module = _OPS + full.removeprefix(_OPS).partition(".")[0]
                versions.add(_version_of(module))
    return sorted(versions)


def _version_of(module: str) -> str:
    return f"{module} {getattr(sys.modules.get(module), 'VERSION', '')}"


def _closure(target: object) -> dict[str, object]:
    """Return the values that a function keeps from the one around it; unset ones are left out."""
    values: dict[str, object] = {}
    if isinstance(target, FunctionType) and target.__closure__:
        for name, cell in zip(target.__code__.co_freevars, target.__closure__, strict=True):
            try:
                values[name] = cell.cell_contents
            except ValueError:
                values[name] = ...  # not assigned yet
    return values


def _held(closure: dict[str, object], seen: set[int]) -> Iterator[str]:
    """Give a line for each kept value that is a simple constant or a function."""
    for name, value in sorted(closure.items(), key=lambda item: item[0]):
        if _is_simple(value):
            yield f"{name} = {value!r}"
        elif callable(value) and id(_unwrapped(value)) not in seen:
            yield f"{name}: {_text(value, seen)}"


def _is_simple(value: object) -> bool:
    if isinstance(value, tuple):
        return all(_is_simple(each) for each in value)
    return value is None or type(value) in (bool, int, float, complex, str, bytes)


def _builtin(fn: object) -> str:
    if isinstance(fn, BuiltinFunctionType):
        return f"{fn.__module__}.{fn.__qualname__}"
    return ""
