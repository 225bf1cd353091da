"""The operator's verbs as a user types them: what each changes, and when it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from tests.acceptance.shell import Said, Shell

SCRIPT = """
import os, signal, time
from pathlib import Path
from holdfast import ask, confirm, step, workflow

HERE = Path(__file__).parent

@step("first")
def first():
    pass

@step("page", once=True)
def page():
    with open(HERE / "pages", "a") as log:
        log.write("paged\\n")
    if not (HERE / "fixed").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return "paged"

@step("fix")
def fix():
    if not (HERE / "fixed").exists():
        raise ValueError("not fixed")
    return "fixed"

@step("linger")
def linger(deaf):
    if deaf:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    print("lingering", flush=True)
    time.sleep(120)

@workflow
def work(how: str):
    first()
    match how:
        case "confirm":
            return confirm("really?").comment
        case "two":
            from holdfast import parallel
            parallel(("a", confirm, "a?"), ("b", confirm, "b?"))
        case "ask":
            return ask("how many?", int)
        case "choose":
            return ask("which?", choices=["red", "green"])
        case "doubt":
            return page()
        case "fail":
            return fix()
        case "linger" | "deaf":
            linger(how == "deaf")
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def begun(shell: Shell, how: str) -> Said:
    """Return what starting a run of that id and kind says."""
    return shell("run", "script.py", "--id", how, "-p", f"how={how}")


def status(shell: Shell, run: str) -> str:
    shown: dict[str, dict[str, str]] = json.loads(shell("show", run, "--json").out)
    return shown["run"]["status"]


# --- holds ---


def test_approve_shows_and_answers_the_only_question(shell: Shell):
    """`approve` shows what it says yes to, keeps the comment, and says how to go on."""
    begun(shell, "confirm")

    said = shell("approve", "confirm", "-m", "fine by me")
    resumed = shell("resume", "confirm")

    assert 0 == said.code
    assert "approved" in said.out
    assert "really?" in said.err
    assert "resume confirm" in said.err
    assert "fine by me" == json.loads(resumed.out)


def test_approving_again_changes_nothing(shell: Shell):
    """A second yes exits 0 and says who gave the first."""
    begun(shell, "confirm")
    shell("approve", "confirm", "--as", "ana")

    again = shell("approve", "confirm")

    assert 0 == again.code
    assert "already approved by ana" in again.out


def test_a_no_needs_a_reason(shell: Shell):
    """`reject` without -m is refused and changes nothing."""
    begun(shell, "confirm")

    said = shell("reject", "confirm")

    assert 2 == said.code
    assert "-m REASON" in said.err
    assert "on_hold" == status(shell, "confirm")


def test_a_rejected_run_fails(shell: Shell):
    """A no to a parked run makes it failed, with who said it and why; resume asks again."""
    begun(shell, "confirm")

    said = shell("reject", "confirm", "-m", "too late", "--as", "ben")
    after = status(shell, "confirm")
    why = shell("why", "confirm").out
    resumed = shell("resume", "confirm")

    assert [0, 3] == [said.code, resumed.code]
    assert "failed" == after
    assert "ben" in why and "too late" in why


def test_a_no_is_told_as_one(shell: Shell):
    """Nothing was tried, so nothing failed after so many attempts; a resume asks again."""
    begun(shell, "confirm")
    shell("reject", "confirm", "-m", "too late", "--as", "ben")
    why = shell("why", "confirm").out

    assert "was rejected by ben: too late" in why and "attempt" not in why
    assert re.search("holdfast resume confirm +ask again, and go on", why)


def test_a_step_that_never_began_has_nothing_to_read(shell: Shell):
    """No log is offered of one that was rejected; what it would do can be done by hand."""
    shell("run", "script.py", "--id", "r", "--mode", "confirm", "-p", "how=fail")
    shell("reject", "r", "-m", "too late")
    why = shell("why", "r").out

    assert "holdfast log" not in why and "holdfast done r first" in why


