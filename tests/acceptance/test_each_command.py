"""`holdfast each`: a command for every item, in a script and alone, as a shell user types it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.shells import DEADLINE_S, Script, alone, descendants, is_gone, kill

BEGIN = 'set -e\neval "$(holdfast begin work)"\n'
NOTED = 'sh -c \'echo "$1" >>ran; echo "got $1"\' sh'
FAILS_ON_2 = 'sh -c \'echo "$1" >>ran; test "$1" != 2 || test -e ok\' sh'


def ran(folder: Path) -> list[str]:
    """Return the items whose command was begun, in that order."""
    path = folder / "ran"
    return path.read_text().split() if path.exists() else []


# --- in a script ------------------------------------------------------------------------------


def test_in_a_script_each_item_runs_once(tmp_path: Path) -> None:
    """A failed item fails the script; the next life tries that item alone, and goes on behind the
    batch. A third, of a run that is over, begins another run."""
    script = Script(tmp_path, f"{BEGIN}seq 3 | holdfast each load -j 2 -- {FAILS_ON_2}\n"
                              "holdfast step after -- echo after\n")  # fmt: skip
    first = script.run("sh")
    (tmp_path / "ok").touch()
    second = script.run("sh")

    assert 1 == first.code and "1 item of 3 failed: 1 × CommandExited: exit status 1" in first.err
    assert 0 == second.code and "after\n" == second.text, second
    assert ["1", "2", "2", "3"] == sorted(ran(tmp_path))
    assert "succeeded" == script.state().status


def test_what_failed_is_said_where_the_script_goes_on(tmp_path: Path) -> None:
    """Within a budget, or because the script does not look: at once, and when the run has ended."""
    let = Script(tmp_path, f"{BEGIN}seq 3 | holdfast each load --budget 1 -- {FAILS_ON_2}\n")
    well = let.run("sh")
    let.edit(f"{BEGIN}seq 3 | holdfast each load -- {FAILS_ON_2} || true\n")
    past = let.run("sh")
    newest, oldest = let.runs

    assert 0 == well.code == past.code, past
    assert f"load: 1 item failed within the budget: holdfast failures {oldest}" in well.err
    python = f"{sys.executable} -m holdfast"
    assert f"; 1 item failed within the budget: {python} failures {oldest}" in well.err
    assert f"which, and why: holdfast failures {newest}" in past.err
    assert f"s; 1 item failed: {python} failures {newest}" in past.err
    assert [1, 1] == [let.type("failures", run).text.count("1 item failed") for run in let.runs]


def test_people_decide_about_the_items_of_a_script(tmp_path: Path) -> None:
    """Failures are told by exit code; one item is skipped, one done by hand, one tried again."""
    fails = 'sh -c \'echo "$1" >>ran; echo "bad $1" >&2; test -e ok || exit "$1"\' sh'
    script = Script(tmp_path, f"{BEGIN}seq 4 | holdfast each load -- {fails}\n")
    script.run("sh")
    (run,) = script.runs
    failures = script.type("failures", run)
    why, log = script.type("why", run, "3"), script.type("log", run, "load/3")
    skipped = script.type("skip", run, "1", "-m", "not needed")
    done = script.type("done", run, "load/2", "-m", "by hand")
    (tmp_path / "ok").touch()
    again = script.type("retry", run, "3")
    ended = script.run("sh")

    assert "exit status 2" in failures.text and "exit status 3" in failures.text
    assert "exit status 3: bad 3" in why.text and "bad 3" in log.text
    assert [0, 0, 0] == [skipped.code, done.code, again.code], again
    assert 1 == ended.code, "4 is still a dead letter, which nobody decided"
    assert ["1", "2", "3", "4", "3"] == ran(tmp_path)


def test_a_finished_batch_with_another_command_is_drift(tmp_path: Path) -> None:
    """It is asked about, never skipped silently; an unfinished one may be mended."""
    text = f"{BEGIN}seq 2 | holdfast each load -- {NOTED}\nholdfast step after -- test -e ok\n"
    script = Script(tmp_path, text)
    script.run("sh")
    script.edit(text.replace("got", "GOT"))
    edited = script.run("sh")
    (tmp_path / "ok").touch()
    accepted = script.run("sh", HOLDFAST_ACCEPT_DRIFT="")
    script.edit(text.replace("got", "GOT").replace("begin work", "begin work --accept-drift"))
    ended = script.run("sh")

    assert 3 == edited.code == accepted.code and "other inputs" in edited.err, edited
    assert 0 == ended.code and b"" == ended.out, ended
    assert ["1", "2"] == ran(tmp_path)


def test_a_batch_that_was_killed_goes_on_in_the_same_life(tmp_path: Path) -> None:
    """The script catches its death and calls it again: what it had noted is not lost, although no
    checkpoint had it."""
    dies = ("sh -c 'echo \"$1\" >>ran; test \"$1\" != 40 || test -e died || "
            "{ touch died; kill -9 $PPID; }' sh")  # fmt: skip
    script = Script(tmp_path, f'eval "$(holdfast begin work)"\nseq 60 >items\n'
                              f"holdfast each load --items items -- {dies} ||\n"
                              f"    holdfast each load --items items -- {dies}\n")  # fmt: skip
    done = script.run("sh")

    assert 0 == done.code, done
    assert sorted([*map(str, range(1, 61)), "40"]) == sorted(ran(tmp_path))


# --- alone ------------------------------------------------------------------------------------


def test_alone_the_same_call_goes_on(script: Script, tmp_path: Path) -> None:
    """Name, folder and file of items say which run is meant; its command may be mended. When it is
    over, the call begins another one; `--id` holds on to one for ever."""
    (tmp_path / "items").write_text("1\n2\n3\n")
    call = ["each", "load", "--items", "items", "--", "sh", "-c"]
    first = script.type(*call, 'echo "$1" >>ran; test "$1" != 2', "sh")
    second = script.type(*call, 'echo "$1" >>ran', "sh")
    runs = script.runs
    third = script.type(*call, 'echo "$1" >>ran', "sh")
    named = [script.type("each", "x", "--id", "mine", "--items", "items", "--", "sh", "-c",
                         'echo "$1" >>named', "sh").code for _ in range(2)]  # fmt: skip

    assert [1, 0, 0] == [first.code, second.code, third.code], second
    assert 1 == len(runs) and 3 == len(script.runs)
    assert ["1", "2", "3", "2", "1", "2", "3"] == ran(tmp_path)
    assert [0, 0] == named and "1\n2\n3\n" == (tmp_path / "named").read_text()


def test_alone_another_folder_is_another_run(script: Script, tmp_path: Path) -> None:
    """Names of files mean other files there: nothing of it counts as done."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    codes = [
        subprocess.run(
            [tmp_path / "bin" / "holdfast", "each", "load", "--", "sh", "-c",
             'echo x >>"$1"; exit 1', "sh"],
            cwd=tmp_path / name, env=script.env(), input=b"f\n", capture_output=True,
        ).returncode
        for name in ("a", "b")
    ]  # fmt: skip

    assert [1, 1] == codes and 2 == len(script.runs)
    assert "x\n" == (tmp_path / "a" / "f").read_text() == (tmp_path / "b" / "f").read_text()


