"""Programs: what a step gets back, sees meanwhile, and can end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from holdfast.errors import CommandFailed, UsageError
from holdfast.runtime import groups, processes
from holdfast.runtime.processes import Done, Groups, run_program

DEADLINE_S = 20


def run(*argv, group=None, sink=None, **options) -> Done:
    heard = sink if sink is not None else (lambda stream, text: None)
    return run_program(argv, sink=heard, group=group or Groups(), **options)


def test_what_it_wrote_comes_back():
    """Both streams are captured apart, without trailing newlines, with the code."""
    done = run("sh", "-c", "echo one; echo two; echo oops >&2")

    assert Done("one\ntwo", "oops", 0) == done
    assert ["one", "two"] == done.lines


def test_lines_are_heard_as_they_come():
    """A line reaches the sink while the program still runs."""
    read, write = os.pipe()
    heard = []

    def sink(stream: str, text: str) -> None:
        heard.append((stream, text))
        os.write(write, b"go\n")

    run("sh", "-c", f"echo first; read _ </proc/{os.getpid()}/fd/{read}; printf last", sink=sink)
    os.close(read)
    os.close(write)

    assert [("out", "first"), ("out", "last")] == heard


@pytest.mark.parametrize("text", ["", "line\n", "ä" * 500_000])
def test_input_arrives_whole(text):
    """The program reads exactly the input, however large."""
    done = run("sh", "-c", "wc -c", input=text)

    assert str(len(text.encode())) == done.out.strip()


@pytest.mark.parametrize(
    "script", ["sleep 60", "exec >&- 2>&-; sleep 60", "yes", "trap '' TERM; sleep 60 & wait"]
)
def test_what_does_not_end_in_its_time_is_ended(script: str):
    """Whether it is silent, has closed its output, writes without end, or is deaf."""
    group = Groups()
    with pytest.raises(CommandFailed, match=r"had not ended after 0\.2 s, and was ended"):
        run("sh", "-c", script, limit_s=0.2, check=False, group=group)

    assert set() == group._live


def test_input_that_nobody_reads_is_no_error():
    """A program may end without having read its input."""
    assert 0 == run("true", input=b"x" * 1_000_000).code


def test_without_input_there_is_nothing_to_read():
    """Standard input is /dev/null, so that no program waits for a keyboard."""
    assert "/dev/null" == run("readlink", "/proc/self/fd/0").out


def test_the_environment_is_laid_over_ours(monkeypatch):
    """Variables are added to ours, also with names that a shell cannot say."""
    monkeypatch.setenv("BASH_FUNC_hi%%", "() { echo hi; }")

    lines = run("env", env={"dotted.name": "1", "PLAIN": "2"}).lines

    assert {"dotted.name=1", "PLAIN=2", "BASH_FUNC_hi%%=() { echo hi; }"} <= set(lines)


def test_none_takes_a_variable_away(monkeypatch):
    """Also one that is ours."""
    monkeypatch.setenv("OURS", "ours")

    assert "no" == run("sh", "-c", "echo ${OURS-no}", env={"OURS": None, "NOT_THERE": None}).out


def test_it_runs_where_it_is_told(tmp_path):
    """The directory may have any name; one that is missing is an ordinary OSError."""
    place = tmp_path / "-a b"
    place.mkdir()

    assert str(place) == run("pwd", cwd=place).out
    with pytest.raises(NotADirectoryError):
        run("pwd", cwd=tmp_path / "missing")


def test_arguments_are_taken_literally():
    """Nothing in an argument means anything to the shell at the gate."""
    words = ["$HOME", "a b", "'", '"', ";", "*", "", "-n", "\n", "ü"]

    assert "|".join(words) + "|" == run("printf", "%s|", *words).out


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["no-such-program"], 127),
        (["/etc/passwd"], 126),
        (["true", "x" * 200_000], 126),
        (["sh", "-c", "kill -9 $$"], -9),
    ],
)
def test_codes_are_those_of_a_shell(argv, code):
    """126 and 127 as in a shell; a signal is its negative number."""
    assert code == run(*argv, check=False).code


def test_a_failure_says_its_last_lines():
    """CommandFailed carries the program, its code and the end of what it complained about."""
    with pytest.raises(CommandFailed) as caught:
        run("sh", "-c", "seq 100; seq 100 >&2; exit 3")

    assert 3 == caught.value.code
    assert "\n".join(map(str, range(91, 101))) == caught.value.tail


def test_bytes_that_are_not_text_are_shown():
    """Undecodable bytes become replacement marks and stop nothing."""
    heard = []

    done = run("printf", r"a\377b\n", sink=lambda stream, text: heard.append(text))

    assert "a\ufffdb" == done.out
    assert ["a\ufffdb"] == heard


def test_too_much_output_loses_its_middle(monkeypatch):
    """The beginning and the end are kept, and the text says how much is missing."""
    monkeypatch.setattr(processes, "CAPTURED_BYTES_MAX", 1000)

    out = run("sh", "-c", "printf begin; head -c 100000 /dev/zero | tr '\\0' x; printf end").out

    assert out.startswith("begin") and out.endswith("end")
    assert "\n[holdfast: 99008 bytes left out here]\n" in out


def test_a_line_without_end_is_heard_in_pieces():
    """A program that never writes a newline does not fill our memory with one line."""
    heard = []

    run("sh", "-c", "head -c 300000 /dev/zero", sink=lambda stream, text: heard.append(len(text)))

    assert 300_000 == sum(heard)
    assert max(heard) <= processes.LINE_BYTES_MAX + processes.CHUNK_BYTES


@pytest.mark.parametrize("argv", [[], [""], ["echo", 5], ["-x"], ["echo", "a\0b"]])
def test_what_cannot_be_a_command_is_a_usage_error(argv):
    """A wrong argument is refused before anything starts."""
    with pytest.raises(UsageError):
        run(*argv)


def test_a_daemon_does_not_hold_up_the_step(monkeypatch):
    """What the program leaves in the background may keep its output open; we go on."""
    monkeypatch.setattr(processes, "QUIET_S", 0.01)
    heard = []

    done = run("sh", "-c", "sleep 60 & echo $!", sink=lambda *line: heard.append(line))
    os.kill(int(done.out), signal.SIGKILL)

    assert ("err", "holdfast: what it left in the background keeps its output open") in heard


def test_it_leads_a_session_of_its_own():
    """A Ctrl-C at our terminal does not reach the program: we decide when it ends."""
    pid, group, session = run("sh", "-c", "cut -d' ' -f1,5,6 /proc/$$/stat").out.split()

    assert pid == group == session
    assert os.getsid(0) != int(session)


@contextmanager
def started(script: str, group: Groups) -> Iterator[list[Done]]:
    """Run a shell in a thread until it says `ready`; afterwards wait for its outcome."""
    outcome: list[Done] = []
    ready = threading.Event()

    def body() -> None:
        argv = ["sh", "-c", script]
        outcome.append(run(*argv, sink=lambda *line: ready.set(), group=group, check=False))

    thread = threading.Thread(target=body)
    thread.start()
    assert ready.wait(DEADLINE_S)
    yield outcome
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_kill_all_ends_a_program_politely():
    """SIGTERM comes first, so that a program may put things in order."""
    group = Groups()
    # Its child says `ready`: before that, it might take the signal for its parent's trap.
    script = "trap 'echo bye; exit 9' TERM; (echo ready; exec sleep 60) & wait"
    with started(script, group) as end:
        group.kill_all(DEADLINE_S)

    assert 9 == end[0].code
    assert "ready\nbye" == end[0].out


def test_kill_all_ends_what_does_not_listen():
    """After the grace comes SIGKILL, for grandchildren that outlived their leader too."""
    group = Groups()
    script = "trap '' TERM; (echo $$; exec sleep 60) & trap - TERM; echo ready; wait"
    with started(script, group) as end:
        begun = time.monotonic()
        group.kill_all(0.1)

    assert -signal.SIGTERM == end[0].code
    assert time.monotonic() - begun < DEADLINE_S


def test_processes_that_are_not_shown_to_us_take_nobody_s_grace(monkeypatch):
    """Where /proc is mounted with `hidepid=1`, those of others are there and cannot be read."""
    real, shown = open, []

    def guarded(path, *rest):
        if path == f"/proc/{os.getpid()}/stat":
            shown.append(path)
            raise PermissionError(1, "Operation not permitted", path)
        return real(path, *rest)

    monkeypatch.setattr(groups, "open", guarded, raising=False)
    group = Groups()
    script = "trap 'echo bye; exit 9' TERM; (echo ready; exec sleep 60) & wait"
    with started(script, group) as end:
        group.kill_all(DEADLINE_S)

    assert shown and (9, "ready\nbye") == (end[0].code, end[0].out)


def test_kill_all_ends_one_step_or_the_whole_run():
    """A step's groups end alone; the run's take every step's with them."""
    whole = Groups()
    first, second = Groups(whole), Groups(whole)
    with started("echo ready; exec sleep 60", second) as kept:
        with started("echo ready; exec sleep 60", first) as ended:
            first.kill_all()
        assert -signal.SIGTERM == ended[0].code
        assert [] == kept
        whole.kill_all()

    assert -signal.SIGTERM == kept[0].code


