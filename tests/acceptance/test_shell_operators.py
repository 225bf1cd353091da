"""Shell scripts and people: questions, doubts, going back, stops and signals."""

from __future__ import annotations

import re
import select
import signal
import subprocess
from pathlib import Path

import pytest
from tests.acceptance.shells import BEGIN, SHELLS, Script, every_shell, is_gone

LOOKS_MAX = 400


def test_no_terminal_never_means_yes(tmp_path: Path) -> None:
    """Confirm, ask and a confirmed step park the run, exit 3, and go on when it is answered, by
    the script that each answer names."""
    script = Script(
        tmp_path,
        "set -e\n" + BEGIN + "holdfast confirm 'really?'\n"
        "n=$(holdfast ask 'how many?' --choices 1,2)\nholdfast step go --confirm -- echo \"$n\"\n",
    )
    codes = [script.run("dash").code]
    run = script.runs[0]
    yes = script.type("approve", run)
    codes.append(script.run("dash").code)
    wrong = script.type("answer", run, "3")
    script.type("answer", run, "2")
    codes.append(script.run("dash").code)
    script.type("approve", run)
    last = script.run("dash")

    assert [3, 3, 3] == codes and 2 == wrong.code
    assert yes.err.endswith("go on with: dash script.sh\n"), yes
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


def test_what_could_not_be_started_is_in_no_doubt(tmp_path: Path) -> None:
    """A step that runs at most once, and for which there was no room, is tried by the next call."""
    script = Script(
        tmp_path,
        BEGIN + "pay() { holdfast step pay --once -- touch paid; echo $?; }\n"
        "pay 3<&0 4<&0 5<&0 6<&0 7<&0 8<&0 9<&0\npay\n",
    )
    ran = script.run("dash")

    assert (0, b"126\n0\n") == (ran.code, ran.out) and (tmp_path / "paid").exists(), ran
    assert "touch: the descriptors 3 to 9 are all open" in ran.err


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
    assert "what its stage did is undone" in first.err and "left   pre/b: it failed" in first.err
    assert 0 == second.code and "x\n" == (tmp_path / "undone").read_text(), second


def test_a_stage_that_has_ended_undoes_nothing_when_the_script_dies_in_it_again(
    tmp_path: Path,
) -> None:
    """What came after it builds on it. The next life goes on."""
    script = Script(
        tmp_path,
        "set -e\n" + BEGIN + "holdfast stage pre --on-failure undo\n"
        "holdfast step a --undo 'rm a; echo x >>undone' -- touch a\n"
        "test ! -e bad || kill -9 $$\n"
        "test ! -e worse || exit 9\n"
        "holdfast stage --end\n"
        "holdfast step 'after' -- test -e good\n",
    )
    codes = [script.run("sh").code]
    for name in ("bad", "worse", "good"):
        (tmp_path / name).touch()
        codes.append(script.run("sh").code)
        (tmp_path / name).unlink()

    assert [1, -9, 9, 0] == codes
    assert (tmp_path / "a").exists() and not (tmp_path / "undone").exists()


@pytest.mark.parametrize("answer", ["done", "retry"])
def test_an_undo_that_was_killed_is_asked_about(answer: str, tmp_path: Path) -> None:
    """Nobody promised that a command given with --undo may run twice: the script goes on when a
    person has said what became of it, and the stage runs again whole."""
    script = killed_in_undo(tmp_path, "")
    first = script.run("dash")
    run = script.runs[0]
    interrupted = script.type("show", run, "--json")
    (tmp_path / "ok").touch()
    second = script.run("dash")
    asked = (tmp_path / "undone").read_text()
    if answer == "done":
        (tmp_path / "a").unlink()
    comment = ("-m", "I removed it") if answer == "done" else ()
    answered = script.type(answer, run, "pre/a#undo", *comment)
    third = script.run("dash")

    assert 137 == first.code and b'"interrupted"' in interrupted.out, first
    assert 6 == second.code and "pre/a#undo" in second.err and "x\n" == asked, second
    assert 0 == answered.code, answered
    assert 0 == third.code and (tmp_path / "a").exists(), third
    assert "x\n" * (1 if answer == "done" else 2) == (tmp_path / "undone").read_text()