def test_alone_the_verbs_go_on_by_themselves(script: Script, tmp_path: Path) -> None:
    """`retry --failed`, `stop` and `resume` work on the run from any folder, with its command."""
    (tmp_path / "items").write_text("1\n2\n")
    failed = script.type("each", "load", "--items", "items", "--", "sh", "-c",
                         'echo "$1" >>ran; test -e ok', "sh")  # fmt: skip
    (run,) = script.runs
    stopped = script.type("stop", run)
    refused = script.type("each", "load", "--items", "items", "--", "true")
    (tmp_path / "ok").touch()
    again = script.type("retry", run, "--failed", "--limit", "1")
    went_on = script.type("resume", run)

    assert [1, 0, 3] == [failed.code, stopped.code, refused.code], refused
    assert "holdfast resume" in refused.err
    assert 1 == again.code, "the other one is still a dead letter"
    assert 0 == went_on.code, went_on
    assert ["1", "2", "1", "2"] == ran(tmp_path)


def test_without_items_or_command_nothing_begins(script: Script, tmp_path: Path) -> None:
    """What is wrong is said, with the code of a shell, and no run is made."""
    found = {
        127: alone(script, "x", "--", "no-such-command", items="1\n"),
        126: alone(script, "x", "--", "./script.sh", items="1\n"),
        2: alone(script, "x", "--items", "absent", "--", "true"),
    }
    wrong = [alone(script, "x", *option, "--", "true")
             for option in (("-j", "0"), ("--retry", "0"), ("-j", "9999"))]  # fmt: skip

    assert list(found) == [each.code for each in found.values()], found
    assert "no such command" in found[127].err and "cannot be executed" in found[126].err
    assert [2, 2, 2] == [each.code for each in wrong] and "ulimit -n" in wrong[2].err
    assert not script.store.exists() or [] == script.runs


# --- what it writes ---------------------------------------------------------------------------


