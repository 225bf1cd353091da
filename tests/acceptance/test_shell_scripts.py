"""Shell scripts as runs, in every shell that is here: what passes through, and what is replayed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.acceptance.shells import BEGIN, SHELLS, Script, every_shell, is_gone, kill


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


def test_an_output_without_room_is_not_lost(tmp_path: Path) -> None:
    """A step whose output could not be passed on ends with 74, now and on a replay; its command
    ran to its end, once, and the output comes when there is room."""
    script = Script(
        tmp_path,
        "set -e\n"
        + BEGIN
        + "holdfast step a -- sh -c 'echo one; echo two >>n; echo two' >\"$OUT\"\n"
        'holdfast each b --items items -- echo >"$ALL"\n',
    )
    (tmp_path / "items").write_text("1\n2\n")
    full = [script.run("dash", OUT="/dev/full", ALL="all") for _ in range(2)]
    half = script.run("dash", OUT="out", ALL="/dev/full")
    ran = script.run("dash", OUT="out", ALL="all")

    assert [74, 74, 74, 0] == [said.code for said in (*full, half, ran)], (full, half, ran)
    assert all("No space left on device; what 'a' wrote is recorded" in said.err for said in full)
    assert "standard output cannot be written: No space left on device" in half.err
    assert ["one\ntwo\n", "two\n", "1\n2\n"] == [
        (tmp_path / name).read_text() for name in ("out", "n", "all")
    ]


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
    """They are refused with 2, and nothing is run, also where a `begin` was killed, of which the
    shell says nothing; so is a name that is used twice."""
    script = Script(
        tmp_path,
        "eval \"$(sh -c 'kill -9 $$')\"\n"
        "holdfast step x -- touch wrong; echo $?\n" + BEGIN + "holdfast step x -- true\n"
        "holdfast step x -- touch wrong; echo $?\n",
    )
    ran = script.run(shell)

    assert b"2\n2\n" == ran.out and not (tmp_path / "wrong").exists()
    assert "`begin` was killed before it could say anything" in ran.err
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


def test_a_script_may_be_called_anything(tmp_path: Path) -> None:
    """The system cuts a process's name at 15 bytes, here within a character; what looks at the
    run while the script lives sees its owner all the same."""
    script = Script(
        tmp_path,
        "#!/bin/sh\n" + BEGIN + "holdfast step a -- echo one\nholdfast list >&2\nholdfast why work",
        "12345678901234\u00fc.sh",
    )
    path = tmp_path / script.name
    path.chmod(0o755)
    ran = subprocess.run([path], env=script.env(), cwd=tmp_path, capture_output=True, timeout=60)

    assert (0, 1) == (ran.returncode, ran.stdout.count(b"one\n")), ran
    assert b" running " in ran.stderr and b"Traceback" not in ran.stderr, ran


def test_names_may_be_any_bytes(tmp_path: Path) -> None:
    """Of a run, its target and its steps; what is looked for so and is not there is refused as
    anything else is."""
    script = Script(
        tmp_path,
        "x=$(printf 'na\\377')\n"
        'eval "$(holdfast begin "$x" --target "$x")"\n'
        'holdfast step "$x" -- echo "$x"; holdfast list --target "$x" | wc -l\n',
    )
    ran = script.run("dash")
    unknown = [script.type(word, "na\udcff") for word in ("show", "log", "why", "resume", "stop")]

    assert (0, b"na\xff\n2\n") == (ran.code, ran.out), ran
    assert [2] * 5 == [said.code for said in unknown], unknown
    assert not any("bug in holdfast" in said.err for said in unknown)


@pytest.mark.parametrize("first", ["#!/bin/sh  # it's mine", "#!/usr/bin/env -S sh -e # a 'quote"])
def test_a_first_line_may_say_anything(first: str, tmp_path: Path) -> None:
    """What stands after the shell and its options is for people."""
    script = Script(tmp_path, first + "\nholdfast step a -- echo one\n")
    ran = script.type("run", script.name, PATH=script.env()["PATH"])

    assert (0, b"one\n") == (ran.code, ran.out), ran


def test_another_kind_of_shell_is_refused(tmp_path: Path) -> None:
    """Nothing is begun where what `begin` prints could not be read."""
    script = Script(tmp_path, BEGIN + "echo never\n")
    (tmp_path / "fish").symlink_to(str(shutil.which("dash")))
    (tmp_path / "other").write_text("#!/usr/bin/env fish\necho never\n")
    said = [script.run("./fish"), script.type("run", "other")]

    assert [(2, b"")] * 2 == [(each.code, each.out) for each in said], said
    assert all("is in fish, which does not read POSIX shell code" in each.err for each in said)
    assert not script.store.exists()


def test_an_empty_command_line_is_refused(tmp_path: Path) -> None:
    """A variable that is not set is no way to give a step back, and no check."""
    script = Script(
        tmp_path,
        BEGIN + 'for o in check undo owes; do holdfast step "$o" "--$o" "$NONE" -- touch a; done\n',
    )
    ran = script.run("dash")

    assert 3 == ran.err.count("give a command line, or leave them out"), ran
    assert 2 == ran.code and not (tmp_path / "a").exists()


def test_a_step_inside_a_step_is_refused(tmp_path: Path) -> None:
    """It would be missing when the outer one is replayed; a script with a run of its own is not
    inside, and each attempt finds the same token."""
    (tmp_path / "inner.sh").write_text(
        'eval "$(holdfast begin inner)"\nholdfast step x -- echo "$HOLDFAST_PARAM_k"\n'
    )
    script = Script(
        tmp_path,
        BEGIN + "holdfast step a -- holdfast step b -- true; echo $?\n"
        "holdfast step c -- dash inner.sh\n"
        "holdfast step d --retry 2 -- sh -c 'echo $HOLDFAST_TOKEN >>t; test $(wc -l <t) = 2'\n",
    )
    ran = script.run("dash", "-p", "k=v")
    tokens = (tmp_path / "t").read_text().split()

    assert 0 == ran.code and b"2\nv\n" == ran.out, ran
    assert "inside step 'a'" in ran.err and 2 == len(script.runs)
    assert 2 == len(tokens) and 1 == len(set(tokens))


def test_secrets_of_the_target_are_not_recorded(tmp_path: Path) -> None:
    """Its environment reaches the script; a secret's text is covered in the log, and refused in
    every name and question, on a command line, in a check and in an output."""
    (tmp_path / "holdfast.toml").write_text(
        '[targets.prod]\nenv = { KEY = "@env:REAL_KEY", PLAIN = "p" }\n'
    )
    script = Script(
        tmp_path,
        BEGIN + "holdfast step plain -- sh -c 'echo $PLAIN; echo $KEY >&2'\n"
        'holdfast step line -- echo "$KEY"; echo $?\n'
        'holdfast step check --check "test $KEY" -- true; holdfast step "n $KEY" -- true\n'
        'holdfast stage "s $KEY"; holdfast confirm "$KEY?"; holdfast gate "$KEY" -- true\n'
        "holdfast step out -- sh -c 'echo $KEY'; echo $?\n",
    )
    ran = script.run("dash", "--target", "prod", REAL_KEY="hunter2-hunter2")
    export = script.type("export", script.runs[0])

    assert ran.out.startswith(b"p\n2\n") and ran.out.endswith(b"1\n"), ran
    assert b"hunter2" not in export.out and b"[secret KEY]" in export.out


def test_a_secret_of_any_letters_is_refused_in_every_output(tmp_path: Path) -> None:
    """Beside bytes that are no text, and in the file of a batch, it is what it is."""
    (tmp_path / "holdfast.toml").write_text('[targets.prod]\nenv = { KEY = "@env:REAL_KEY" }\n')
    script = Script(
        tmp_path,
        BEGIN + 'holdfast step bytes -- sh -c \'printf "\\377%s" "$KEY"\' >seen; echo $?\n'
        "echo 1 | holdfast each all --out out.jsonl -- sh -c 'printf %s \"$KEY\"'; echo $?\n",
    )
    ran = script.run("dash", "--target", "prod", REAL_KEY="it's\\a \u00e9")
    failures = script.type("failures", script.runs[0])

    assert b"1\n1\n" == ran.out and "the secret KEY" in ran.err, ran
    assert b"" == (tmp_path / "out.jsonl").read_bytes() and "the secret KEY" in failures.text