def test_a_check_knows_what_a_killed_undo_did(tmp_path: Path) -> None:
    """What a life began to undo is undone before the script goes on, unasked where the check of
    the step says that it still stands, and then runs again whole."""
    script = killed_in_undo(tmp_path, "--check 'test -e a'")
    first = script.run("dash")
    (tmp_path / "ok").touch()
    second = script.run("dash")

    assert 137 == first.code, first
    assert 0 == second.code and "x\nx\n" == (tmp_path / "undone").read_text(), second
    assert (tmp_path / "a").exists()


def killed_in_undo(folder: Path, check: str) -> Script:
    """Return a script whose first life is killed in the undo of its stage, before that did it.

    What it waits with writes to nobody: at the end of a pipe to the dead it would end, and the
    undo go on, before it is killed.
    """
    return Script(
        folder,
        "set -e\n" + BEGIN + "holdfast stage pre --on-failure undo\n"
        f"holdfast step a {check} --undo "
        "'echo x >>undone; test -e ok || { kill -9 $PPID; tail -f undone >/dev/null; }; rm a' -- "
        "sh -c 'test ! -e a; touch a'\n"
        "holdfast step b -- test -e ok\nholdfast stage --end\n",
    )


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


@pytest.mark.parametrize("config", [("--config", "holdfast.toml"), ()])
def test_people_elsewhere_are_told(config: tuple[str, ...], tmp_path: Path) -> None:
    """A hold and the end of a run are given to the inventory's command, as of any run, whether the
    inventory was given or found where the run began: the script is in another folder by then."""
    script = Script(tmp_path, BEGIN + "cd /\nholdfast confirm 'really?' || exit $?\n")
    told = tmp_path / "told"
    (tmp_path / "holdfast.toml").write_text(
        f'[notify]\ncommand = ["sh", "-c", "cat >>{told}; echo >>{told}"]\n'
        'on = ["hold", "succeeded"]\n'
    )
    first = script.run("dash", *config)
    script.type("approve", script.runs[0])
    second = script.run("dash", *config)
    for _ in range(LOOKS_MAX):
        events = re.findall(r'"event": "(\w+)"', told.read_text() if told.exists() else "")
        if "succeeded" in events:
            break
        select.select([], [], [], 0.05)

    assert [3, 0] == [first.code, second.code], (first, second)
    assert ["hold", "succeeded"] == sorted(set(events))


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


@every_shell
@pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "PIPE", "USR1", "SEGV"])
def test_a_signal_never_means_success(shell: str, name: str, tmp_path: Path) -> None:
    """A script that a signal ends after a command that succeeded has not come to its end."""
    script = Script(tmp_path, BEGIN + f"holdfast step a -- true\ntrue\nkill -{name} $$\ntrue\n")
    number = signal.Signals[f"SIG{name}"].value
    first = script.run(shell)
    stands = script.state().status
    script.edit(BEGIN + "holdfast step a -- true\n")
    second = script.run(shell)

    assert first.code in (128 + number, -number), first
    assert stands in ("stopped", "failed", "running")
    assert 0 == second.code and "succeeded" == script.state().status


@pytest.mark.parametrize("shell", SHELLS[:2])
def test_stop_now_ends_what_is_in_hand(shell: str, tmp_path: Path) -> None:
    """The command is killed, the shell ends, and the run is stopped, well within the grace."""
    script = Script(tmp_path, BEGIN + "mkfifo here\nholdfast step a -- "
                    "sh -c 'echo $$ >here; exec tail -f /dev/null'\n")  # fmt: skip
    process = script.start(shell)
    while not (tmp_path / "here").exists():
        assert process.poll() is None
    command = int((tmp_path / "here").read_text())
    stopped = script.type("stop", script.runs[0], "--now")
    process.communicate()

    assert 0 == stopped.code and "has ended" in stopped.text, stopped
    assert is_gone(command) and "stopped" == script.state().status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_a_step_ends_the_life_after_it(number: signal.Signals, tmp_path: Path) -> None:
    """The command in hand is not lost: it is recorded, and nothing more starts in this life. Its
    end says, once, how things stand and what to type."""
    script = Script(
        tmp_path,
        BEGIN + f"holdfast step a -- sh -c 'kill -{number.value} $PPID; echo a'\necho $?\n"
        "holdfast step b -- touch b\n",
    )
    first = script.run("dash")
    second = script.run("dash")

    assert 128 + number == first.code and 1 == first.err.count("STOPPED"), first
    assert f"{number.name} received" in first.err and "dash script.sh" in first.err
    assert not first.out.endswith(b"b\n") and "succeeded" == script.state().steps["a"].status
    assert 0 == second.code and (tmp_path / "b").exists(), second


