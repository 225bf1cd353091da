"""Shell scripts as runs, in every shell that is here: what passes through, and what is replayed."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from tests.acceptance.shells import SHELLS, Script, every_shell, is_gone, kill

BEGIN = 'eval "$(holdfast begin work "$@")"\n'


@every_shell
def test_a_script_runs_once_and_replays(shell: str, tmp_path: Path) -> None:
    """What failed runs again, what is done gives its output again, byte for byte."""
    script = Script(
        tmp_path,
        "set -eu\n" + BEGIN + "x=$(holdfast step 'a b' -- "
        "sh -c 'echo run >>n; printf \"1 \\n 2\"')\n"
        'printf "<%s>" "$x"\nholdfast step check -- test -e ok\n',
    )  # fmt: skip
    first = script.run(shell)
    (tmp_path / "ok").touch()
    second = script.run(shell)

    assert [1, 0] == [first.code, second.code], (first, second)
    assert b"<1 \n 2>" == first.out == second.out
    assert "run\n" == (tmp_path / "n").read_text()
    assert "succeeded" == script.state().status and 2 == len(script.state().lives)


@every_shell
def test_streams_and_codes_pass_through(shell: str, tmp_path: Path) -> None:
    """Standard input, both outputs, any bytes, any size, and the code of a shell."""
    script = Script(
        tmp_path,
        BEGIN + "printf 'in\\000put' | holdfast step cat -- cat\n"
        "holdfast step err -- sh -c 'echo oops >&2'\n"
        "holdfast step big -- sh -c 'head -c 300000 /dev/zero' | wc -c\n"
        "holdfast step binary -- printf '\\377\\376\\n'\n"
        "holdfast step seven -- sh -c 'exit 7'; echo $?\n"
        "holdfast step none -- nosuchprogram; echo $?\n"
        "holdfast step file -- ./script.sh; echo $?\n"
        "holdfast step killed -- sh -c 'kill -TERM $$'; echo $?\n"
        "holdfast step cut -- yes | head -1\n"
        "holdfast step slow --timeout 1s -- tail -f /dev/null; echo $?\nexit 1\n",
    )
    first = script.run(shell)
    second = script.run(shell)

    expected = b"in\0put300000\n\xff\xfe\n7\n127\n126\n143\ny\n124\n"
    assert expected == first.out == second.out, first
    assert 1 == first.err.count("oops") and 0 == second.err.count("oops\n")
    assert [1, 1] == [first.code, second.code]


@every_shell
def test_quoting_of_names_and_words(shell: str, tmp_path: Path) -> None:
    """Names and arguments may hold spaces, quotes, slashes, dollars and newlines."""
    script = Script(
        tmp_path,
        BEGIN + 'n="it\'s \\"a\\" \\$name/with #1"\n'
        'holdfast step "$n" -- printf "%s|" "a  b" "" "c\nd" \'$HOME\' "*"\n',
    )
    ran = script.run(shell)
    (key,) = script.state().steps

    assert b"a  b||c\nd|$HOME|*|" == ran.out, ran
    assert 'it\'s "a" $name%2Fwith %231' == key
    shown = script.type("show", script.runs[0]).text
    assert "it's" in shown


@every_shell
def test_an_earlier_trap_is_kept(shell: str, tmp_path: Path) -> None:
    """It finds the script's status in `$?`, and runs before the run ends; the status stays."""
    script = Script(
        tmp_path,
        "trap 'echo \"it'\\''s $?\"; holdfast step late -- true' EXIT\n" + BEGIN + "exit 9\n",
    )
    ran = script.run(shell)

    assert 9 == ran.code and b"it's 9\n" == ran.out, ran
    assert "failed" == script.state().status
    assert "late" in script.state().steps


@every_shell
def test_what_begin_prints_is_clean(shell: str, tmp_path: Path) -> None:
    """ShellCheck has nothing to say of it, as POSIX shell; a refusal ends the script."""
    script = Script(tmp_path, BEGIN + "echo never\n")
    printed = script.type("begin", "name with 'quotes'", "-p", "a=it's $(echo)")
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    checked = subprocess.run(
        ["shellcheck", "-s", "sh", "-e", "SC1090,SC1091", "-"],
        input=b"#!/bin/sh\n" + printed.out, capture_output=True,
    )  # fmt: skip
    refused = script.run(shell, "--id", "no/such id")

    assert b"" == checked.stdout and 0 == checked.returncode, checked.stdout.decode()
    assert 2 == refused.code and b"" == refused.out and "no run id" in refused.err


