"""What the command line leads to: stdout for programs, words for a person who left some out."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell

from holdfast.cli.guessing import MEANT
from holdfast.cli.main import COMMANDS

SCRIPT = """
import sys
from holdfast import confirm, main, run, step, workflow

@step("first")
def first():
    print("of the step")

@step("second")
def second(how):
    if how == "fail":
        raise ValueError("boom")

@workflow
def work(how: str = "", names: list[str] = ()):
    print("between the steps")
    first()
    second(how)
    if how == "hold":
        confirm("really?")
    return {"how": how}

if __name__ == "__main__":
    if sys.argv[1:] == ["in python"]:
        run(work, id="python")
    else:
        main(work)
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def _python(shell: Shell, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "script.py", *words],
        cwd=shell.folder, env=shell.env(), capture_output=True, text=True, check=True,
    )  # fmt: skip


# --- stdout is the result ---


def test_what_a_workflow_prints_is_not_taken_for_its_result(shell: Shell):
    """`print` between the steps goes to stderr; stdout is the JSON of the result."""
    said = shell("run", "script.py")

    assert {"how": ""} == json.loads(said.out)
    assert "between the steps" in said.err


def test_a_resumed_workflow_prints_to_stderr_too(shell: Shell):
    """`resume` keeps stdout for the result like `run`."""
    shell("run", "script.py", "-p", "how=hold", "--id", "one")
    shell("approve", "one")

    assert {"how": "hold"} == json.loads(shell("resume", "one").out)


def test_a_script_of_its_own_keeps_stdout_for_the_result(shell: Shell):
    """`holdfast.main` does as `holdfast run` does."""
    assert {"how": ""} == json.loads(_python(shell).stdout)


def test_a_run_from_python_leaves_stdout_alone(shell: Shell):
    """`holdfast.run()` is a call in somebody's program, whose stdout is its own."""
    assert "between the steps\n" == _python(shell, "in python").stdout


def test_what_a_program_in_no_file_began_goes_on_from_a_script(shell: Shell):
    """`resume` says that the script is missing, and what it offers goes on once FILE is given."""
    program = SCRIPT.partition("if __name__")[0] + 'run(work, {"how": "fail"}, id="typed")'
    subprocess.run([sys.executable, "-c", program], cwd=shell.folder, env=shell.env(), check=True)

    refused = shell("resume", "typed")
    offered = json.loads(shell("why", "typed", "--json").out)["next"][0]["command"]
    went_on = shell(*shlex.split(offered.replace("FILE", "script.py"))[1:])

    assert (2, True) == (refused.code, "work: holdfast resume typed FILE" in refused.err)
    assert (1, True) == (went_on.code, "1 step done, going on with second" in went_on.err)
    assert "script.py" in shell("show", "typed").out


# --- what may be typed ---


def test_an_example_of_a_parameter_can_be_pasted(shell: Shell):
    """A list in the help is quoted as a shell needs it."""
    help = shell("run", "script.py", "--help").out
    line = next(line for line in help.splitlines() if "-p" in line and "names=" in line)
    words = shlex.split(line)

    name, value = words[words.index("-p") + 1].split("=", 1)
    assert ("names", list) == (name, type(json.loads(value)))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("approve", "on hold: held;"),
        ("reject", "on hold: held;"),
        ("answer", "on hold: held;"),
        ("resume", "unfinished: broken, held;"),
        ("stop", "unfinished: broken, held;"),
        ("rewind", "unfinished: broken, held;"),
        ("show", "the newest: broken, held, fine;"),
        ("why", "the newest: broken, held, fine;"),
        ("log", "the newest: broken, held, fine;"),
    ],
)
def test_a_command_without_a_run_names_those_it_may_be(kept: Shell, command: str, said: str):
    """Whoever forgot the id reads it in the refusal, which is one line."""
    refused = kept(command)

    assert (2, 1) == (refused.code, refused.err.count("\n"))
    assert said in refused.err


