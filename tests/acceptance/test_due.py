"""`resume --due` with real processes: what cron types, and what becomes of it."""

from __future__ import annotations

import json
import re
import signal
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell

from holdfast.app.loading import load_workflow
from holdfast.app.nobody import Nobody
from holdfast.app.starting import Setting, start
from holdfast.model.facts import LifeStarted
from holdfast.model.state import RunState
from holdfast.runtime.journal import Journal
from holdfast.runtime.ownership import this_person
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.clock import JumpClock

SCRIPT = """
import os, signal, time
from pathlib import Path
from holdfast import confirm, sleep, step, workflow

HERE = Path(__file__).parent

@step("work {how}")
def work(how):
    print("at work", flush=True)
    if how == "fail": raise ValueError("no luck")
    if how == "die": os.kill(os.getpid(), signal.SIGKILL)
    if how == "linger":
        for _ in range(600):
            if (HERE / "enough").exists(): break
            time.sleep(0.05)
    with open(HERE / "worked", "a") as log:
        log.write(how + "\\n")
    return how

@workflow
def slept(how: str = "well"):
    sleep("1h")
    work(how)
    if how == "linger": work("after")
    if how == "again": sleep("2h")
    if how == "ask": confirm("really?")
    return how
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path, SCRIPT)
    shell.store.parent.mkdir()
    return shell


def left(shell: Shell, run: str, how: str = "well", file: str = "script.py") -> None:
    """Leave a run that was due an hour ago, as if it had begun two hours ago."""
    clock = JumpClock(datetime.now(UTC) - timedelta(hours=2))
    with closing(SqliteStore(shell.store)) as store:
        setting = Setting(store, clock, Nobody(), this_person(), budget_s=60)
        workflow = load_workflow(str(shell.folder / file))
        assert "waiting" == start(setting, workflow, {"how": how}, id=run).status


def worked(shell: Shell) -> list[str]:
    file = shell.folder / "worked"
    return sorted(file.read_text().split()) if file.exists() else []


def state_of(shell: Shell, run: str) -> RunState:
    with closing(SqliteStore(shell.store, read_only=True)) as store:
        return Journal(store, run).refresh()


def lives_of(shell: Shell, run: str) -> int:
    with closing(SqliteStore(shell.store, read_only=True)) as store:
        return sum(isinstance(stored.fact, LifeStarted) for stored in store.read(run))


def status_of(shell: Shell, run: str) -> str:
    return str(json.loads(shell("show", run, "--json").out)["run"]["status"])


# --- one run ---


def test_a_run_that_waits_is_left_and_says_until_when(shell: Shell) -> None:
    """At once, not at the end of the budget; `list`, `show` and `why` say what goes on how."""
    run = shell("run", "script.py", "--id", "r", "--for", "20m")
    due = json.loads(shell("list", "--json").out)["runs"][0]["due_at"]
    moment = f"{due[:10]} {due[11:19]} UTC"

    assert (75, "") == (run.code, run.out)
    assert re.search(r"WAITING r  \(exit 75\)", run.err) and "resume --due" in run.err
    assert f"waiting until {moment}" in shell("list").out
    assert moment in shell("show", "r").out
    why = shell("why", "r").out
    assert "is waiting" in why and moment in why
    assert "holdfast resume --due" in why


def test_nothing_due_is_nothing_said(shell: Shell) -> None:
    """Cron sends a mail for every word."""
    shell("run", "script.py", "--id", "r", "--for", "20m")
    said = shell("resume", "--due")

    assert (0, "", "") == (said.code, said.out, said.err)


def test_without_a_store_nothing_is_due(tmp_path: Path) -> None:
    """Cron may begin before the first run does; no store is made."""
    shell = Shell(tmp_path, SCRIPT)
    said = shell("resume", "--due")

    assert (0, "", False) == (said.code, said.out, shell.store.exists())


def test_a_run_whose_time_has_come_goes_on(shell: Shell) -> None:
    """In one line; and then it is not due any more."""
    left(shell, "r")
    said, again = shell("resume", "--due"), shell("resume", "--due")

    assert (0, "r has succeeded: the workflow returned\n") == (said.code, said.out)
    assert "at work" in said.err
    assert (0, "", "") == (again.code, again.out, again.err)
    assert ["well"] == worked(shell)


def test_a_run_waits_again(shell: Shell) -> None:
    """The process does not sit there: others may be due."""
    left(shell, "r", "again")
    said = shell("resume", "--due")

    assert 75 == said.code
    assert re.match(r"r is waiting: step 'sleep 2h' waits, until 20", said.out)


def test_a_run_whose_question_is_answered_goes_on(shell: Shell) -> None:
    """Not before; `why` says so in between."""
    left(shell, "r", "ask")
    asked = shell("resume", "--due")
    unanswered = shell("resume", "--due")
    shell("approve", "r")
    why = shell("why", "r").out
    answered = shell("resume", "--due")

    assert (3, 0, 0) == (asked.code, unanswered.code, answered.code)
    assert "r is on hold: waits for a yes (h1): really?" in asked.out
    assert "" == unanswered.out and "resume --due" in why
    assert "r has succeeded" in answered.out


def test_one_run_if_it_is_due(shell: Shell) -> None:
    """`resume RUN --due` says where it stands otherwise, with its code, and changes nothing."""
    shell("run", "script.py", "--id", "early", "--for", "20m")
    left(shell, "late")
    early, late = shell("resume", "early", "--due"), shell("resume", "late", "--due")

    assert (75, 0) == (early.code, late.code)
    assert "WAITING early" in early.err and '"well"\n' == late.out
    assert 1 == lives_of(shell, "early")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "missing argument 'RUN'; unfinished: r"),
        (("--due", "--accept-drift"), "--due asks nobody"),
        (("r", "--due", "--wait"), "--due asks nobody"),
        (("r", "--json"), "--json goes with --due alone"),
        (("--due", "--for", "5m"), "are for one run"),
    ],
)
def test_options_that_do_not_go_together(shell: Shell, words: tuple[str, ...], says: str) -> None:
    """In one line, with what to type instead."""
    left(shell, "r")
    said = shell("resume", *words)

    assert (2, 1) == (said.code, said.err.count("\n"))
    assert says in said.err
    assert 1 == lives_of(shell, "r")


# --- many runs ---


def test_each_goes_its_own_way(shell: Shell) -> None:
    """One that cannot be loaded, one that fails, one that kills its process: none of them stops
    the others, and what a person stopped stays so."""
    broken = shell.folder / "broken.py"
    broken.write_text(SCRIPT)
    left(shell, "a-broken", file="broken.py")
    broken.write_text("this is no python")
    for run, how in (
        ("b-fails", "fail"), ("c-dies", "die"), ("d-stopped", "well"), ("e-paused", "well"),
        ("f-asks", "ask"), ("g-again", "again"), ("h-fine", "fine"),
    ):  # fmt: skip
        left(shell, run, how)
    shell("stop", "d-stopped")
    shell("pause", "e-paused")
    said = shell("resume", "--due")
    lines = dict(line.split(" ", 1) for line in said.out.splitlines())

    assert 3 == said.code
    assert ["a-broken", "b-fails", "c-dies", "f-asks", "g-again", "h-fine"] == list(lines)
    assert lines["a-broken"].startswith("could not be taken up (exit 2)")
    assert "broken.py:1" in said.err and "Traceback" not in said.err
    assert lines["b-fails"].startswith("has failed") and lines["c-dies"].startswith("is inter")
    assert ["again", "ask", "fine"] == worked(shell)
    assert [1, 1] == [lives_of(shell, run) for run in ("d-stopped", "e-paused")]
    again = shell("resume", "--due")
    assert (2, ["a-broken"]) == (again.code, [line.split()[0] for line in again.out.splitlines()])
    assert "c-dies is interrupted, and left so" in again.err


def test_the_whole_as_json(shell: Shell) -> None:
    """One object, also when nothing is due."""
    nothing = json.loads(shell("resume", "--due", "--json").out)
    left(shell, "a")
    left(shell, "b", "die")
    said = shell("resume", "--due", "--json")
    found = json.loads(said.out)

    assert {"version": 1, "runs": [], "interrupted": []} == nothing
    assert [("a", "succeeded", 0, True), ("b", "interrupted", 1, True)] == [
        (run["run"], run["status"], run["exit_code"], run["taken_up"]) for run in found["runs"]
    ]
    assert (1, ["b"]) == (said.code, found["interrupted"])


def test_scripts_do_not_meet(shell: Shell) -> None:
    """Two scripts of one name, each beside a module of one name: each finds its own."""
    for name in ("one", "two"):
        folder = shell.folder / name
        folder.mkdir()
        (folder / "names.py").write_text(f"NAME = {name!r}\n")
        text = SCRIPT.replace("HERE = ", "import names\nHERE = ")
        (folder / "deploy.py").write_text(text.replace("return how\n", "return names.NAME\n"))
        said = shell("run", f"{name}/deploy.py", "--id", name, "-p", "how=ask", "--for", "20m")
        assert 75 == said.code
        shell("retry", name, "sleep 1h")
        shell("approve", name)
    said = shell("resume", "--due")

    assert 0 == said.code, said.err
    assert ['"one"\n', '"two"\n'] == [shell("resume", name).out for name in ("one", "two")]


def test_two_at_the_same_time(shell: Shell) -> None:
    """Cron overlaps: each run lives once, and nobody fails for the other's sake."""
    for number in range(6):
        left(shell, f"r{number}")
    both = [shell.begin("resume", "--due") for _ in range(2)]
    said = [process.end() for process in both]

    assert [0, 0] == [each.code for each in said], said
    assert ["well"] * 6 == worked(shell)
    lines = [line.split()[0] for each in said for line in each.out.splitlines()]
    assert [f"r{number}" for number in range(6)] == sorted(lines)
    assert {2} == {lives_of(shell, f"r{number}") for number in range(6)}


def test_a_signal_is_passed_on(shell: Shell) -> None:
    """The run in hand ends its step and is left in order; no other is begun."""
    left(shell, "r1", "linger")
    left(shell, "r2")
    command = shell.begin("resume", "--due")
    command.until("at work")
    command.signal(signal.SIGTERM)
    command.until("leaving after the step in hand")
    (shell.folder / "enough").touch()
    said = command.end()

    assert 143 == said.code
    assert ["r1"] == [line.split()[0] for line in said.out.splitlines()]
    assert ("stopped", "waiting") == (status_of(shell, "r1"), status_of(shell, "r2"))
    assert ["linger"] == worked(shell)
