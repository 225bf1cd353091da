"""Every command in every status: it works, or says why not; a new command has to take its place."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.shell import Shell

from holdfast.app.upkeep import verify_run
from holdfast.cli.commands import COMMANDS
from holdfast.model.codec import digest
from holdfast.model.facts import RunCreated
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.ownership import this_person
from holdfast.stores.sqlite import SqliteStore

SCRIPT = """
import os, signal, time
from pathlib import Path
from holdfast import ask, confirm, each, gate, rollout, sleep, step, workflow

HERE = Path(__file__).parent

@step("unlock")
def unlock():
    pass

@step("first", undo=lambda: None)
def first():
    return 1

@step("lock", owes=unlock)
def lock():
    pass

@step("page", once=True)
def page():
    os.kill(os.getpid(), signal.SIGKILL)

@step("crash")
def crash():
    if not (HERE / "crashed").exists():
        (HERE / "crashed").touch()
        os.kill(os.getpid(), signal.SIGKILL)

def cut():
    if not (HERE / "crashed").exists():
        os.kill(os.getpid(), signal.SIGKILL)

@step("change", undo=cut)
def change():
    pass

@step("fix")
def fix():
    raise ValueError("not fixed")

@step("linger")
def linger():
    print("lingering", flush=True)
    time.sleep(60)

def fetch(number):
    if number == 2: raise ValueError("id 2 is bad")

def pay(number):
    if number == 2: raise OSError("the line broke")

@workflow
def work(how: str):
    first()
    if how == "batch": each([1, 2, 3], fetch)
    if how == "budget": each([1, 2, 3], fetch, budget=0)
    if how == "once": each([1, 2, 3], pay, once=True)
    if how == "owe": lock()
    if how == "confirm": confirm("really?")
    if how == "ask": return ask("how many?", int)
    if how == "doubt": page()
    if how == "crash": crash()
    if how == "back": change()
    if how in ("fail", "back"): fix()
    if how == "linger": linger()
    if how == "sleep": sleep("1h")
    if how == "gate": gate("p99", lambda: 11, below=10)
    if how == "silence": gate("p99", lambda: None, below=10, timeout=0)
    if how == "units": rollout(["n1", "n2"], lambda node: fix())
    return "done"
"""
EDITED = SCRIPT.replace("    first()\n", '    step("inserted")(print)()\n    first()\n', 1)

WORDS: dict[str, tuple[str, ...]] = {
    "run": ("run", "script.py", "--id", "r", "-p", "how={how}"),
    "resume": ("resume", "r"),
    "resume --due": ("resume", "--due"),
    "resume RUN --due": ("resume", "r", "--due"),
    "plan": ("plan", "script.py", "--run", "r"),
    "list": ("list",),
    "show": ("show", "r"),
    "log": ("log", "r"),
    "watch": ("watch", "r"),
    "why": ("why", "r"),
    "why ITEM": ("why", "r", "2"),
    "failures": ("failures", "r"),
    "export": ("export", "r", "--md"),
    "approve": ("approve", "r"),
    "reject": ("reject", "r", "-m", "no"),
    "answer": ("answer", "r", "3"),
    "done": ("done", "r", "{step}", "-m", "by hand"),
    "retry": ("retry", "r", "{step}"),
    "retry --failed": ("retry", "r", "--failed"),
    "skip": ("skip", "r", "{step}", "-m", "not needed"),
    "rewind": ("rewind", "r", "--to", "first", "-m", "again"),
    "rollback": ("rollback", "r"),
    "settle": ("settle", "r"),
    "stop": ("stop", "r"),
    "pause": ("pause", "r"),
    "cancel": ("cancel", "r", "-m", "no longer needed"),
    "verify": ("verify", "r"),
    "fleet status": ("fleet", "status", "r"),
}
"""What is typed, by the command and an option that makes it another one, where `{how}` is the run's
parameter and `{step}` the step that it rests in."""
ELSEWHERE = {"demo", "gc", "doctor", "completion", "targets", "trust", "owed"} | {
    "begin", "step", "each", "stage", "gate", "confirm", "ask", "end"}  # fmt: skip
"""Commands that are about no run."""

Make = Callable[[Shell], None]


def started(shell: Shell, how: str) -> None:
    shell("run", "script.py", "--id", "r", "-p", f"how={how}")


def queued(shell: Shell) -> None:
    """As if the process had died between the run's first fact and its first life."""
    shell.store.parent.mkdir()
    store = SqliteStore(shell.store)
    params = {"how": "quick"}
    file = str(shell.folder / "script.py")
    at, by = SystemClock().now(), this_person()
    store.create("r", RunCreated(at, "work", file, dict(params), digest(params), by))
    store.close()


def on_drift(shell: Shell) -> None:
    started(shell, "fail")
    (shell.folder / "script.py").write_text(EDITED, "utf-8")
    shell("resume", "r")