@every_shell
def test_branches_may_run_side_by_side(shell: str, tmp_path: Path) -> None:
    """Steps of one life append at the same time; a branch that is new on resume is no drift."""
    script = Script(
        tmp_path,
        BEGIN + 'for n in 1 2 3 4; do holdfast step "n$n" -- sh -c "echo $n" & done\nwait\n'
        "( holdfast step left -- true; holdfast step right -- test -e ok ) & wait $!\n",
    )
    first = script.run(shell)
    (tmp_path / "ok").touch()
    second = script.run(shell)

    assert 1 == first.code and 0 == second.code, (first, second)
    assert b"1234" == bytes(sorted(second.out.replace(b"\n", b"")))
    assert "succeeded" == script.state().status


@every_shell
def test_a_second_shell_is_refused(shell: str, tmp_path: Path) -> None:
    """While the first lives it is refused with 5; when the first is killed it takes over, and the
    first one's command is gone."""
    script = Script(
        tmp_path,
        BEGIN + "mkfifo here 2>/dev/null\n"
        "holdfast step wait -- sh -c 'test -e ok || { echo $$ >here; exec tail -f /dev/null; }'\n",
    )
    first = script.start(shell)
    fifo = tmp_path / "here"
    while not fifo.exists():
        assert first.poll() is None
    command = int(fifo.read_text())
    second = script.run(shell, "--id", script.runs[0])
    kill(first.pid)
    first.communicate()
    (tmp_path / "ok").touch()
    third = script.run(shell)

    assert 5 == second.code and f"pid {first.pid}" in second.err, second
    assert 0 == third.code and "is dead" in third.err, third
    assert is_gone(command)
    assert 1 == len(script.runs)


@pytest.mark.parametrize("shell", SHELLS[:2])
def test_steps_outside_a_run(shell: str, tmp_path: Path) -> None:
    """They are refused with 2, and nothing is run; so is a name that is used twice."""
    script = Script(
        tmp_path,
        "holdfast step x -- touch wrong; echo $?\n" + BEGIN + "holdfast step x -- true\n"
        "holdfast step x -- touch wrong; echo $?\n",
    )
    ran = script.run(shell)

    assert b"2\n2\n" == ran.out and not (tmp_path / "wrong").exists()
    assert "no run" in ran.err and "used twice" in ran.err


@pytest.mark.parametrize("shell", SHELLS[:2])
def test_an_edited_script_holds(shell: str, tmp_path: Path) -> None:
    """A finished name with another command is never skipped silently: the run holds, nothing
    more starts, and it goes on when the difference is accepted, in any of the ways."""
    steps = "holdfast step a -- echo {}\nholdfast step b -- echo b; echo $?\n"
    script = Script(tmp_path, BEGIN + steps.format("one") + "exit 1\n")
    script.run(shell)
    script.edit(BEGIN + steps.format("two"))
    held = script.run(shell)
    answered = script.type("resume", script.runs[0], "--accept-drift")
    accepted = script.run(shell)

    assert 3 == held.code and b"3\n" == held.out, held
    assert "--accept-drift" in held.err and "on hold" in held.err.lower()
    assert 0 == answered.code, answered
    assert 0 == accepted.code and b"one\nb\n0\n" == accepted.out, accepted


@pytest.mark.parametrize("option", ["begin", "step"])
def test_drift_accepted_beforehand(option: str, tmp_path: Path) -> None:
    """`--accept-drift` covers a whole life where `begin` has it, and a step where that has it."""
    script = Script(tmp_path, BEGIN + "holdfast step a -- echo one\nexit 1\n")
    script.run("dash")
    accept = "--accept-drift"
    script.edit(BEGIN + f"holdfast step a {accept if option == 'step' else ''} -- echo two\n")
    ran = script.run("dash", *([accept] if option == "begin" else []))

    assert 0 == ran.code and b"one\n" == ran.out, ran


