"""Steps and items of any name: the commands that are offered about them work as they are shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.shell import Said, Shell

SCRIPT = r"""
from holdfast import ask, do, each, workflow

ODD = ["-3", "--failed", "-m", "c\u202ed\t", "it's", "a/b"]

def fail(name):
    raise ValueError(f"no \x1b[1m{name}")

@workflow
def steps(name: str):
    do(name, fail, name)

@workflow
def items(names: list[str] = ODD):
    each(names, fail)
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def _typed(shell: Shell, line: str) -> Said:
    """Type a line as it was shown, into bash."""
    assert line.startswith("holdfast ") and line.isprintable()
    here = f"{sys.executable} -m {line}"
    done = subprocess.run(
        ["bash", "-c", here], cwd=shell.folder, env=shell.env(LC_ALL="C.UTF-8"),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=shell.deadline_s,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


def _offered(shell: Shell, verb: str, *about: str) -> list[str]:
    """Return the commands of a verb that are offered, as text shows them."""
    lines = shell(*about, COLUMNS="200").out.splitlines()
    found = [line.strip().split("   ")[0] for line in lines]
    return [line for line in found if line.startswith(f"holdfast {verb} ")]


@pytest.mark.parametrize("name", ["--all", "-x 1", "turned \u202e\x1b]0;title\x07", "it's"])
@pytest.mark.parametrize("verb", ["log", "done", "skip"])
def test_what_is_offered_about_a_step_works_whatever_its_name(shell: Shell, verb: str, name: str):
    """A label may look like an option, or have characters that no terminal should see."""
    shell("run", "script.py:steps", "-p", f"name={name}", "--id", "one")

    [line] = _offered(shell, verb, "why", "one")

    assert 0 == _typed(shell, line).code


def test_a_step_is_meant_by_its_name_as_it_is_shown(shell: Shell):
    """A label with a slash is shown with it, in progress, log and report: whoever types that
    means that step."""
    ran = shell("run", "script.py:steps", "-p", "name=a/b 100%", "--id", "one")
    assert "1 failed: a/b 100%" in ran.err and "step 'a/b 100%' failed" in ran.err

    log = shell("log", "one", "a/b 100%").out
    assert "a/b 100% started" in log
    assert 0 == shell("skip", "one", "a/b 100%", "-m", "not needed").code


@pytest.mark.parametrize("name", ["--failed", "-3", "c\u202ed\t", "it's", "a/b"])
def test_what_is_offered_about_an_item_is_about_that_item(shell: Shell, name: str):
    """`retry RUN --failed` would try all of them again, where only one was meant."""
    shell("run", "script.py:items", "--id", "one")

    [line] = _offered(shell, "skip", "why", "one", "--", name)
    assert 0 == _typed(shell, line).code

    states = {
        item: json.loads(shell("why", "one", "--json", "--", item).out)["why"]
        for item in ["-3", "--failed", "-m", "c\u202ed\t", "it's", "a/b"]
    }
    assert [name] == [item for item, why in states.items() if "a person decided" in why]


def test_items_of_one_error_are_tried_again_as_it_is_offered(shell: Shell):
    """The error in `--where` may have characters that are shown escaped."""
    shell("run", "script.py:items", "-p", r'names=["\u202eone"]', "--id", "one")

    [_, of_this_kind, only_this] = _offered(shell, "retry", "failures", "one")

    assert "1 item is tried again" in _typed(shell, of_this_kind).out
    assert "is tried again" in _typed(shell, only_this).out


def test_a_new_run_is_not_called_like_an_option(shell: Shell):
    """`--id --target prod` is a slip, and `holdfast show --target` no run: nothing is made."""
    refused = shell("run", "script.py:steps", "-p", "name=x", "--id", "--target")

    assert 2 == refused.code
    assert "--id --target looks like an option" in refused.err
    assert [] == json.loads(shell("list", "--json").out)["runs"]


def test_who_types_such_a_name_is_told_where_it_stands(shell: Shell):
    """`why RUN -3` cannot know that -3 is no option."""
    shell("run", "script.py:items", "--id", "one")

    refused = shell("why", "one", "-3")

    assert 2 == refused.code
    assert "a name that begins with a hyphen stands after --" in refused.err
