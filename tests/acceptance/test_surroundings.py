"""What holdfast is started in: closed streams, a folder that is gone, no thread, odd stores."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.acceptance.shell import Said, Shell
from tests.acceptance.shells import Script
from tests.crash.spaces import MOUNTING, mounts

from holdfast.errors import StoreError
from holdfast.stores.sqlite import SqliteStore

NOBODY = 65_534

SCRIPT = """
import os, sys, threading
from holdfast import each, main, sh, step, workflow

HUGE = 1 << 46  # No system has room for such a stack, so no further thread can start.

@step
def speak(name):
    os.write(2, b"to the number of stderr")
    return sh("sh", "-c", "echo to stdout; echo to stderr >&2").out + name

@step(once=True, timeout="60s")
def threaded():
    (lambda: open("ran", "a").write("ran\\n"))()

@workflow
def hello(name: str = "ana"):
    return speak(name)

@workflow
def alone():
    threading.stack_size(HUGE if not os.path.exists("room") else 0)
    threaded()

@workflow
def together():
    threading.stack_size(HUGE)
    each(range(3), abs, at_once=2)

@workflow
def refused():
    speak("nobody")

if "REFUSES" in os.environ:
    threading.stack_size(HUGE)
if __name__ == "__main__":
    main(hello)
"""
GONE = "mkdir gone && cd gone && rmdir ../gone"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def typed(shell: Shell, line: str, **env: str) -> Said:
    """Type a line of a shell, in which `holdfast` and `python` are ours."""
    python = shell.argv()[0]
    names = f'holdfast() {{ "{python}" -m holdfast "$@"; }}; python() {{ "{python}" "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-c", names + line], cwd=shell.folder, env=shell.env(**env),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=shell.deadline_s,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["holdfast run script.py:hello", "python script.py"])
def test_closed_streams_are_no_files_of_the_store(closed: str, command: str, shell: Shell) -> None:
    """Some daemons start what they start without them. The next files that are opened would get
    their numbers, and what somebody writes to standard error would go into the store."""
    said = typed(shell, f"{command} --id r {closed}")

    assert 0 == said.code, said.err
    shown = shell("show", "r", "--json").out
    assert '"result": "to stdoutana"' in shown and '"status": "succeeded"' in shown
    assert 0 == shell("verify", "r").code and "healthy" in shell("doctor").out
    for file in shell.store.parent.rglob("*"):
        if file.is_file() and "output" not in str(file):
            assert b"to the number of stderr" not in file.read_bytes()


def test_closed_streams_of_a_script_in_the_shell(tmp_path: Path) -> None:
    """Each step of it is a process that begins without them."""
    script = Script(
        tmp_path,
        'exec <&- >&- 2>&-\nset -e\neval "$(holdfast begin work --id r)"\n'
        'holdfast step one -- sh -c "echo out; echo err >&2"\nholdfast step two -- true\n',
    )
    assert 0 == script.run("bash").code
    assert ["one", "two"] == list(script.state("r").steps)


@pytest.mark.parametrize("words", ["list", "list --json", "show r", "log r", "failures r --json"])
def test_output_that_nobody_can_keep(words: str, shell: Shell) -> None:
    """A full disk behind stdout is said in one line, and is no fault of holdfast."""
    assert 0 == shell("run", "script.py:hello", "--id", "r").code
    said = typed(shell, f"holdfast {words} >/dev/full")

    assert 74 == said.code
    assert "holdfast: the output could not be written: No space left on device\n" == said.err


@pytest.mark.parametrize("words", ["list", "show r", "log r", "verify r"])
def test_reading_needs_no_folder(words: str, shell: Shell) -> None:
    """The store is named in full, so it does not matter that the folder was removed."""
    assert 0 == shell("run", "script.py:hello", "--id", "r").code
    assert 0 == typed(shell, f"{GONE} && holdfast {words}").code


@pytest.mark.parametrize("words", ["run script.py", "resume r", "list --store relative.db"])
def test_a_folder_that_was_removed(words: str, shell: Shell) -> None:
    """Nothing relative, and no inventory, can be found from there: that is said."""
    assert 0 == shell("run", "script.py:hello", "--id", "r").code
    said = typed(shell, f"{GONE} && holdfast {words}")

    assert 2 == said.code
    assert said.err.startswith("holdfast: the folder that you are in was removed: go to one that")


def test_a_script_whose_folder_was_removed(tmp_path: Path) -> None:
    """Its steps need none of their own, and the end of its run does not either."""
    script = Script(
        tmp_path,
        f'eval "$(holdfast begin work --id r)"\n{GONE}\nholdfast step one -- true\n',
    )
    ran = script.run("bash")
    assert 0 == ran.code and "bug" not in ran.err and "removed" not in ran.err, ran
    assert ["one"] == list(script.state("r").steps) and "succeeded" == script.state("r").status


@pytest.mark.parametrize("name", ["a?b#c%20.db", "with space.db", "new\nline.db", b"\xff\xfe.db"])
def test_a_store_of_any_name(name: str | bytes, shell: Shell) -> None:
    """Whatever the system takes for a file's name, also what is no text."""
    store = os.fsdecode(name)
    ran = shell("run", "script.py:hello", "--id", "r", "--store", store)

    assert 0 == ran.code, ran.err
    assert "hello" in shell("list", "--store", store).out
    assert 0 == shell("resume", "r", "--store", store).code
    assert (shell.folder / store).is_file()