def after(how: str, *verbs: tuple[str, ...]) -> Make:
    """Return what makes a run, and then says these words."""

    def make(shell: Shell) -> None:
        started(shell, how)
        for words in verbs:
            shell(*words)

    return make


def waiting(shell: Shell) -> None:
    shell("run", "script.py", "--id", "r", "-p", "how=sleep", "--for", "20s")


CANCEL = ("cancel", "r", "-m", "no longer needed")
RESTING: dict[str, tuple[str, str, Make]] = {
    "queued": ("quick", "first", queued),
    "on_hold confirm": ("confirm", "confirm really?", after("confirm")),
    "on_hold question": ("ask", "ask how many?", after("ask")),
    "on_hold drift": ("fail", "first", on_drift),
    "in_doubt": ("doubt", "page", after("doubt")),
    "interrupted": ("crash", "crash", after("crash")),
    "failed": ("fail", "fix", after("fail")),
    "stopped": ("confirm", "confirm really?", after("confirm", ("stop", "r"), ("resume", "r"))),
    "paused": ("fail", "fix", after("fail", ("pause", "r"))),
    "waiting": ("sleep", "sleep 1h", waiting),
    "succeeded": ("quick", "first", after("quick")),
    "cancelled": ("fail", "fix", after("fail", CANCEL)),
    "on_hold debt": ("owe", "lock", after("owe")),
    "rolled_back": ("fail", "fix", after("fail", ("rollback", "r"))),
    "in_doubt undo": ("back", "change#undo", after("back", ("rollback", "r"), ("resume", "r"))),
    "failed batch": ("batch", "2", after("batch")),
    "on_hold budget": ("budget", "2", after("budget")),
    "in_doubt item": ("once", "2", after("once")),
    "on_hold gate": ("gate", "p99", after("gate")),
    "on_hold silence": ("silence", "p99", after("silence")),
    "on_hold units": ("units", "n1/fix", after("units")),
}
"""By status: the run's parameter, the step that it rests in, and how it comes there."""

ALWAYS = dict.fromkeys(
    (
        "plan",
        "list",
        "show",
        "log",
        "watch",
        "why",
        "failures",
        "export",
        "verify",
        "stop",
        "pause",
        "cancel",
        "rollback",
        "resume --due",
    ),
    0,
) | {"settle": 2, "rewind": 0, "why ITEM": 2, "retry --failed": 2, "fleet status": 2}
NOTHING_ASKED = {"approve": 2, "reject": 2, "answer": 2}
NO_SUCH_STEP = {"done": 2, "retry": 2, "skip": 2}
NOTHING_LEFT = dict.fromkeys(
    ("stop", "pause", "cancel", "done", "retry", "skip", "rewind", "rollback", "settle"), 2
)
CODES: dict[str, dict[str, int]] = {
    "waiting": {"run": 0, "resume": 0, **NOTHING_ASKED, "done": 0,
                "retry": 0, "skip": 0},
    "queued": {"run": 0, "resume": 0, **NOTHING_ASKED, **NO_SUCH_STEP, "rewind": 2},
    "on_hold confirm": {"run": 3, "resume": 3, "approve": 0, "reject": 0, "answer": 2,
                        **NO_SUCH_STEP},
    "on_hold question": {"run": 3, "resume": 3, "approve": 2, "reject": 0, "answer": 0,
                         **NO_SUCH_STEP},
    "on_hold drift": {"run": 3, "resume": 3, "approve": 0, "reject": 0, "answer": 2,
                      **NO_SUCH_STEP, "rollback": 3},
    "in_doubt": {"run": 6, "resume": 6, **NOTHING_ASKED, "done": 0, "retry": -9, "skip": 2,
                 "rollback": 6, "rewind": 6},
    "interrupted": {"run": 0, "resume": 0, **NOTHING_ASKED, "done": 0, "retry": 0, "skip": 0},
    "failed": {"run": 1, "resume": 1, **NOTHING_ASKED, "done": 0, "retry": 1, "skip": 0},
    "stopped": {"run": 3, "resume": 3, "approve": 0, "reject": 0, "answer": 2, **NO_SUCH_STEP},
    "paused": {"run": 3, "resume": 1, **NOTHING_ASKED, "done": 0, "retry": 1, "skip": 0},
    "succeeded": {"run": 0, "resume": 0, **NOTHING_ASKED, **NOTHING_LEFT},
    "cancelled": {"run": 1, "resume": 1, **NOTHING_ASKED, **NOTHING_LEFT},
    "on_hold debt": {"run": 3, "resume": 3, **NOTHING_ASKED, "reject": 0, **NO_SUCH_STEP,
                     "cancel": 2, "settle": 0},
    "rolled_back": {"run": 0, "resume": 0, **NOTHING_ASKED, **NOTHING_LEFT},
    "in_doubt undo": {"run": 6, "resume": 6, **NOTHING_ASKED, "done": 0, "retry": 0, "skip": 2,
                      "rollback": 6, "rewind": 2},
    "failed batch": {"run": 1, "resume": 1, **NOTHING_ASKED, "done": 0, "retry": 1, "skip": 0,
                     "why ITEM": 0, "retry --failed": 1},
    "on_hold budget": {"run": 4, "resume": 4, "approve": 0, "reject": 0, "answer": 2, "done": 0,
                       "retry": 4, "skip": 0, "why ITEM": 0, "retry --failed": 4},
    "in_doubt item": {"run": 6, "resume": 6, **NOTHING_ASKED, "done": 0, "retry": 6, "skip": 0,
                      "why ITEM": 0, "rollback": 6, "rewind": 6},
    "on_hold gate": {"run": 4, "resume": 4, "approve": 2, "reject": 0, "answer": 2, "done": 0,
                     "retry": 4, "skip": 0},
    "on_hold silence": {"run": 3, "resume": 3, "approve": 2, "reject": 0, "answer": 2, "done": 0,
                        "retry": 3, "skip": 0},
    "on_hold units": {"run": 4, "resume": 4, "approve": 0, "reject": 0, "answer": 2, "done": 0,
                      "retry": 4, "skip": 0, "fleet status": 0},
    "running": {"run": 5, "resume": 5, **NOTHING_ASKED, "done": 5, "retry": 5, "skip": 5,
                "rollback": 5, "rewind": 5},
}  # fmt: skip
"""What each command ends with in each status, beside `ALWAYS`. In `in_doubt` the step that
`retry` runs again kills its process once more."""
IF_DUE = {
    "queued": 75, "on_hold confirm": 3, "on_hold question": 3, "on_hold drift": 3, "in_doubt": 3,
    "interrupted": 3, "failed": 1, "stopped": 3, "paused": 1, "waiting": 75, "succeeded": 0,
    "cancelled": 1, "running": 5, "on_hold debt": 3, "rolled_back": 0, "in_doubt undo": 6,
    "failed batch": 1, "on_hold budget": 4, "in_doubt item": 6, "on_hold gate": 4,
    "on_hold silence": 3, "on_hold units": 4,
}  # fmt: skip
"""What `resume RUN --due` ends with: none of these runs goes on without a person now."""
WAITS = {
    ("queued", "watch"), ("running", "watch"),
    ("waiting", "watch"), ("waiting", "run"), ("waiting", "resume"),
}  # fmt: skip
"""Commands that last until the run goes on no more by itself, or has waited."""


