"""A person at a real terminal: what moves, what stays, and what a prompt takes for a yes."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from tests.acceptance.shell import ESCAPES, Shell, plain
from tests.crash.lives import SCRIPTS

SCRIPT = """
import os, signal, subprocess, time
from pathlib import Path
from holdfast import ask, confirm, flight, progress, sh, step, workflow

HERE = Path(__file__).parent

@step("drain {node}")
def drain(node):
    with open(HERE / "drained", "a") as log:
        log.write(node + "\\n")

@step("page", once=True)
def page():
    if not (HERE / "paged").exists():
        (HERE / "paged").touch()
        os.kill(os.getpid(), signal.SIGKILL)

@step("copy")
def copy():
    print("a line of " + "long " * 40)
    progress(3, 10, "files")
    open(HERE / "fifo").close()

@step("fail")
def fail():
    sh("sh", "-c", "echo the reason >&2; exit 3")

@workflow
def work(how: str = "steps"):
    if how == "confirm":
        return confirm("really?").comment
    if how == "ask":
        return ask("how many?", int, default=3)
    if how == "doubt":
        return page()
    if how == "fail":
        return fail()
    if how == "copy":
        return copy()
    with flight():
        for node in ("n1", "n2", "n3"):
            drain(node)
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def drained(shell: Shell) -> list[str]:
    file = shell.folder / "drained"
    return file.read_text().split() if file.exists() else []


# --- progress ---


@pytest.mark.parametrize("columns", [60, 120])
def test_finished_steps_stay_as_lines(shell: Shell, columns: int):
    """Each finished step leaves one line under its stage, with its glyph and time."""
    code, text = shell.at_terminal("run", "script.py", columns=columns).end()

    assert 0 == code
    lines = [line.split()[:3] for line in plain(text).splitlines()]
    assert [["✔", "drain", f"n{n}"] for n in (1, 2, 3)] == [x for x in lines if x[:1] == ["✔"]]
    assert ["flight"] in lines


@pytest.mark.parametrize("columns", [60, 120])
def test_what_moves_fits_the_width(shell: Shell, columns: int):
    """A running step with its progress and last output takes no line wider than the terminal."""
    os.mkfifo(shell.folder / "fifo")
    terminal = shell.at_terminal("run", "script.py", "-p", "how=copy", columns=columns)
    seen = terminal.until(r"3/10 30%  files(?s:.*)a line of")

    assert max(map(len, seen.splitlines())) <= columns
    open(shell.folder / "fifo", "w").close()
    code, rest = terminal.end()
    assert 0 == code
    assert max(map(len, plain(rest).splitlines())) <= columns


def test_the_cursor_is_never_hidden(shell: Shell):
    """A killed process leaves the terminal as it was: nothing was switched off."""
    _, text = shell.at_terminal("run", "script.py").end()

    assert "\x1b[?" not in text


def test_without_colour_it_moves_all_the_same(shell: Shell):
    """NO_COLOR takes away colours, bold and dim; what runs is still drawn in place."""
    os.mkfifo(shell.folder / "fifo")
    terminal = shell.at_terminal("run", "script.py", "-p", "how=copy", NO_COLOR="1")
    moving = terminal.until("3/10 30%")
    open(shell.folder / "fifo", "w").close()
    code, text = terminal.end()

    assert 0 == code
    assert "◌ copy" in moving and "✔ copy" in plain(text)
    assert not re.search(r"\x1b\[[0-9;]*m", moving + text)


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"flag": "--plain"}])
def test_plain_terminals_get_lines(shell: Shell, env: dict[str, str]):
    """With a dumb terminal or --plain there is one line per event, and no escapes."""
    flags = [env.pop("flag")] if "flag" in env else []
    code, text = shell.at_terminal("run", "script.py", *flags, **env).end()

    assert 0 == code
    assert not ESCAPES.search(text)
    assert "step succeeded flight/drain n3" in text


def test_a_failure_shows_its_last_lines(shell: Shell):
    """The failed step's line is followed by what its program said last."""
    code, text = shell.at_terminal("run", "script.py", "-p", "how=fail").end()

    assert 1 == code
    assert "✖ fail" in text.replace("\x1b[0m", "").replace("\x1b[31m", "")
    assert "the reason" in plain(text).partition("FAILED")[0]


# --- the prompt ---


def test_yes_is_typed(shell: Shell):
    """A step that asks runs after `y`."""
    terminal = shell.at_terminal("run", "script.py", "--mode", "confirm")
    for node in ("n1", "n2", "n3"):
        seen = terminal.until("> $")
        assert f"drain {node}?" in seen
        keys = "[y]es  [u]ntil the stage ends  [a]uto from here on  [s]kip  [n]o  [p]ark  [d]etails"
        assert keys in seen
        terminal.type("y\n")
    code, _ = terminal.end()

    assert 0 == code
    assert ["n1", "n2", "n3"] == drained(shell)


def test_auto_covers_the_rest(shell: Shell):
    """`a` says yes to this step and to all after it."""
    terminal = shell.at_terminal("run", "script.py", "--mode", "confirm")
    terminal.until("> $")
    terminal.type("a\n")
    code, _ = terminal.end()

    assert 0 == code
    assert ["n1", "n2", "n3"] == drained(shell)


