"""The digest of a step's code changes when its code does, and only then."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from holdfast.runtime.codehash import code_hash, location

SCRIPT = '''
"""A script."""
import functools, json
from holdfast import step, workflow
from holdfast.ops import kubectl

LIMIT = 3
OTHER = 4
TABLE = {}
TABLE["a"] = 1

def wraps(fn):
    @functools.wraps(fn)
    def wrapper(*args):
        return fn(*args)
    return wrapper

class Base:
    size = 1

class Client(Base):
    def call(self):
        return self.close()

    def close(self):
        return 1

def helper(x):
    return x + LIMIT

@step("drain {node}", retry=3)
def drain(node):
    """Empty a node."""
    # carefully
    return helper(node)

def cyclic(x):
    return other(x)

def other(x):
    return cyclic(x)

@wraps
def wrapped(x):
    return TABLE[x]

def uses_client(x):
    return Client().call()

def uses_ops(x):
    return kubectl.drain(x)

def local_only(OTHER):
    return [helper for helper in OTHER]

def make(image, fn=None):
    def one(node):
        return image, node, fn
    return one

by_lambda = lambda x: helper(x)
'''


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., ModuleType]:
    """Give a function that loads SCRIPT, changed, as a module of any name."""
    count = iter(range(1000))

    def load(*changes: tuple[str, str], name: str = "script") -> ModuleType:
        text = SCRIPT
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / f"{name}{next(count)}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(autouse=True)
def stubs(monkeypatch):
    """Stand in for the parts of holdfast that the script imports."""

    def step(label, **options):
        def decorate(fn):
            return SimpleNamespace(__wrapped__=fn)

        return decorate

    ops = ModuleType("holdfast.ops")
    ops.kubectl = ModuleType("holdfast.ops.kubectl")
    ops.kubectl.VERSION = "1"
    ours = SimpleNamespace(step=step, workflow=step, ops=ops, __all__=["step", "workflow"])
    monkeypatch.setitem(sys.modules, "holdfast", ours)
    monkeypatch.setitem(sys.modules, "holdfast.ops", ops)
    monkeypatch.setitem(sys.modules, "holdfast.ops.kubectl", ops.kubectl)
    yield
    sys.modules.pop("script", None)


@pytest.mark.parametrize(
    "change",
    [
        ("return helper(node)", "return helper(\n        node,\n    )  # more\n\n"),
        ("    # carefully\n", ""),
        ('"""Empty a node."""', '"""Empty a node, politely."""'),
        ('"drain {node}", retry=3', '"drain {node}", retry=5, was="x"'),
        ("LIMIT = 3", "\n\n\nLIMIT = 3  # attempts"),
        ("OTHER = 4", "OTHER = 5"),
        ("def cyclic", "def added(): pass\n\ndef cyclic"),
        ("def drain(node)", "def drain_it(node)"),
    ],
)
def test_what_does_not_matter_changes_nothing(load, change):
    """Comments, layout, docstrings, options, its own name and unrelated code do not count."""
    new = load(change)
    fn = new.drain_it if hasattr(new, "drain_it") else new.drain

    assert code_hash(load().drain) == code_hash(fn)


def test_options_of_a_step_that_a_star_imports_do_not_count(load):
    """`from holdfast import *` says as well whose decorator it is; another's star does not."""
    star = ("from holdfast import step, workflow", "from holdfast import *")
    options = ('"drain {node}", retry=3', '"empty {node}", was="drain {node}"')
    own = ("LIMIT = 3", "LIMIT = 3\ndef step(label, **more): return lambda fn: fn\n")

    assert code_hash(load(star).drain) == code_hash(load(star, options).drain)
    assert code_hash(load().drain) == code_hash(load(star).drain)
    assert code_hash(load(star, own).drain) != code_hash(load(star, own, options).drain)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("drain", ("return helper(node)", "return helper(node) or 1")),
        ("drain", ("return x + LIMIT", "return x - LIMIT")),
        ("drain", ("LIMIT = 3", "LIMIT = 3.0")),
        ("cyclic", ("def other(x):\n    return", "def other(x):\n    return not")),
        ("wrapped", ('TABLE["a"] = 1', 'TABLE["a"] = 2')),
        ("wrapped", ("        return fn(*args)", "        return [fn(*args)]")),
        ("uses_client", ("    size = 1", "    size = 2")),
        ("uses_ops", ("from holdfast.ops import kubectl", "import json as kubectl")),
        ("by_lambda", ("lambda x: helper(x)", "lambda x: helper(x, x)")),
        ("local_only", ("def local_only(OTHER)", "def local_only(OTHER, *, deep=True)")),
    ],
)
def test_what_matters_changes_the_digest(load, name, change):
    """The function, and what it reaches in its file however far, count."""
    assert code_hash(getattr(load(), name)) != code_hash(getattr(load(change), name))