def test_a_script_that_is_edited_and_resumed_at_once(shell: Shell) -> None:
    """It runs as it stands, though Python could not tell its compiled code from that of before:
    of the same size, and of the same second."""
    script = shell.folder / "edited.py"
    text = (
        "from holdfast import do, workflow\n@workflow\ndef flow():\n    return do('a', int, '?')\n"
    )
    script.write_text(text)
    os.utime(script, (1_000_000_000, 1_000_000_000))
    failed = shell("run", "edited.py", "--id", "r")
    script.write_text(text.replace("?", "7"))
    os.utime(script, (1_000_000_000, 1_000_000_000))
    resumed = shell("resume", "r")

    assert (1, 0) == (failed.code, resumed.code), failed.err + resumed.err
    assert "7\n" == resumed.out


@pytest.mark.parametrize("name", ["/", ".", ":memory:", "sqlite:///"])
def test_a_store_that_is_no_file(name: str, shell: Shell) -> None:
    """Refused before anything is made."""
    for words in (("run", "script.py:hello"), ("list",)):
        said = shell(*words, "--store", name)
        assert 78 == said.code and "names no file; use sqlite:///path" in said.err
    assert ["script.py"] == os.listdir(shell.folder)


@pytest.mark.parametrize("words", [("list",), ("show", "r"), ("doctor",), ("gc",)])
def test_a_database_of_somebody_else(words: tuple[str, ...], shell: Shell) -> None:
    """Also `doctor` says that it is none of ours, and calls it neither healthy nor damaged."""
    other = shell.folder / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE theirs (id)")

    said = shell(*words, "--store", str(other))

    assert (78, "") == (said.code, said.out)
    assert "is an SQLite database, but not one of holdfast's" in said.err


@pytest.mark.parametrize("words", [("list",), ("doctor",)])
def test_a_folder_in_the_place_of_a_store(words: tuple[str, ...], shell: Shell) -> None:
    """It is no store that the first run will make."""
    said = shell(*words, "--store", str(shell.folder))

    assert 78 == said.code and "is not a regular file" in said.err


@pytest.mark.parametrize("start", ["/", "//", "sqlite:///", "sqlite:////", "sqlite://"])
def test_a_store_whose_path_begins_with_more_than_one_slash(start: str, shell: Shell) -> None:
    """As everywhere in the system, they are as good as one."""
    said = shell("--store", f"{start}{shell.store}", "run", "script.py:hello", "--id", "r")
    listed = shell("list", "--json")

    assert (0, 0) == (said.code, listed.code), said.err
    assert ["r"] == [run["id"] for run in json.loads(listed.out)["runs"]]