def test_a_step_whose_process_is_killed(tmp_path: Path) -> None:
    """The shell lives on: the same name is the next attempt, and what it leaves has failed."""
    text = "holdfast step {} -- sh -c 'test -e ok || kill -9 $PPID; test -e ok'; echo $?\n"
    script = Script(
        tmp_path,
        BEGIN + text.format("again") + text.format("left") + "touch ok\n" + text.format("again"),
    )
    ran = script.run("dash")
    steps = script.state().steps

    assert b"137\n137\n0\n" == ran.out and 0 == ran.code, ran
    assert ("succeeded", 2) == (steps["again"].status, steps["again"].attempts)
    assert ("failed", "Interrupted") == (steps["left"].status, steps["left"].error_type)


def test_a_refusal_leaves_a_persons_shell_open(tmp_path: Path) -> None:
    """It ends a script, and is the status of what was typed otherwise."""
    script = Script(tmp_path, BEGIN)
    typed = b'eval "$(holdfast begin x --id no/such)"; echo "code $?"\n'
    said = subprocess.run(
        ["dash", "-i"], input=typed, cwd=tmp_path, env=script.env(), capture_output=True,
        start_new_session=True,
    )  # fmt: skip

    assert b"code 2\n" == said.stdout, said
    assert 2 == script.run("dash", "--id", "no/such").code


def test_a_target_has_one_run(tmp_path: Path) -> None:
    """Another script is refused with 5 while a run has the target, and takes it with a reason."""
    (tmp_path / "holdfast.toml").write_text("[targets.prod]\n")
    script = Script(tmp_path, BEGIN + "exit 1\n")
    script.run("dash", "--target", "prod")
    script.edit('eval "$(holdfast begin other --target prod "$@")"\necho "in it"\n')
    refused = script.run("dash")
    taken = script.run("dash", "--steal", "-m", "it's needed")

    assert 5 == refused.code and "--steal" in refused.err and b"" == refused.out, refused
    assert 0 == taken.code and b"in it\n" == taken.out, taken


def test_run_of_a_script_with_time_and_people(tmp_path: Path) -> None:
    """`run script.sh` takes --params, whose values -p overrides, --for, which ends it before a step
    with 75, --no-input, which parks, and --wait, which stays until somebody answers."""
    text = (
        'echo "$HOLDFAST_PARAM_a $HOLDFAST_PARAM_b"\nset -e\n'
        "holdfast step one -- sleep 0.3\nholdfast step two -- true\nholdfast confirm 'sure?'\n"
    )
    script = Script(tmp_path, text, "nightly.sh")
    (tmp_path / "p.json").write_text('{"a": "x y", "b": [1, 2]}')
    words = ("run", "nightly.sh", "--params", "p.json", "-p", "a=z")
    timed = script.type(*words, "--for", "0.2s")
    parked = script.type(*words, "--no-input")
    (run,) = script.runs
    process = subprocess.Popen(
        [tmp_path / "bin" / "holdfast", *words, "--wait"], cwd=tmp_path, env=script.env(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    while b"sure?" not in (line := process.stderr.readline()):
        assert line
    answered = script.type("approve", run)
    process.communicate(timeout=60)

    assert 75 == timed.code and b"z [1, 2]\n" == timed.out, timed
    assert "stopped" in timed.err and "holdfast run -p a=z -p 'b=[1, 2]' nightly.sh" in timed.err
    assert 3 == parked.code and "sure?" in parked.err, parked
    assert (0, 0) == (answered.code, process.returncode)


def test_run_of_a_script_takes_a_target(tmp_path: Path) -> None:
    """`run script.sh --steal -m WHY` takes the target from a run that nobody works on, once."""
    script = Script(tmp_path, "holdfast step one -- test -e ok\n", "nightly.sh")
    (tmp_path / "holdfast.toml").write_text("[targets.db]\n")
    other = script.type("run", "nightly.sh", "--target", "db", "--id", "old")
    refused = script.type("run", "nightly.sh", "--target", "db", "--id", "new")
    stolen = script.type(
        "run", "nightly.sh", "--target", "db", "--id", "new", "--steal", "-m", "it is old"
    )

    assert (1, 5, 1) == (other.code, refused.code, stolen.code), stolen
    assert "--steal" not in stolen.err.partition("next")[2]
