"""`run` and `resume` as a user sees them: results, endings, exit codes, bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell

SCRIPT = """
import os, sys, time
from pathlib import Path
from holdfast import ask, confirm, main, sh, step, workflow

HERE = Path(__file__).parent

@step("greet {name}")
def greet(name):
    print("hello", name)
    with open(HERE / "greeted", "a") as log:
        log.write(name + "\\n")
    return name

@step("fix")
def fix():
    if not (HERE / "fixed").exists():
        sh("sh", "-c", "echo it is broken >&2; exit 3")

@step("page", once=True)
def page():
    os.kill(os.getpid(), 9)

@step("linger")
def linger():
    print("lingering", flush=True)
    time.sleep(60)

@workflow
def hello(name: str = "ana", how: str = ""):
    \"\"\"Greet somebody.\"\"\"
    greet(name)
    if how == "fail":
        fix()
    if how == "doubt":
        page()
    if how == "hold":
        confirm("really?")
    if how == "linger":
        linger()
    if how == "bug":
        raise KeyError("oops")
    return {"greeted": name} if how != "none" else None

if __name__ == "__main__":
    main(hello)
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def one_line(text: str) -> str:
    """Return the only line of `text`, which is no traceback."""
    assert "Traceback" not in text
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]


# --- what a run says ---


def test_the_result_is_json_on_stdout(shell: Shell):
    """A run that finishes prints its result on stdout, and everything else on stderr."""
    said = shell("run", "script.py", "-p", "name=ben")

    assert 0 == said.code
    assert {"greeted": "ben"} == json.loads(said.out)
    assert "step succeeded greet ben" in said.err


def test_no_result_prints_nothing(shell: Shell):
    """A workflow that returns None leaves stdout empty."""
    said = shell("run", "script.py", "-p", "how=none")

    assert (0, "") == (said.code, said.out)


def test_parameters_come_from_a_file_and_are_overridden(shell: Shell):
    """`-p` wins over the file of `--params`."""
    (shell.folder / "p.json").write_text('{"name": "cy", "how": "none"}')

    said = shell("run", "script.py", "--params", "p.json", "-p", "how=")

    assert {"greeted": "cy"} == json.loads(said.out)


def test_the_same_id_reports_and_never_starts_twice(shell: Shell):
    """A finished run of that id is reported with its result; no step runs again."""
    shell("run", "script.py", "--id", "one")

    again = shell("run", "script.py", "--id", "one")

    assert (0, {"greeted": "ana"}) == (again.code, json.loads(again.out))
    assert "ana\n" == (shell.folder / "greeted").read_text()


def test_a_failure_says_what_why_and_what_next(shell: Shell):
    """A failed run names the step, the last lines of its program, and exact commands; exit 1."""
    said = shell("run", "script.py", "--id", "f", "-p", "how=fail")

    assert 1 == said.code
    assert "" == said.out
    assert "FAILED f  (exit 1)" in said.err
    assert "step 'fix' failed after 1 attempt" in said.err
    assert "it is broken" in said.err.split("FAILED")[1]
    assert "1 done · 1 failed: fix" in said.err
    assert "holdfast resume f  #" in said.err
    assert "Traceback" not in said.err


def test_resume_goes_on_with_what_failed(shell: Shell):
    """Resume tries the failed step again, repeats nothing, and says in one line what it does."""
    shell("run", "script.py", "--id", "f", "-p", "how=fail")
    (shell.folder / "fixed").touch()

    said = shell("resume", "f")

    assert (0, {"greeted": "ana"}) == (said.code, json.loads(said.out))
    assert "ana\n" == (shell.folder / "greeted").read_text()
    first = said.err.splitlines()[0]
    assert "resuming f (started by " in first and "1 step done, going on with fix" in first
    assert "greet" not in said.err


def test_an_exception_of_the_script_names_its_line(shell: Shell):
    """An exception between steps is shown with file and line, not as a traceback."""
    said = shell("run", "script.py", "-p", "how=bug")

    line = 1 + SCRIPT.splitlines().index('        raise KeyError("oops")')
    assert 1 == said.code
    assert "KeyError: 'oops'" in said.err
    assert f"script.py:{line}]" in said.err
    assert "Traceback" not in said.err


def test_a_hold_parks_without_a_terminal(shell: Shell):
    """Without a terminal a question parks the run: exit 3, and how to answer it."""
    said = shell("run", "script.py", "--id", "h", "-p", "how=hold")

    assert 3 == said.code
    assert "ON HOLD h  (exit 3)" in said.err
    assert "really?" in said.err
    assert "holdfast approve h  # say yes" in said.err