def test_many_candidates_are_cut(shell: Shell):
    """At most five runs are named."""
    for number in range(6):
        shell("run", "script.py", "--id", f"run{number}")

    named = shell("show").err.partition("newest: ")[2].partition(";")[0]
    assert 5 == len(named.split(", "))


def test_a_command_without_a_run_or_a_store_says_that_there_are_none(shell: Shell):
    """On a new machine the refusal does not pretend that there is something to name."""
    for command in ("show", "stop", "resume"):
        said = "missing argument 'RUN'; there are no runs here yet"
        assert said in shell(command).err


# --- words ---


def test_what_is_over_is_said_as_a_sentence(kept: Shell):
    """`has succeeded already`, for a run and for a step; `why` says it too."""
    assert "run fine has succeeded already" in kept("stop", "fine").err
    assert "step first has succeeded already" in kept("skip", "broken", "first", "-m", "x").err
    assert kept("why", "fine").out.startswith("fine has succeeded\n")


# --- the store that was given ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "none"), "`holdfast --store {store} list` shows what is there"),
        (("skip", "fine", "second", "-m", "x"), "see what it did: holdfast --store {store} show"),
        (("rewind", "fine", "--to", "first"), "start anew: holdfast --store {store} run /"),
    ],
)
def test_a_refusal_says_what_to_type_with_the_store_that_was_given(
    kept: Shell, words: tuple[str, ...], said: str
):
    """The same line without it would look into another store, and find nothing there."""
    store = str(kept.store)

    refused = kept("--store", store, *words, HOLDFAST_STORE="")

    assert 2 == refused.code
    assert said.format(store=store) in refused.err


@pytest.mark.parametrize("verb", ["rollback", "settle", "resume --accept-drift", "retry", "stop"])
def test_what_goes_on_with_a_run_makes_no_store(shell: Shell, verb: str):
    """Whoever mistyped the store is told so, and finds no empty one there afterwards."""
    refused = shell(*verb.split(), "one")

    assert (2, 1) == (refused.code, refused.err.count("\n"))
    assert f"there is no store at {shell.store}" in refused.err
    assert not shell.store.parent.exists()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A store with one run of each kind."""
    shell = Shell(tmp_path_factory.mktemp("kept"), SCRIPT)
    shell("run", "script.py", "--id", "fine")
    shell("run", "script.py", "--id", "held", "-p", "how=hold")
    shell("run", "script.py", "--id", "broken", "-p", "how=fail")
    return shell


def test_an_item_that_wrote_nothing_is_told_as_such(shell: Shell):
    """Its log is empty, and a person is told that this is all there is."""
    (shell.folder / "items").write_text("a\n")
    shell("each", "quiet", "--id", "r", "--items", "items", "--", "true")
    said = shell("log", "r", "a")

    assert (0, "") == (said.code, said.out) and "a wrote nothing" in said.err


# --- words that were left out, or that other tools have ---


@pytest.mark.parametrize("words", [(), ("run",), ("fleet", "run")], ids=" ".join)
def test_help_is_a_word_too(shell: Shell, words: tuple[str, ...]):
    """`holdfast help COMMAND` prints what `holdfast COMMAND --help` does."""
    asked, known = shell("help", *words), shell(*words, "--help")

    assert (0, known.out, "") == (asked.code, asked.out, asked.err)


def test_a_group_alone_prints_its_help(shell: Shell):
    """`holdfast fleet` says what there is, in lines that can be read."""
    assert shell("fleet", "--help").out == shell("fleet").out


def test_every_word_from_elsewhere_leads_to_a_command(shell: Shell):
    """What other tools call it is no command here, and means one."""
    assert set() == set(MEANT.values()) - {name for part in COMMANDS.values() for name in part}
    assert set() == MEANT.keys() & {name for part in COMMANDS.values() for name in part}


@pytest.mark.parametrize("status", ["on_hold", "on hold", "ON-HOLD"])
def test_a_status_is_typed_as_it_is_shown(kept: Shell, status: str):
    """`list` takes it as JSON has it, and as it prints it."""
    listed = json.loads(kept("list", "--status", status, "--json").out)["runs"]

    assert ["held"] == [run["id"] for run in listed]