def test_nothing_starts_after_kill_all():
    """A step that timed out cannot go on to its next command."""
    group = Groups()
    Groups(group).kill_all()
    group.kill_all()

    with pytest.raises(CommandFailed, match="not started"):
        run("true", group=Groups(group), check=False)


def test_an_exception_ends_the_program():
    """Whatever is raised while it runs, the program does not outlive the call."""

    def sink(stream: str, text: str) -> None:
        raise KeyboardInterrupt(text)

    with pytest.raises(KeyboardInterrupt) as caught:
        run("sh", "-c", "echo $$; exec sleep 60", sink=sink)

    with pytest.raises(ProcessLookupError):
        os.killpg(int(str(caught.value)), 0)


def test_a_stolen_status_is_a_failure():
    """If the script waited for our child itself, we do not call it a success."""
    heard = []

    def sink(stream: str, text: str) -> None:
        heard.append(text)
        if text == "steal":
            os.waitpid(-1, 0)

    done = run("sh", "-c", "echo steal; exec >&- 2>&-", sink=sink, check=False)

    assert processes.STATUS_LOST == done.code


def test_no_descriptor_is_left_open():
    """A thousand commands do not use up the descriptors of a long run."""
    run("true")
    before = os.listdir("/proc/self/fd")
    for argv in (["true"], ["no-such-program"], ["true", "x" * 200_000]):
        run(*argv, check=False, input="x")

    assert before == os.listdir("/proc/self/fd")