def test_enter_is_not_yes(shell: Shell):
    """Enter alone, and anything unknown, asks again; `p` parks with exit 3."""
    terminal = shell.at_terminal("run", "script.py", "--mode", "confirm", "--id", "e")
    for typed in ("\n", "yess\n"):
        terminal.until("> $")
        terminal.type(typed)
    terminal.until("> $")
    terminal.type("p\n")
    code, text = terminal.end()

    assert 3 == code
    assert [] == drained(shell)
    assert "holdfast approve e" in plain(text)


def test_what_was_typed_before_is_no_answer(shell: Shell):
    """A `y` that was typed before the question appeared approves nothing."""
    terminal = shell.at_terminal("run", "script.py", "--mode", "confirm")
    terminal.type("y\ny\ny\n")
    terminal.until("> $")
    terminal.type("p\n")
    code, _ = terminal.end()

    assert 3 == code
    assert [] == drained(shell)


def test_the_end_of_input_parks(shell: Shell):
    """Ctrl-D parks the run."""
    terminal = shell.at_terminal("run", "script.py", "--mode", "confirm")
    terminal.until("> $")
    terminal.type("\x04")

    assert 3 == terminal.end()[0]


def test_skip_needs_a_reason(shell: Shell):
    """`s` asks why; the reason is recorded, and the run goes on without the step."""
    terminal = shell.at_terminal("run", "script.py", "--mode", "confirm", "--id", "s")
    terminal.until("> $")
    terminal.type("s\n")
    terminal.until(r"why\? $")
    terminal.type("it is gone\n")
    terminal.until("> $")
    terminal.type("a\n")

    assert 0 == terminal.end()[0]
    assert ["n2", "n3"] == drained(shell)
    assert "it is gone" in shell("log", "s", "--all").out + shell("export", "s").out


def test_details_show_everything_recorded(shell: Shell):
    """`d` shows the hold's digest and evidence, and asks again."""
    terminal = shell.at_terminal("run", "script.py", "--mode", "confirm")
    terminal.until("> $")
    terminal.type("d\n")
    seen = terminal.until("> $")
    terminal.type("p\n")
    terminal.end()

    assert "digest" in seen
    assert "hold h1 (confirm)" in seen


@pytest.mark.parametrize("typed", ["", "half a li"])
def test_an_answer_elsewhere_is_noticed(shell: Shell, typed: str):
    """An approval from another shell goes on at once, also in the middle of a line."""
    terminal = shell.at_terminal("run", "script.py", "-p", "how=confirm", "--id", "c")
    terminal.until("> $")
    terminal.type(typed)
    shell("approve", "c", "-m", "from afar", "--as", "ben")
    code, text = terminal.end()

    assert 0 == code
    assert "approved by ben: from afar" in plain(text)
    assert 1 == plain(text).count('"from afar"')


def test_a_value_is_typed(shell: Shell):
    """A question takes a value of its type, and its default only when typed."""
    terminal = shell.at_terminal("run", "script.py", "-p", "how=ask")
    assert "3 (type it to take it)" in terminal.until("> $")
    for wrong in ("\n", "three\n"):
        terminal.type(wrong)
        terminal.until("> $")
    terminal.type("3\n")
    code, text = terminal.end()

    assert 0 == code
    assert 3 == json.loads(plain(text).splitlines()[-1])


def test_an_in_doubt_step_is_decided_at_the_prompt(shell: Shell):
    """In doubt, `y` with a reason and a result records the step as done."""
    shell("run", "script.py", "-p", "how=doubt", "--id", "d")

    terminal = shell.at_terminal("resume", "d")
    assert "[r]un it again" in terminal.until("> $")
    terminal.type("y\n")
    terminal.until(r"why\? $")
    terminal.type("I asked her\n")
    terminal.until(r"none\): $")
    terminal.type('"done"\n')
    code, text = terminal.end()

    assert 0 == code
    assert '"done"' == plain(text).splitlines()[-1]


def test_ctrl_c_at_the_prompt_leaves_in_order(shell: Shell):
    """Ctrl-C at a prompt ends the life with exit 130, and the question stays open."""
    terminal = shell.at_terminal("run", "script.py", "-p", "how=confirm", "--id", "c")
    terminal.until("> $")
    terminal.type("\x03")
    code, text = terminal.end()

    assert 128 + signal.SIGINT == code
    assert "holdfast approve c" in plain(text)


def test_a_person_may_say_that_nobody_is_there(shell: Shell):
    """With --no-input a terminal is not asked: the run is parked."""
    code, text = shell.at_terminal("run", "script.py", "-p", "how=confirm", "--no-input").end()

    assert 3 == code
    assert "> " not in plain(text)


def test_a_forked_process_leaves_the_terminal_to_its_run(tmp_path: Path) -> None:
    """What it prints is in the log: it neither draws, nor waits for a thread that did."""
    forking = Shell(tmp_path, (SCRIPTS / "forks.py").read_text("utf-8"))
    terminal = forking.at_terminal(
        "run", "script.py:printing", "--id", "r", EFFECTS=str(tmp_path / "effects")
    )
    code, text = terminal.end()

    assert 0 == code, text
    assert json.dumps([0] * 200) in plain(text)