def test_a_finished_run_only_replays(tmp_path: Path) -> None:
    """`begin --id` of a run that is over gives what is recorded, and runs nothing."""
    script = Script(tmp_path, BEGIN + "holdfast step a -- sh -c 'echo a; echo x >>n'\n")
    script.run("dash", "--id", "r")
    script.edit(
        BEGIN + "holdfast stage s\nholdfast step a -- echo other\nholdfast step new -- touch new\n"
    )
    again = script.run("bash", "--id", "r")

    assert b"a\n" == again.out and 2 == again.code, again
    assert not (tmp_path / "new").exists() and "x\n" == (tmp_path / "n").read_text()
    assert 1 == len(script.state("r").lives)


def test_no_terminal_never_means_yes(tmp_path: Path) -> None:
    """Confirm, ask and a confirmed step park the run, exit 3, and go on when it is answered."""
    script = Script(
        tmp_path,
        "set -e\n" + BEGIN + "holdfast confirm 'really?'\n"
        "n=$(holdfast ask 'how many?' --choices 1,2)\nholdfast step go --confirm -- echo \"$n\"\n",
    )
    codes = [script.run("dash").code]
    run = script.runs[0]
    script.type("approve", run)
    codes.append(script.run("dash").code)
    wrong = script.type("answer", run, "3")
    script.type("answer", run, "2")
    codes.append(script.run("dash").code)
    script.type("approve", run)
    last = script.run("dash")

    assert [3, 3, 3] == codes and 2 == wrong.code
    assert 0 == last.code and b"2\n" == last.out, last


def test_once_is_in_doubt(tmp_path: Path) -> None:
    """A step that runs at most once and did not succeed is asked about, exit 6; a command that
    never ran is in no doubt, and a check decides."""
    script = Script(
        tmp_path,
        BEGIN + "holdfast step never --once -- nosuchprogram\n"
        "holdfast step checked --once --check 'exit 1' -- sh -c 'exit 4'; echo $?\n"
        "holdfast step pay --once -- sh -c 'echo x >>paid; exit 5'; exit $?\n",
    )
    first = script.run("dash")
    run = script.runs[0]
    done = script.type("done", run, "pay", "-m", "seen on the account", "--output", '"paid\\n"')
    second = script.run("dash")

    assert 6 == first.code and b"4\n" == first.out, first
    assert 0 == done.code, done
    assert 0 == second.code and second.out.endswith(b"paid\n"), second
    assert "x\n" == (tmp_path / "paid").read_text()


def test_going_back_runs_the_recorded_commands(tmp_path: Path) -> None:
    """Rollback and settle need no script: they run what was recorded, where the step ran."""
    (tmp_path / "sub").mkdir()
    script = Script(
        tmp_path,
        "set -e\n" + BEGIN + "cd sub\n"
        "holdfast step a --undo 'rm a; echo \"undone $PWD\"' -- touch a\n"
        "holdfast step lend --owes 'rm lock' -- touch lock\n"
        "holdfast step b --undo 'rm b' -- touch b\nfalse\n",
    )  # fmt: skip
    script.run("dash")
    run = script.runs[0]
    (tmp_path / "script.sh").unlink()
    settled = script.type("settle", run)
    left = sorted(path.name for path in (tmp_path / "sub").iterdir())
    rolled = script.type("rollback", run)

    assert 0 == settled.code and ["a", "b"] == left, settled
    assert 0 == rolled.code and "rolled back" in rolled.err, rolled
    assert [] == list((tmp_path / "sub").iterdir())
    assert "rolled_back" == script.state(run).status


def test_what_is_owed_is_given_back_by_the_same_command(tmp_path: Path) -> None:
    """A later step with the owed command settles it; without one the run cannot end."""
    lend = "holdfast step lend --owes 'rm lock' -- touch lock\n"
    script = Script(tmp_path, BEGIN + lend + "holdfast step back -- rm lock\n")
    paid = script.run("dash")
    script.edit('eval "$(holdfast begin other)"\n' + lend)
    owing = script.run("dash")
    owed = script.type("owed")

    assert 0 == paid.code, paid
    assert 3 == owing.code and "rm lock" in owing.err, owing
    assert "rm lock" in owed.text


