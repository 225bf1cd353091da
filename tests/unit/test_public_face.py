"""The names a script may use: pinned, and equal in both worlds."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import holdfast
from holdfast import aio, ops
from holdfast.ops import aio as ops_aio
from holdfast.ops import kubectl

VERBS = [name for name in aio.__all__ if inspect.isfunction(getattr(holdfast, name))]


@pytest.mark.parametrize("name", VERBS)
def test_blocking_and_awaited_verbs_have_equal_signatures(name: str) -> None:
    """Same parameters, defaults and kinds: only `await` differs."""
    blocking, awaited = (
        [
            (parameter.name, parameter.kind, parameter.default)
            for parameter in inspect.signature(getattr(module, name)).parameters.values()
        ]
        for module in (holdfast, aio)
    )

    assert blocking == awaited


def test_ready_made_steps_have_equal_signatures() -> None:
    """In `holdfast.ops` and awaited, and the same names in both."""
    for name in ops.__all__:
        blocking, awaited = getattr(ops, name), getattr(ops_aio, name)
        assert inspect.signature(blocking) == inspect.signature(awaited)
    for name in ops_aio.kubectl.__all__:
        blocking, awaited = getattr(kubectl, name), getattr(ops_aio.kubectl, name)
        assert inspect.signature(blocking) == inspect.signature(awaited)

    own = ("awaited", "kubectl")
    assert ops.__all__ == [name for name in ops_aio.__all__ if name not in own]
    assert ops_aio.kubectl.__all__ == [name for name in kubectl.__all__ if name.islower()]


def test_every_awaited_verb_has_a_blocking_one() -> None:
    """One engine, no twins: a name of `holdfast.aio` is a name of `holdfast`."""
    assert set() == set(aio.__all__) - set(holdfast.__all__)


def test_every_public_name_is_known_to_type_checkers() -> None:
    """They read what is imported for them, and take any other name for `Any`, without a word."""
    tree = ast.parse(Path(holdfast.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: str(node.module).removeprefix("holdfast.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert holdfast._HOME_OF == typed
    assert {*typed, "__version__"} == {*holdfast.__all__}


def test_a_plain_script_does_not_import_asyncio() -> None:
    """Nor click, rich, sqlite3 or `inspect`, until they are needed: start-up is every script's."""
    code = (
        "import sys, holdfast; from holdfast import confirm, do, parallel, sh, step, workflow; "
        "unneeded = ('asyncio', 'click', 'dataclasses', 'inspect', 'rich', 'sqlite3'); "
        "print([m for m in unneeded if m in sys.modules])"
    )

    assert "[]" == subprocess.check_output([sys.executable, "-c", code], text=True).strip()


def test_a_run_that_asks_nobody_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    """Every resume waits for the imports before its first new step: planning, batches, shell
    scripts, logging, OpenSSL and `inspect` together are a third of them."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from holdfast import run, step, workflow\n"
        "@step\n"
        "def touch(number: int, *, force: bool = False): pass\n"
        "@workflow\n"
        "def many(count: int = 3):\n"
        "    for number in range(count): touch(number=number, force=True)\n"
        "assert run(many, {'count': 2}, store=sys.argv[1]).status == 'succeeded'\n"
        "unneeded = ('_hashlib', 'asyncio', 'concurrent.futures', 'dataclasses', 'inspect',\n"
        "    'logging', 'holdfast.app.planning', 'holdfast.flow.batches',\n"
        "    'holdfast.flow.shell_life')\n"
        "print([name for name in unneeded if name in sys.modules])\n"
    )

    shown = subprocess.check_output([sys.executable, script, tmp_path / "a.db"], text=True)

    assert "[]" == shown.strip()