def test_an_in_doubt_step_is_named_with_its_process(shell: Shell):
    """A once step that its process did not survive holds: exit 6, with pid, host and choices."""
    killed = shell("run", "script.py", "--id", "d", "-p", "how=doubt")

    said = shell("resume", "d")

    assert (-signal.SIGKILL, 6) == (killed.code, said.code)
    assert "1 in doubt: page" in said.err
    assert f"on {os.uname().nodename}" in said.err.split("ON HOLD")[1]
    assert "holdfast done d page -m REASON" in said.err
    assert "holdfast retry d page" in said.err


def test_commands_carry_the_store_that_was_given(shell: Shell):
    """What is printed to be typed next finds the store that --store named."""
    said = shell("run", "script.py", "--id", "h", "-p", "how=hold", "--store", "other.db")

    assert "holdfast --store other.db approve h" in said.err


def test_a_signal_leaves_the_run_resumable(shell: Shell):
    """The first SIGTERM is said to be seen, the second ends the step in hand; exit 143."""
    running = shell.begin("run", "script.py", "--id", "s", "-p", "how=linger")
    running.until("lingering")

    running.signal(signal.SIGTERM)
    running.until("SIGTERM: leaving after the step in hand")
    running.signal(signal.SIGTERM)
    said = running.end()

    assert 143 == said.code
    assert "STOPPED s  (exit 143)" in said.err
    assert "holdfast resume s" in said.err


def test_spent_time_is_75(shell: Shell):
    """`--for` ends the life at a boundary with exit 75, and resume comes first in what is next."""
    said = shell("run", "script.py", "--id", "t", "--for", "0s")

    assert 75 == said.code
    assert "next   " in said.err
    assert "resume t" in said.err.split("next   ")[1].splitlines()[0]


def test_wait_goes_on_when_somebody_answers(shell: Shell):
    """With --wait the process stays, and goes on once another shell approves."""
    waiting = shell.begin("run", "script.py", "--id", "w", "-p", "how=hold", "--wait")
    waiting.until("waits for an answer to h1")

    approved = shell("approve", "w")
    said = waiting.end()

    assert (0, 0) == (approved.code, said.code)
    assert {"greeted": "ana"} == json.loads(said.out)