def test_a_stage_that_undoes_itself(tmp_path: Path) -> None:
    """A script that fails in it has what it did undone, and runs it again whole."""
    script = Script(
        tmp_path,
        "set -e\n" + BEGIN + "holdfast stage pre --on-failure undo\n"
        "holdfast step a --undo 'rm a; echo x >>undone' -- touch a\n"
        "holdfast step b -- test -e ok\nholdfast stage --end\nholdfast step c -- test -e a\n",
    )
    first = script.run("dash")
    gone = not (tmp_path / "a").exists()
    (tmp_path / "ok").touch()
    second = script.run("dash")

    assert 1 == first.code and gone, first
    assert 0 == second.code and "x\n" == (tmp_path / "undone").read_text(), second


def test_an_undo_that_was_killed_is_ended_first(tmp_path: Path) -> None:
    """What a life began to undo is undone before the script goes on, and then runs again whole."""
    script = Script(
        tmp_path,
        "set -e\n" + BEGIN + "holdfast stage pre --on-failure undo\n"
        "holdfast step a --undo 'echo x >>undone; test -e ok || kill -9 $PPID; rm a' -- "
        "sh -c 'test ! -e a; touch a'\n"
        "holdfast step b -- test -e ok\nholdfast stage --end\n",
    )
    first = script.run("dash")
    interrupted = script.type("show", script.runs[0], "--json")
    (tmp_path / "ok").touch()
    second = script.run("dash")

    assert 137 == first.code and b'"interrupted"' in interrupted.out, first
    assert 0 == second.code and "x\nx\n" == (tmp_path / "undone").read_text(), second
    assert (tmp_path / "a").exists()


def test_a_stop_is_lifted_by_resume_alone(tmp_path: Path) -> None:
    """After a stop the script does not go on, exit 3; `resume` lifts it and says what to run."""
    script = Script(tmp_path, BEGIN + "holdfast step a -- holdfast stop \"$HOLDFAST_RUN\"\n"
                              "holdfast step b -- echo b\n")  # fmt: skip
    stopped = script.run("dash")
    refused = script.run("dash")
    resumed = script.type("resume", script.runs[0])
    again = script.run("dash")

    assert 3 == stopped.code == refused.code, stopped
    assert 0 == resumed.code and "dash script.sh" in resumed.err, resumed
    assert 0 == again.code and again.out.endswith(b"b\n"), again


def test_a_gate_waits_until_it_passes(tmp_path: Path) -> None:
    """It is tried again until its command exits with 0, once over all lives."""
    script = Script(
        tmp_path,
        BEGIN + "holdfast gate ready --every 1s -- "
        "sh -c 'echo x >>tries; test $(wc -l <tries) -ge 2'\n"
        "holdfast gate broken -- nosuchprogram; echo $?\n",
    )  # fmt: skip
    first, second = script.run("dash"), script.run("dash", "--id", "other")

    assert b"127\n" == first.out, first
    assert 0 == second.code and 3 == len((tmp_path / "tries").read_text().splitlines())


def test_parameters_reach_the_script(tmp_path: Path) -> None:
    """They are variables, in every life; with other ones it is another run."""
    script = Script(tmp_path, BEGIN + 'echo "$HOLDFAST_PARAM_node"\nexit 1\n')
    one = script.run("dash", "-p", "node=it's $n1")
    two = script.run("dash", "-p", "node=n2")
    again = script.run("dash", "-p", "node=n2")
    newest = script.run("dash")

    assert [b"it's $n1\n", b"n2\n", b"n2\n", b"n2\n"] == [r.out for r in (one, two, again, newest)]
    assert 2 == len(script.runs)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_a_step_ends_the_life_after_it(number: signal.Signals, tmp_path: Path) -> None:
    """The command in hand is not lost: it is recorded, and nothing more starts in this life."""
    script = Script(
        tmp_path,
        BEGIN + f"holdfast step a -- sh -c 'kill -{number.value} $PPID; echo a'\necho $?\n"
        "holdfast step b -- touch b\n",
    )
    first = script.run("dash")
    second = script.run("dash")

    assert 128 + number == first.code, first
    assert not first.out.endswith(b"b\n") and "succeeded" == script.state().steps["a"].status
    assert 0 == second.code and (tmp_path / "b").exists(), second