def test_output_is_whole_for_each_item(script: Script) -> None:
    """What an item writes stays together, byte for byte; with --keep-order in the order of the
    items, and with --out a line of JSON for each, instead."""
    code = 'printf "%s a\\377 " "$1"; sleep "0.$1"; echo "$1 b"'
    items = "3\n2\n1\n"
    any_order = alone(script, "x", "-j", "3", "--", "sh", "-c", code, "sh", items=items)
    ordered = alone(script, "y", "-j", "3", "--keep-order", "--", "sh", "-c", code, "sh",
                    items=items)  # fmt: skip
    wrote = alone(script, "z", "-j3", "--keep-order", "--out", "o.jsonl", "--", "sh", "-c",
                  'sleep "0.$1"; echo "$1"; echo bad >&2', "sh", items=items)  # fmt: skip
    lines = [json.loads(line) for line in (script.folder / "o.jsonl").read_text().splitlines()]
    pieces = [b"%d a\xff %d b\n" % (n, n) for n in (3, 2, 1)]

    assert sorted(pieces) == sorted(any_order.out.splitlines(keepends=True)), any_order
    assert b"".join(pieces) == ordered.out, ordered
    assert b"" == wrote.out and 3 == wrote.err.count("bad\n")
    assert [{"item": n, "out": f"{n}\n", "err": "bad\n"} for n in "321"] == lines


def test_odd_items_reach_the_command_unchanged(script: Script) -> None:
    """Spaces, quotes, a name that is not UTF-8, a long one, no command of theirs, no stdin."""
    odd = [b"a  b", b"$(touch bad); 'x'", b"na\xefve", b"-n", b"x" * 2_000, b"new\nline"]
    (script.folder / "items").write_bytes(b"\0".join(odd))
    code = 'cat; printf "%s\\0" "$1" >>seen'
    plain = script.type("each", "x", "-0", "--items", "items", "--", "sh", "-c", code, "sh")
    shell = script.type("each", "y", "-0", "--items", "items", "--shell", "--",
                        "printf '%s\\0'", "{}", ">>", "seen")  # fmt: skip

    assert [0, 0] == [plain.code, shell.code], shell
    assert b"".join(item + b"\0" for item in odd * 2) == (script.folder / "seen").read_bytes()
    assert not (script.folder / "bad").exists()


def test_nobody_reads_its_output(script: Script) -> None:
    """As any program it ends by SIGPIPE, in order: items are not done whose output was lost."""
    (script.folder / "items").write_text("".join(f"{n}\n" for n in range(50)))
    waits = 'test "$1" = 0 || until test -e closed; do :; done; echo "$1"'
    reads = '{ read -r line; exec <&-; touch closed; echo "$line"; }'
    done = subprocess.run(
        ["bash", "-c",
         f"bin/holdfast each x --items items -- sh -c '{waits}' sh | {reads}; "
         "echo ${PIPESTATUS[0]}"],
        cwd=script.folder, env=script.env(), capture_output=True, timeout=DEADLINE_S,
    )  # fmt: skip
    again = script.type("each", "x", "--items", "items", "--", "echo")

    assert b"0\n141\n" == done.stdout, done
    assert 0 == again.code and [f"{n}" for n in range(1, 50)] == again.text.split()


def test_too_few_open_files_are_refused(script: Script) -> None:
    """Before any item begins: it is no failure of theirs."""
    text = "ulimit -n {}; exec bin/holdfast each x -- echo"
    few, enough = (
        subprocess.run(
            ["sh", "-c", text.format(files)], cwd=script.folder, env=script.env(), input=b"1\n",
            capture_output=True, timeout=DEADLINE_S,
        )
        for files in (40, 45)
    )  # fmt: skip

    assert 2 == few.returncode and b"ulimit -n" in few.stderr
    assert 0 == enough.returncode and b"1\n" == enough.stdout, enough


def test_only_the_last_attempt_writes(script: Script) -> None:
    """With --retry the output of attempts that another follows is not passed on."""
    code = 'echo "try $(wc -l <tries)"; echo >>tries; test "$(wc -l <tries)" -ge 3'
    (script.folder / "tries").touch()
    done = alone(script, "x", "--retry", "3", "--", "sh", "-c", code, items="1\n")

    assert 0 == done.code and b"try 2\n" == done.out, done


# --- how it ends ------------------------------------------------------------------------------


