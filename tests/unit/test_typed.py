"""Commands as a person types them: a shell reads every name back as it is."""

from __future__ import annotations

import subprocess

import pytest

from holdfast.model.shown import safe
from holdfast.model.typed import behind, command, typed

NAMES = [
    "plain", "two words", "it's", "back\\slash", "$HOME", "--failed", "", "日本",
    "tab\tand\nline", "\x1b]0;title\x07", "\u202eturned", "it's \u200b\\n", "\x80c1",
    "\U000e0041tag",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_bash_reads_back_what_was_meant(name: str):
    """Whatever a label or an item is called: what bash makes of the line is that name."""
    line = typed(("printf", "%s", name))

    done = subprocess.run(
        ["bash", "-c", line], env={"LC_ALL": "C.UTF-8"}, capture_output=True, check=True
    )

    assert name == done.stdout.decode()


def test_bash_reads_back_bytes_that_are_no_text():
    """The name of a file need not be UTF-8: its bytes are what the shell passes on."""
    line = typed(("printf", "%s", "a\udcff.csv"))

    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)

    assert b"a\xff.csv" == done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_what_is_typed_is_safe_to_show(name: str):
    """Nothing in the line steers a terminal, so that showing it changes nothing of it."""
    line = typed(("holdfast", "done", "run", name))

    assert line == safe(line)


def test_a_name_like_an_option_stands_behind_two_hyphens():
    """Options keep their place before it, and a plain name before it its own."""
    assert ("log", "run", "a step") == behind("log", ("run", "a step"))
    assert ("done", "run", "-m", "WHY", "--", "--failed") == behind(
        "done", ("run", "--failed"), ("-m", "WHY")
    )
    assert "holdfast retry run -- -3" == command("retry", ("run", "-3"))