def test_a_script_is_its_own_command(shell: Shell):
    """`python script.py` takes the options of `holdfast run`, and resume finds the script."""
    command = [sys.executable, "script.py", "--id", "own", "-p", "how=hold"]
    done = subprocess.run(
        command, cwd=shell.folder, env=shell.env(), capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    shell("approve", "own")
    resumed = shell("resume", "own")

    assert 3 == done.returncode
    assert {"greeted": "ana"} == json.loads(resumed.out)


def test_help_of_a_script_shows_its_parameters(shell: Shell):
    """`run FILE --help` lists the workflow's parameters with type and default."""
    said = shell("run", "script.py", "--help")

    assert 0 == said.code
    assert "Parameters of hello" in said.out
    assert "-p name=" in said.out


def test_a_pipe_that_closes_is_quiet(shell: Shell):
    """When whoever reads the result has gone, nothing is said about it."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        shell.argv("--help"), cwd=shell.folder, env=shell.env(), stdout=write,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(write)

    assert (141, "") == (done.returncode, done.stderr)


def test_an_unexpected_error_is_one_line_and_a_file(shell: Shell):
    """A bug of ours is one line that names where its traceback was kept."""
    code = (
        "import sys; sys.argv[1:] = ['list'];"
        "import holdfast.cli.main as m; m.import_module = lambda name: 1 / 0; sys.exit(m.enter())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=shell.folder, capture_output=True, text=True,
        env=shell.env(TMPDIR=str(shell.folder)),
    )  # fmt: skip

    assert 1 == done.returncode
    assert one_line(done.stderr).startswith("holdfast: unexpected ZeroDivisionError")
    [kept] = shell.folder.glob("holdfast-error-*.txt")
    assert str(kept) in done.stderr
    assert "Traceback" in kept.read_text()


# --- bad input ---

BROKEN = {
    "syntax.py": "def broken(:\n",
    "raises.py": "import os\n1 / 0\n",
    "exits.py": "import sys\nsys.exit(4)\n",
    "empty.py": "x = 1\n",
    "two.py": "from holdfast import workflow\n@workflow\ndef a(): ...\n@workflow\ndef b(): ...\n",
    "eager.py": "from holdfast import main, workflow\n@workflow\ndef a(): ...\nmain(a)\n",
    "bytes.py": "x = '\\0\0'\n",
    "twice.py": "from holdfast import step\n@step('a', once=True, retry=2)\ndef a(): ...\n",
}
REFUSED = [
    (("run", "nowhere.py"), "no file nowhere.py"),
    (("run", "."), "is a folder"),
    (("run", "syntax.py"), "syntax.py:1"),
    (("run", "raises.py"), "raises.py:2: ZeroDivisionError"),
    (("run", "exits.py"), "exits.py:2: SystemExit"),
    (("run", "empty.py"), "has no workflow"),
    (("run", "two.py"), "say which: two.py:a"),
    (("run", "eager.py"), "__name__"),
    (("run", "bytes.py"), "bytes.py"),
    (("run", "twice.py"), "twice.py:2: once=True and retry="),
    (("run", "script.py:nope"), "has no workflow 'nope'"),
    (("run", "script.py", "-p", "nme=x"), "did you mean 'name'"),
    (("run", "script.py", "-p", "name"), "NAME=VALUE"),
    (("run", "script.py", "--params", "nowhere.json"), "nowhere.json"),
    (("run", "script.py", "--params", "script.py"), "not JSON"),
    (("run", "script.py", "--id", "a/b"), "no run id"),
    (("run", "script.py", "--id", "known", "-p", "name=x"), "other parameters"),
    (("run", "script.py", "--for", "soon"), "no duration"),
    (("run", "script.py", "--mode", "maybe"), "maybe"),
    (("run", "script.py", "--wait", "--no-input"), "give one"),
    (("run", "script.py", "--modee", "auto"), "--mode"),
    (("run",), "FILE"),
    (("rnu",), "did you mean 'run'"),
    (("undo",), "did you mean 'rollback'"),
    (("help", "rnu"), "did you mean 'run'"),
    (("script.py",), "did you mean `holdfast run script.py`"),
    (("run", "scirpt.py"), "did you mean 'script.py'?"),
    (("resume", "nobody"), "no run 'nobody'"),
    (("resume", "knwon-2"), "did you mean 'known-2'?"),
    (("resume", "kno"), "several runs: "),
    (("approve", "known"), "waits for no answer"),
    (("why", "known", "a step"), "`holdfast log known STEP`"),
    (("run", "script.py", "--store", "web://x"), "web://"),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell(tmp_path_factory.mktemp("shop"), SCRIPT)
    for name, text in BROKEN.items():
        (shell.folder / name).write_text(text, "utf-8")
    for id in ("known", "known-2"):
        assert 0 == shell("run", "script.py", "--id", id).code
    return shell


@pytest.mark.parametrize(("words", "says"), REFUSED, ids=[" ".join(w) for w, _ in REFUSED])
def test_bad_input_is_one_line(shop: Shell, words: tuple[str, ...], says: str):
    """What cannot work is refused in one line that says what to do, never by a traceback."""
    said = shop(*words)

    assert (78 if "web://x" in words else 2) == said.code
    line = one_line(said.err)
    assert line.startswith("holdfast: ")
    assert says in line


def test_control_characters_in_an_error_are_escaped(shell: Shell):
    """What an error quotes cannot steer the terminal."""
    said = shell("run", "a\x1b[31m\u202eb.py")

    assert "\\x1b[31m\\u202e" in one_line(said.err)


def test_a_store_that_cannot_be_made_is_74(shell: Shell):
    """A store below a file is refused in one line, as a storage error."""
    said = shell("run", "script.py", "--store", "script.py/store.db")

    assert said.code in (74, 78)
    assert one_line(said.err).startswith("holdfast: ")


def test_reading_makes_no_store(shell: Shell):
    """A verb about a run in a store that is not there makes none."""
    said = shell("approve", "nobody")

    assert 2 == said.code
    assert not shell.store.parent.exists()


def test_every_command_of_the_help_is_there():
    """Each name that the help lists loads, and its own help begins with a sentence."""
    import click

    from holdfast.cli.commands import COMMANDS
    from holdfast.cli.main import holdfast

    context = click.Context(holdfast)
    names = [name for section in COMMANDS.values() for name in section]
    found = {name: holdfast.get_command(context, name) for name in names}

    assert [] == [name for name, command in found.items() if command is None or not command.help]


def test_the_version_is_quick(shell: Shell):
    """`--version` answers without loading the commands."""
    said = shell("--version", PYTHONPROFILEIMPORTTIME="1")

    assert "holdfast 0." in said.out
    assert "holdfast.cli.main" not in said.err


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: Shell, name: str):
    """`completion` prints the script of each shell."""
    said = shell("completion", name)

    assert 0 == said.code
    assert "_HOLDFAST_COMPLETE" in said.out