def test_a_parameter_hides_a_global(load):
    """A name that is the function's own reaches nothing."""
    old, new = load(), load(("OTHER = 4", "OTHER = 5"), ("LIMIT = 3", "LIMIT = 4"))

    assert code_hash(old.local_only) == code_hash(new.local_only)


def test_a_method_stands_for_its_class(load):
    """A method reaches its siblings through self."""
    old = load()
    before = code_hash(old.Client().call), code_hash(old.Client)
    new = load(("    def close(self):\n        return 1", "    def close(self):\n        return 2"))

    assert before[0] != code_hash(new.Client().call)
    assert before[1] != code_hash(new.Client)


def test_the_version_of_ready_made_steps_counts(load):
    """A new release of a holdfast.ops step is new code."""
    first = code_hash(load().uses_ops)
    sys.modules["holdfast.ops.kubectl"].VERSION = "2"

    assert first != code_hash(load().uses_ops)


def test_closures_count_with_their_constants(load):
    """Two functions made by one function differ by the constants that they keep."""
    make = load().make

    assert code_hash(make("a")) == code_hash(make("a"))
    assert code_hash(make("a")) != code_hash(make("b"))
    assert code_hash(make("a", [1])) == code_hash(make("a", object()))
    one, two = (
        lambda: 1,
        lambda: 2,
    )
    assert code_hash(make("a", one)) != code_hash(make("a", two))


def test_partials_and_methods_are_seen_through(load):
    """What a partial is of counts; its arguments are input."""
    script = load()

    assert code_hash(script.helper) == code_hash(functools.partial(script.helper, 1))


def test_the_others_count(load):
    """A changed check, undo or owed step changes the digest; their order tells them apart."""
    a, b = load(), load(("return x + LIMIT", "return x"))

    assert code_hash(a.cyclic, a.helper) == code_hash(b.cyclic, a.helper)
    assert code_hash(a.cyclic, a.helper) != code_hash(a.cyclic, b.helper)
    assert code_hash(a.cyclic, a.other, a.helper) != code_hash(a.cyclic, a.helper, a.other)
    assert "" != code_hash(a.cyclic, os.rmdir) != code_hash(a.cyclic, os.unlink)


def test_without_source_there_is_no_digest(tmp_path):
    """A function from nowhere gives the empty text, which callers read as `cannot tell`."""
    space = {}
    exec("def typed(): pass\ndef typed_too(): pass", space)

    assert ["", "", ""] == [code_hash(os.rmdir), code_hash(space["typed"]), location(len)]
    assert "" == code_hash(location, space["typed_too"])


def test_main_and_module_agree(load, tmp_path):
    """A script run by python gives the digest that it has as a module, from any directory."""
    text = textwrap.dedent(
        """
        import os
        from holdfast.runtime.codehash import code_hash
        class Kept:
            size = 1
        def fn(x, limit=lambda: 3):
            return Kept, limit
        if __name__ == "__main__":
            os.chdir("/")
            print(code_hash(fn, Kept, fn.__defaults__[0]))
        """
    )
    (tmp_path / "both.py").write_text(text)
    as_main = subprocess.check_output([sys.executable, "both.py"], cwd=tmp_path, text=True)
    imported = "import both; print(both.code_hash(both.fn, both.Kept, both.fn.__defaults__[0]))"
    as_module = subprocess.check_output([sys.executable, "-c", imported], cwd=tmp_path, text=True)

    assert 17 == len(as_main)
    assert as_main == as_module


def test_the_location_is_that_of_the_code(load):
    """File and line lead to the function behind the decorators."""
    drain = load().drain
    file, line = location(drain).rsplit(":", 1)

    assert '@step("drain {node}", retry=3)' == Path(file).read_text().splitlines()[int(line) - 1]


def test_loaded_code_keeps_its_digest(load):
    """Editing the file does not change what is said of code that is already running."""
    script = load()
    before = code_hash(script.helper)
    path = Path(script.__file__)
    path.write_text(path.read_text().replace("x + LIMIT", "x * LIMIT"))

    assert before == code_hash(script.helper)


def test_nothing_is_imported_before_it_is_needed():
    """ast and inspect cost start-up time; a life that replays only never pays for them."""
    code = """
import sys
before = set(sys.modules)
import holdfast.runtime.codehash
print(sorted({"ast", "inspect"} & (set(sys.modules) - before)))
"""
    assert "[]\n" == subprocess.check_output([sys.executable, "-c", code], text=True)