def test_several_questions_need_a_choice(shell: Shell):
    """With two questions open, `approve` names both and asks for --hold."""
    waiting = shell.begin("run", "script.py", "--id", "two", "-p", "how=two", "--wait")
    waiting.until("hold opened h2")

    unclear = shell("approve", "two")
    clear = [shell("approve", "two", "--hold", hold) for hold in ("h1", "h2")]

    assert 2 == unclear.code
    assert "--hold ID" in unclear.err
    assert [0, 0, 0] == [clear[0].code, clear[1].code, waiting.end().code]


@pytest.mark.parametrize(("text", "code"), [("12", 0), ("twelve", 2)])
def test_an_answer_is_typed(shell: Shell, text: str, code: int):
    """An answer that is not of the question's type is refused."""
    begun(shell, "ask")

    said = shell("answer", "ask", text)

    assert code == said.code
    assert (12 if code == 0 else None) == _result(shell("resume", "ask"))


@pytest.mark.parametrize(("text", "code"), [("green", 0), ("blue", 2)])
def test_an_answer_is_one_of_the_choices(shell: Shell, text: str, code: int):
    """An answer outside the choices is refused, and the choices are listed."""
    begun(shell, "choose")

    said = shell("answer", "choose", text)

    assert code == said.code
    assert ("green" if code == 0 else None) == _result(shell("resume", "choose"))
    assert code == 0 or "red, green" in said.err


def test_a_question_takes_no_yes(shell: Shell):
    """`approve` of a question says to use `answer`."""
    begun(shell, "ask")

    said = shell("approve", "ask")

    assert 2 == said.code
    assert "answer" in said.err.splitlines()[-1]


def _result(said: Said) -> object:
    return json.loads(said.out) if said.out else None


# --- steps ---


def test_done_decides_an_in_doubt_step(shell: Shell):
    """`done` records the step with a result and a reason; it does not run again."""
    begun(shell, "doubt")
    shell("resume", "doubt")

    said = shell("done", "doubt", "page", "--output", '"by hand"', "-m", "asked her")
    resumed = shell("resume", "doubt")

    assert 0 == said.code
    assert "by hand" == json.loads(resumed.out)
    assert "paged\n" == (shell.folder / "pages").read_text()


@pytest.mark.parametrize("words", [("done", "doubt", "page"), ("skip", "doubt", "page")])
def test_overrides_need_a_reason(shell: Shell, words: tuple[str, ...]):
    """`done` and `skip` without -m are refused."""
    begun(shell, "doubt")

    assert 2 == shell(*words).code


def test_an_in_doubt_step_is_not_skipped(shell: Shell):
    """A step in doubt is decided by `done` or `retry`, and `skip` says so."""
    begun(shell, "doubt")
    shell("resume", "doubt")

    said = shell("skip", "doubt", "page", "-m", "whatever")

    assert 2 == said.code
    assert "retry" in said.err


def test_retry_runs_the_in_doubt_step_again(shell: Shell):
    """`retry` without a step takes the one in doubt, and goes on in the foreground."""
    begun(shell, "doubt")
    shell("resume", "doubt")
    (shell.folder / "fixed").touch()

    said = shell("retry", "doubt")

    assert (0, "paged") == (said.code, _result(Said(0, said.out.splitlines()[-1], "")))
    assert "page: runs again" in said.out + said.err
    assert "paged\npaged\n" == (shell.folder / "pages").read_text()


def test_retry_runs_the_failed_step_again(shell: Shell):
    """`retry` without a step takes the one that failed."""
    begun(shell, "fail")
    (shell.folder / "fixed").touch()

    said = shell("retry", "fail")

    assert (0, '"fixed"') == (said.code, said.out.splitlines()[-1])


def test_retry_without_a_candidate_is_refused(shell: Shell):
    """A run with nothing failed or in doubt needs the step's name."""
    begun(shell, "confirm")

    assert 2 == shell("retry", "confirm").code