READ_ONLY = """
for place in /tmp /var/tmp /usr/tmp; do
    test -d $place || continue
    mount --bind $place $place && mount -o remount,bind,ro $place || exit 99
done
cd /proc
bash "$FOLDER/script.sh" && seq 5 | holdfast each many --items - -- echo
echo $?
holdfast run script.py --store / ; holdfast demo </dev/null; echo $?
"""


@mounts
def test_no_folder_for_temporary_files() -> None:
    """The root of many a container cannot be written; the store's folder can."""
    with TemporaryDirectory(dir="/dev/shm") as name:
        script = Script(
            Path(name),
            'eval "$(holdfast begin work --id r)"\nholdfast step one -- echo in a step\n',
        )
        done = subprocess.run(
            [*MOUNTING, "sh", "-c", READ_ONLY], env=script.env(FOLDER=name),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        left = [f.name for f in script.store.parent.iterdir() if f.name.startswith("holdfast-")]

    assert ["in a step", *"12345", "0", "2"] == done.stdout.split("\n")[:-1], done
    assert "Traceback" not in done.stderr and "give it another with --dir" in done.stderr
    assert [] == left


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_store_of_somebody_else() -> None:
    """It is said whose it is, and what to do; of a folder that is closed to us, too."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (own := folder / "own").mkdir(0o700)
        for place in (folder, own):
            SqliteStore(place / "s.db").close()
        os.seteuid(NOBODY)
        try:
            for read_only in (True, False):
                with pytest.raises(StoreError, match="belongs to root; run this as the user"):
                    SqliteStore(folder / "s.db", read_only=read_only)
                with pytest.raises(StoreError, match="cannot be looked for: Permission denied"):
                    SqliteStore(own / "s.db", read_only=read_only)
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("name", ["x" * 300, "script.py/s.db", "loop/s.db"])
def test_a_path_that_leads_nowhere(name: str, shell: Shell) -> None:
    """Too long a name, a file where a folder is to be, a loop of links: refused in a line."""
    (shell.folder / "loop").symlink_to("loop")
    ran, listed = (
        shell(*words, "--store", name) for words in (("run", "script.py:hello"), ("list",))
    )

    assert 74 == ran.code and listed.code in (0, 74)
    for said in (ran, listed):
        assert "bug" not in said.err and 1 == said.err.count("\n"), said


def test_no_thread_for_a_run(shell: Shell) -> None:
    """A limit on processes counts threads. The run is there, and nothing of it was begun."""
    said = shell("run", "script.py:refused", "--id", "r", REFUSES="1")

    assert 78 == said.code and "Traceback" not in said.err
    assert "no further step of run r was begun" in said.err and "`holdfast resume r`" in said.err
    assert 0 == shell("resume", "r").code


def test_no_thread_for_a_step(shell: Shell) -> None:
    """A step that needs one was not begun: it failed, and is not in doubt."""
    said = shell("run", "script.py:alone", "--id", "r")
    assert 1 == said.code and "can't start new thread: raise the limit on processes" in said.err
    assert not (shell.folder / "ran").exists()

    (shell.folder / "room").touch()
    assert 0 == shell("resume", "r").code
    assert "ran\n" == (shell.folder / "ran").read_text()


def test_no_thread_for_a_batch(shell: Shell) -> None:
    """It fails as a whole: no item has failed, and none is offered to be tried again."""
    said = shell("run", "script.py:together", "--id", "r")

    assert 1 == said.code and "can't start new thread" in said.err
    assert "0 of 3 done" in shell("show", "r").out
    assert "holdfast resume r" in said.err and "failures" not in said.err + shell("why", "r").out


def test_no_thread_for_a_shell(tmp_path: Path) -> None:
    """A step that could not watch its shell runs nothing."""
    script = Script(
        tmp_path,
        'set -e\neval "$(holdfast begin work --id r)"\nholdfast step one -- true\n'
        "ulimit -s 4000000; ulimit -v 3000000\nholdfast step two -- touch ran\n",
    )
    ran = script.run("bash")

    assert 78 == ran.code and "nothing was run; raise the limit on processes" in ran.err
    assert not (tmp_path / "ran").exists()
