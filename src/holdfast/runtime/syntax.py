"""A source file as definitions by name, each with a digest and the names that it reaches.

A digest is over the syntax tree without positions: comments, blank lines, formatting and
docstrings do not count. Fields that are empty are left out, so that a field which a later Python
adds to its trees changes no digest. Decorators of holdfast itself do not count either: labels
and retries are options, which are recorded and compared on their own.

Imported by `codehash` when it is first asked, because `ast` costs start-up time.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from holdfast.model.hashing import sha256
from holdfast.model.making import dataclass, field

LAMBDA = "<lambda>"


@dataclass(frozen=True, slots=True)
class Definition:
    """What one statement, or one lambda, says, and what it needs."""

    digest: str
    names: frozenset[str]
    """Names that are not its own: looked up in the module, or in an enclosing function."""
    dotted: frozenset[str]
    """The same with their attributes (`ops.kubectl.drain`), and what it imports itself."""


class File:
    """One parsed source file; raises SyntaxError if it is not Python."""

    def __init__(self, source: bytes) -> None:
        self._tree = ast.parse(source)
        self._bound: dict[str, list[ast.stmt]] = {}
        self._imported: dict[str, str] = {}
        self._starred: list[str] = []
        self._known: dict[ast.AST, Definition] = {}
        for statement in _statements(self._tree.body):
            for name in _bound_names(statement):
                self._bound.setdefault(name, []).append(statement)
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self._imported.update(_imports(statement))
                self._starred += _starred(statement)

    def find(self, qualname: str, line: int) -> list[ast.AST]:
        """Return what `qualname` may stand for; `line` decides where several do.

        A method stands for its whole class, because it reaches the others through `self`.
        """
        first, *rest = [part for part in qualname.split(".") if part != "<locals>"]
        if first == LAMBDA:
            return _lambdas(self._tree, line)
        found: list[ast.AST] = [each for each in self._bound.get(first, ()) if _is_scope(each)]
        for part in rest:
            if any(isinstance(each, ast.ClassDef) for each in found):
                break
            if part == LAMBDA:
                return [x for each in found for x in _lambdas(each, line)]
            found = [x for each in found for x in _inner(each, part)]
        exact = [each for each in found if _first_line(each) == line]
        return exact or found

    def definition(self, node: ast.AST, *, named: bool = True) -> Definition:
        """Return the definition of a node; unless `named`, its own name does not count."""
        found = self._known.get(node) if named else None
        if found is None:
            reader = _Reader(self._is_ours, None if named else node)
            reader.read(node)
            found = reader.definition()
            if named:
                self._known[node] = found
        return found

    def reach(self, names: Iterable[str]) -> dict[str, list[Definition]]:
        """Return what these names stand for in this module, and what that needs, and so on."""
        reached: dict[str, list[Definition]] = {}
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in reached and name in self._bound:
                reached[name] = [self.definition(each) for each in self._bound[name]]
                todo.extend(each for found in reached[name] for each in found.names)
        return reached

    def imported(self, dotted: str) -> str:
        """Return the full name behind a dotted one, as far as the imports of the file tell."""
        first, dot, rest = dotted.partition(".")
        return (self._imported.get(first) or self._from_star(first)) + dot + rest

    def _from_star(self, name: str) -> str:
        """Return the full name of what `import *` of a module of ours gives; others do not tell."""
        for module in [] if name in self._bound else self._starred:
            if name in getattr(sys.modules.get(module), "__all__", ()):
                return f"{module}.{name}"
        return name

    def _is_ours(self, decorator: ast.expr) -> bool:
        root = decorator.func if isinstance(decorator, ast.Call) else decorator
        full = self.imported(_dotted(root))
        return full == "holdfast" or full.startswith("holdfast.")


@dataclass(slots=True)
class _Scope:
    is_class: bool = False
    loaded: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)
    """Declared global or nonlocal."""
    nested: set[str] = field(default_factory=set)

    def free(self) -> set[str]:
        """Return the names that an enclosing scope must provide."""
        own = self.stored - self.outer
        if self.is_class:  # its methods do not see its names
            return (self.loaded - own) | self.nested
        return (self.loaded | self.nested) - own


class _Reader:
    """Reads one tree, once, into text, names and imports."""

    def __init__(self, is_ours: Callable[[ast.expr], bool], nameless: ast.AST | None) -> None:
        self._is_ours, self._nameless = is_ours, nameless
        self._out: list[str] = []
        self._scope = _Scope()
        self._dotted: set[str] = set()
        self._special: dict[type[ast.AST], Callable[[Any], None]] = {
            ast.Name: self._name,
            ast.Constant: self._constant,
            ast.Attribute: self._attribute,
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.Lambda: self._lambda,
            ast.ClassDef: self._class,
            ast.Import: self._import,
            ast.ImportFrom: self._import,
            ast.Global: self._outer,
            ast.Nonlocal: self._outer,
        }

    def definition(self) -> Definition:
        """Return what was read."""
        text = "\x1f".join(self._out)
        digest = sha256(text.encode(errors="surrogatepass")).hexdigest()
        return Definition(digest, frozenset(self._scope.free()), frozenset(self._dotted))

    def read(self, node: ast.AST) -> None:
        """Read a node with all below it."""
        kind = type(node)
        self._out.append(kind.__name__)
        special = self._special.get(kind)
        if special is None:
            self._fields(node, kind._fields)
        else:
            special(node)
        self._out.append(")")

    def _fields(self, node: ast.AST, names: Iterable[str]) -> None:
        out = self._out
        for name in names:
            value = getattr(node, name, None)
            if value is None or value == [] or name == "type_comment":
                continue
            out.append(name)
            if isinstance(value, list):
                for each in value:
                    if isinstance(each, ast.AST):
                        self.read(each)
                    else:
                        out.append(repr(each))
            elif isinstance(value, ast.AST):
                self.read(value)
            else:
                out.append(repr(value))
                if name in ("name", "rest", "arg") and not isinstance(node, ast.keyword):
                    self._scope.stored.add(value)  # except … as name, case … as name, parameters

    def _name(self, node: ast.Name) -> None:
        self._out.append(node.id)
        load = isinstance(node.ctx, ast.Load)
        (self._scope.loaded if load else self._scope.stored).add(node.id)
        self._dotted.add(node.id)

    def _constant(self, node: ast.Constant) -> None:
        self._out.append(repr(node.value))

    def _attribute(self, node: ast.Attribute) -> None:
        self._dotted.add(_dotted(node))
        self._fields(node, ("value", "attr"))

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._begin(node)
        if node.returns is not None:
            self.read(node.returns)
        self._parameters(node.args, _without_docstring(node.body))

    def _lambda(self, node: ast.Lambda) -> None:
        self._parameters(node.args, [node.body])

    def _class(self, node: ast.ClassDef) -> None:
        self._begin(node)
        self._fields(node, ("bases", "keywords"))
        self._inside(_Scope(is_class=True), _without_docstring(node.body))

    def _begin(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._scope.stored.add(node.name)
        if node is not self._nameless:
            self._out.append(node.name)
        for decorator in node.decorator_list:
            if not self._is_ours(decorator):
                self.read(decorator)

    def _parameters(self, args: ast.arguments, body: Iterable[ast.AST]) -> None:
        inner = _Scope()
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs]
        for marker, names in (
            ("/", args.posonlyargs),
            ("", args.args),
            ("*", [args.vararg] if args.vararg else []),
            ("k", args.kwonlyargs),
            ("**", [args.kwarg] if args.kwarg else []),
        ):
            for each in names:
                self._out.append(f"{marker} {each.arg}")
                inner.stored.add(each.arg)
        for each in every:
            if each.annotation is not None:
                self.read(each.annotation)
        # A default is computed outside, where `node=node` means the outer one.
        for default in (*args.defaults, *args.kw_defaults):
            if default is None:
                self._out.append("required")
            else:
                self.read(default)
        self._inside(inner, body)

    def _inside(self, inner: _Scope, body: Iterable[ast.AST]) -> None:
        outer, self._scope = self._scope, inner
        for node in body:
            self.read(node)
        self._scope = outer
        outer.nested |= inner.free()

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name, full in _imports(node).items():
            self._out.append(f"{name} {full}")
            self._scope.stored.add(name)
            self._dotted.add(full)

    def _outer(self, node: ast.Global | ast.Nonlocal) -> None:
        self._scope.outer.update(node.names)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        if isinstance(first.value.value, str):
            return body[1:]
    return body


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the statements of a module, those under `if`, `try` and their like too."""
    for statement in body:
        yield statement
        if not _is_scope(statement):
            for block in ("body", "handlers", "orelse", "finalbody"):
                for each in getattr(statement, block, ()):
                    yield from _statements([each] if isinstance(each, ast.stmt) else each.body)


