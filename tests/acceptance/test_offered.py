"""Commands that are offered find the store as they stand, whoever says them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.acceptance.shell import Shell, plain
from tests.acceptance.shells import Script

STORE = "a store/it's.db"
OFFERED = r"(?m)(?:why: |next +|^ +)(\S*(?: -m )?holdfast .*?(?:failures|log|done) .*?)(?:  #|$)"
ASKS = """
from holdfast import confirm, workflow

@workflow
def asks(name: str):
    return confirm("really?").by
"""


def _typed(script: Script, line: str) -> int:
    """Type a line as it was shown, in a shell that knows nothing of the script's."""
    env = script.env(HOLDFAST_STORE="", XDG_STATE_HOME=str(script.folder / "elsewhere"))
    return subprocess.run(
        ["sh", "-c", line], cwd=script.folder, env=env, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=120,
    ).returncode  # fmt: skip


def test_what_a_script_offers_finds_the_store_that_its_begin_was_given(tmp_path: Path) -> None:
    """Its shell exports the store, and is gone when a person types what was offered."""
    script = Script(
        tmp_path,
        f'eval "$(holdfast begin --store "{STORE}" work)"\n'
        "printf 'a\\nb\\n' | holdfast each it -- test a = || exit 1\n",
    )
    ran = script.run("sh", HOLDFAST_STORE="")
    offered = re.findall(OFFERED, ran.err)

    assert 1 == ran.code and 4 == len(offered), ran
    assert [0] * 4 == [_typed(script, line) for line in offered]


def test_what_run_offers_of_a_shell_script_finds_its_store(tmp_path: Path) -> None:
    """Also where the store was given to `holdfast run`."""
    script = Script(tmp_path, "holdfast step no -- false || exit 1\n")
    ran = script.type("run", "--store", STORE, "script.sh", HOLDFAST_STORE="")
    offered = re.findall(OFFERED, ran.err)

    assert 1 == ran.code and 2 == len(offered), ran
    assert [0] * 2 == [_typed(script, line) for line in offered]


def test_a_prompt_says_where_else_it_can_be_answered(tmp_path: Path) -> None:
    """The details name a command; it is never wrapped, and finds the store."""
    shell = Shell(tmp_path, ASKS)
    given = ("--store", STORE, "run", "script.py", "-p", "name=x", "--id", "one")
    terminal = shell.at_terminal(*given, columns=60)
    terminal.until("> $")
    terminal.type("d\n")
    seen = terminal.until("answer .*\\n(?s:.*)> $")
    terminal.type("p\n")

    assert "holdfast --store 'a store/it'\"'\"'s.db' why one\n" in plain(seen).replace("\r", "")
    assert 3 == terminal.end()[0]