def test_skip_goes_on_without_the_step(shell: Shell):
    """A skipped step's result is None, and the run goes on after it."""
    begun(shell, "fail")

    said = shell("skip", "fail", "fix", "-m", "not needed")
    resumed = shell("resume", "fail")

    assert [0, 0] == [said.code, resumed.code]
    assert "" == resumed.out


@pytest.mark.parametrize(
    "words",
    [
        ("done", "fail", "first", "-m", "x"),
        ("skip", "fail", "first", "-m", "x"),
        ("retry", "fail", "first"),
        ("done", "fail", "nothing", "-m", "x"),
        ("done", "fail", "fix", "--output", "{", "-m", "x"),
        ("cancel", "fail"),
    ],
    ids=" ".join,
)
def test_verbs_that_do_not_fit_are_refused(shell: Shell, words: tuple[str, ...]):
    """A verb that does not fit the step exits 2 in one line."""
    begun(shell, "fail")

    said = shell(*words)

    assert 2 == said.code
    assert 1 == len(said.err.splitlines())


# --- runs ---


def test_stop_is_obeyed_and_lifted_by_resume(shell: Shell):
    """A stop ends a waiting run with exit 3; the same --id does not lift it, resume does."""
    waiting = shell.begin("run", "script.py", "--id", "c", "-p", "how=confirm", "--wait")
    waiting.until("waits for an answer")

    stopped = shell("stop", "c")
    said = waiting.end()
    same = shell("run", "script.py", "--id", "c", "-p", "how=confirm")
    shell("approve", "c")
    resumed = shell("resume", "c")

    assert [0, 3, 3, 0] == [stopped.code, said.code, same.code, resumed.code]
    assert "STOPPED c" in said.err
    assert "stopped by" in same.err


def test_pause_is_said_as_such(shell: Shell):
    """A paused run says paused."""
    begun(shell, "confirm")

    said = shell("pause", "confirm")
    same = shell("run", "script.py", "--id", "confirm", "-p", "how=confirm")

    assert [0, 3] == [said.code, same.code]
    assert "PAUSED confirm" in same.err


def test_cancel_is_for_good(shell: Shell):
    """A cancelled run is not gone on with."""
    begun(shell, "confirm")

    said = shell("cancel", "confirm", "-m", "not needed")
    resumed = shell("resume", "confirm")

    assert [0, 1] == [said.code, resumed.code]
    assert "cancelled" == status(shell, "confirm")


def test_a_finished_run_is_not_stopped(shell: Shell):
    """There is nothing to stop in a run that ended for good."""
    begun(shell, "confirm")
    shell("cancel", "confirm", "-m", "x")

    assert 2 == shell("stop", "confirm").code


def test_stop_now_ends_a_body(shell: Shell):
    """`stop --now` interrupts a step that would go on, in order: the run stays resumable."""
    running = shell.begin("run", "script.py", "--id", "l", "-p", "how=linger")
    running.until("lingering")

    said = shell("stop", "l", "--now")
    ended = running.end()

    assert 0 == said.code
    assert f"pid {running.pid}" in said.out
    assert "has ended" in said.out
    assert 143 == ended.code
    assert "stopped" == status(shell, "l")


@pytest.mark.slow
def test_stop_now_kills_a_deaf_process(shell: Shell):
    """A process that ignores SIGTERM is killed after its grace; only that very process."""
    running = shell.begin("run", "script.py", "--id", "l", "-p", "how=deaf")
    running.until("lingering")

    said = shell("stop", "l", "--now")
    ended = running.end()

    assert 0 == said.code
    assert "killed" in said.out
    assert -signal.SIGKILL == ended.code


def test_stop_now_of_a_dead_owner_signals_nobody(shell: Shell):
    """An owner that is gone is not looked for among processes of the same number."""
    running = shell.begin("run", "script.py", "--id", "l", "-p", "how=linger")
    running.until("lingering")
    running.signal(signal.SIGKILL)
    running.end()

    said = shell("stop", "l", "--now")

    assert 0 == said.code
    assert "is gone" in said.out
    assert not Path(f"/proc/{running.pid}").exists() or os.getpid() != running.pid