def words_for(command: str, how: str, step: str) -> list[str]:
    return [word.format(how=how, step=step) for word in WORDS[command]]


def test_every_command_is_in_the_matrix() -> None:
    """Whoever adds a command says how it behaves in every status."""
    known = {name for section in COMMANDS.values() for name in section}

    assert known == {name.split()[0] for name in WORDS} | ELSEWHERE


@pytest.mark.slow
@pytest.mark.parametrize("status", RESTING)
def test_a_resting_run(status: str, tmp_path: Path) -> None:
    """Each command ends as the matrix says, in one line without a traceback, and the journal is
    what was written."""
    how, step, make = RESTING[status]
    made = Shell(tmp_path, SCRIPT)
    make(made)
    (made.folder / "crashed").touch()
    kept = made.store.parent.rename(tmp_path / "kept")
    seen = {}
    for command in WORDS:
        if (status, command) in WAITS:
            continue
        shutil.copytree(kept, made.store.parent)
        said = made(*words_for(command, how, step))
        with closing(SqliteStore(made.store, read_only=True)) as store:
            verify_run(store, "r")
        seen[command] = said.code
        shutil.rmtree(made.store.parent)

        assert "Traceback" not in said.err and "unexpected" not in said.err, said.err
        assert said.code == 0 or said.err.strip(), f"{command} fails without a word"
    assert expected(status) == seen


def expected(status: str) -> dict[str, int]:
    codes = ALWAYS | CODES[status] | {"resume RUN --due": IF_DUE[status]}
    return {command: code for command, code in codes.items() if (status, command) not in WAITS}


@pytest.mark.slow
def test_a_living_run(tmp_path: Path) -> None:
    """While a process works on it, what would get in its way is refused; it is not disturbed."""
    shell = Shell(tmp_path, SCRIPT)
    run = shell.begin("run", "script.py", "--id", "r", "-p", "how=linger")
    try:
        run.until("lingering")
        seen = {
            command: shell(*words_for(command, "linger", "linger")).code
            for command in WORDS
            if command in expected("running")
        }
        attempts = shell("show", "r").out.count("attempt")
    finally:
        run.signal(signal.SIGKILL)
        run.end()

    assert expected("running") == seen
    assert 0 == attempts