def _bound_names(statement: ast.stmt) -> list[str]:
    """Return the names that a statement binds, or changes: `LIMITS["a"] = 1` tells of LIMITS."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return list(_imports(statement))
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    names = []
    while targets:
        target = targets.pop()
        if isinstance(target, ast.Name):
            names.append(target.id)
        elif isinstance(target, ast.Tuple | ast.List):
            targets.extend(target.elts)
        elif isinstance(target, ast.Attribute | ast.Subscript | ast.Starred):
            targets.append(target.value)
    return names


def _imports(statement: ast.Import | ast.ImportFrom) -> dict[str, str]:
    """Return the full name behind each name that the statement binds."""
    found = {}
    for alias in statement.names:
        if isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            found[alias.asname or alias.name] = f"{module}.{alias.name}"
        elif alias.asname:
            found[alias.asname] = alias.name
        else:
            first = alias.name.partition(".")[0]
            found[first] = first
    return found


def _starred(statement: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the module of ours of which the statement imports everything, if it does."""
    module = getattr(statement, "module", None) or ""
    is_ours = module == "holdfast" or module.startswith("holdfast.")
    return [module] if is_ours and any(alias.name == "*" for alias in statement.names) else []


def _dotted(node: ast.expr) -> str:
    """Return `a.b.c` for a name with attributes, and "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _is_scope(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _first_line(node: ast.AST) -> int:
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


def _inner(node: ast.AST, name: str) -> Iterator[ast.AST]:
    """Give the functions and classes of that name in a scope, but not those deeper in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if child.name == name:
                yield child
        else:
            yield from _inner(child, name)


def _lambdas(node: ast.AST, line: int) -> list[ast.AST]:
    """Return the lambdas that begin on a line: all of them, for they have no names."""
    return [x for x in ast.walk(node) if isinstance(x, ast.Lambda) and x.lineno == line]