def test_budget_time_and_timeout(script: Script) -> None:
    """4 for a budget that is spent, 0 within it, 75 for time; a command that takes too long has
    failed, and nothing of it is left."""
    spent = alone(script, "a", "--budget", "0", "--", "false", items="1\n2\n")
    within = alone(script, "b", "--budget", "50%", "--", "test", "1", "=", items="1\n2\n")
    timed = alone(script, "c", "--for", "0.2s", "--", "sleep", items="0.3\n0.4\n")
    late = alone(script, "d", "--timeout", "0.2s", "--", "sh", "-c", "sleep 60 & sleep 60",
                 items="1\n")  # fmt: skip
    run = next(run for run in script.runs if run.startswith("d-"))

    assert [4, 0, 75, 1] == [each.code for each in (spent, within, timed, late)], timed
    assert "1 of 2 done" in timed.err or "1 done" in timed.err
    assert "timed out after" in script.type("failures", run).text


def test_how_to_go_on_is_said_when_it_has_failed(script: Script) -> None:
    """Its process is over, though it keeps the run until that is said: nobody can watch it."""
    failed = alone(script, "x", "--", "false", items="1\n2\n")
    (run,) = script.runs

    assert 1 == failed.code and "owned by" not in failed.err and "watch" not in failed.err
    assert f"holdfast retry {run} --failed" in failed.err
    assert "holdfast each x -- false # retry what failed, and go on" in " ".join(failed.err.split())


def test_the_store_that_was_named_is_in_what_to_type(script: Script, tmp_path: Path) -> None:
    """Without it the same line would begin another run, in another store."""
    (tmp_path / "items").write_text("1\n2\n")
    words = ("--store", "own.db", "each", "x", "--items", "items", "--")
    failed = script.type(*words, "false")

    assert "holdfast --store own.db each x --items items -- false" in failed.err
    assert "holdfast --store own.db failures x-" in failed.err
    again = script.type(*words, "true")
    assert 0 == again.code and "going on with x" in again.err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_waits_for_the_items_in_hand(name: str, script: Script, tmp_path: Path) -> None:
    """The first one lets them end and starts no other; the same call goes on."""
    (tmp_path / "items").write_text("1\n2\n3\n")
    os.mkfifo(tmp_path / "gate")
    words = ["each", "x", "--items", "items", "--", "sh", "-c",
             'echo "$1" >>ran; test -e free || cat gate', "sh"]  # fmt: skip
    process = subprocess.Popen(
        [tmp_path / "bin" / "holdfast", *words], cwd=tmp_path, env=script.env(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    with open(tmp_path / "gate", "w") as gate:
        process.send_signal(signal.Signals[name])
        assert process.stderr is not None
        while b"leaving after" not in process.stderr.readline():
            pass
        gate.write("freed\n")
    (tmp_path / "free").touch()
    out, err = process.communicate(timeout=DEADLINE_S)
    again = script.type(*words)

    assert 128 + signal.Signals[name] == process.returncode
    assert b"owned by" not in err and b"  # go on" in err
    assert b"freed\n" == out and 0 == again.code, err
    assert ["1", "2", "3"] == ran(tmp_path)


def test_a_second_signal_ends_the_items_in_hand(script: Script, tmp_path: Path) -> None:
    """They are neither done nor failed, and run again; nothing of them is left."""
    (tmp_path / "items").write_text("1\n2\n")
    words = ["each", "x", "-j", "2", "--items", "items", "--", "sh", "-c",
             'echo "$1" >>ran; test -e free || sleep 60', "sh"]  # fmt: skip
    process = subprocess.Popen(
        [tmp_path / "bin" / "holdfast", *words], cwd=tmp_path, env=script.env(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    while len(ran(tmp_path)) < 2:
        select.select([], [], [], 0.01)
    below = descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    while b"leaving after" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE_S)
    left = [pid for pid in below if not is_gone(pid)]
    (tmp_path / "free").touch()
    again = script.type(*words)

    assert [] == left and 0 == again.code, again
    assert ["1", "1", "2", "2"] == sorted(ran(tmp_path))
    assert "failed" not in again.err


def test_a_slow_pipe_holds_up_nothing(script: Script, tmp_path: Path) -> None:
    """An item begins when it comes, and is recorded before the next one comes."""
    process = subprocess.Popen(
        [tmp_path / "bin" / "holdfast", "each", "x", "--", "sh", "-c", 'echo "$1" >>ran', "sh"],
        cwd=tmp_path, env=script.env(), stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(b"1\n")
    process.stdin.flush()
    while ["1"] != ran(tmp_path):
        select.select([], [], [], 0.01)
    (run,) = script.runs
    while '"done": 1' not in script.type("show", run, "--json").text:
        pass
    kill(process.pid)
    process.communicate(timeout=DEADLINE_S)
    again = alone(script, "x", "--", "sh", "-c", 'echo "$1" >>ran', "sh", items="1\n2\n")

    assert 0 == again.code, again
    assert ["1", "2"] == ran(tmp_path)
