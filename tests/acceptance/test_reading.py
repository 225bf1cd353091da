"""The commands that read, as a user sees them: in processes, on a real store."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import sqlite3
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, sys
import holdfast
from holdfast import flight, preflight, step, workflow

@step("greet {name}")
def greet(name):
    print("hello " + name)
    return {"greeted": name}

@step("pay", once=True)
def pay(how):
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)

@step("check")
def check(how):
    if how == "fail":
        raise ValueError("boom")

@step("sign", confirm=True)
def sign():
    pass

@workflow
def deploy(how: str):
    with preflight():
        greet("\\u202eevil\\x1b[31m")
    with flight():
        pay(how)
        check(how)
        if how == "hold":
            sign()
    return {"deployed": True}

if __name__ == "__main__":
    holdfast.run(deploy, {"how": sys.argv[1]}, id=sys.argv[1], store=sys.argv[2])
"""
OF_ONE_RUN = (
    *(("show",), ("log",), ("watch",), ("why",), ("export",), ("verify",), ("failures",)),
    ("fleet", "status"),
)
"""The commands that read one run."""
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


class Shop:
    """A store, with a script that makes runs in it, and the command line beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = f"sqlite://{folder}/state/holdfast.db"
        (folder / "deploy.py").write_text(SCRIPT, "utf-8")

    def run(self, how: str) -> int:
        command = [sys.executable, "deploy.py", how, self.store]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, env=self.env())
        return done.returncode

    def env(self, **more: str) -> dict[str, str]:
        drop = ("HOLDFAST_STORE", "COLUMNS", "NO_COLOR", "HOLDFAST_USER")
        kept = {name: value for name, value in os.environ.items() if name not in drop}
        return {**kept, "HOLDFAST_STORE": self.store, "PYTHONIOENCODING": "utf-8", **more}

    def cli(self, *words: str, expect: int = 0, **env: str) -> str:
        """Return what a command prints on stdout, after looking at its exit status."""
        done = self.full(*words, **env)
        assert expect == done.returncode, done.stderr
        return done.stdout

    def full(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "holdfast", *words],
            cwd=self.folder, capture_output=True, text=True, env=self.env(**env), encoding="utf-8",
        )  # fmt: skip

    def json(self, *words: str):
        return json.loads(self.cli(*words, "--json"))

    def on_terminal(self, *words: str, columns: int = 120, **env: str) -> str:
        """Return what a command writes on a terminal of this width."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-m", "holdfast", *words],
            cwd=self.folder, stdin=theirs, stdout=theirs, stderr=theirs,
            env=self.env(**{"TERM": "xterm-256color", **env}),
        )  # fmt: skip
        os.close(theirs)
        written = bytearray()
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:
                break
            if not part:
                break
            written += part
        os.close(ours)
        process.wait()
        return written.decode()


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path)


def test_show_tells_every_step_of_a_finished_run(shop):
    """`show --json` has the steps with stage and status, and the run's result."""
    shop.run("ok")

    shown = shop.json("show", "ok")
    steps = [(step["label"], step["stage"], step["status"]) for step in shown["steps"]]
    assert [("pay", "flight", "succeeded"), ("check", "flight", "succeeded")] == steps[1:]
    assert ("succeeded", {"deployed": True}) == (shown["run"]["status"], shown["run"]["result"])


def test_a_killed_run_is_interrupted_and_its_doubt_is_named(shop):
    """After a kill -9 the once step is in doubt, and the command to decide it is printed."""
    shop.run("kill")

    shown = shop.json("show", "kill")
    assert ("interrupted", "in_doubt") == (shown["run"]["status"], shown["steps"][-1]["status"])
    text = shop.cli("show", "kill")
    owner = shown["run"]["owner"]
    assert f"in doubt: pid {owner['pid']} on {owner['host']}" in text
    assert "holdfast done kill flight/pay -m REASON" in text


def test_a_failure_is_shown_with_its_line(shop):
    """`show` and `why` name the file and line of the error, and how to go on."""
    shop.run("fail")
    line = SCRIPT.splitlines().index('        raise ValueError("boom")') + 1

    for command in ("show", "why"):
        text = shop.cli(command, "fail")
        assert f"deploy.py:{line}" in text
        assert "ValueError: boom" in text and "holdfast resume fail" in text


def test_a_hold_is_shown_with_its_answer(shop):
    """A run on hold says what it asks and the command that says yes."""
    shop.run("hold")

    assert "holdfast approve hold" in shop.cli("show", "hold")
    assert ["open"] == [hold["status"] for hold in shop.json("show", "hold")["holds"]]


def test_a_chosen_store_is_in_the_commands(shop):
    """What is printed to be typed names the store that was chosen by option."""
    shop.run("fail")

    text = shop.cli("why", "fail", "--store", shop.store, HOLDFAST_STORE="nowhere.db")
    assert f"holdfast --store {shop.store} resume fail" in text


def test_options_may_stand_before_the_command(shop):
    """`--store` before the command means what it means after it."""
    shop.run("ok")

    before = shop.cli("--store", shop.store, "why", "ok", HOLDFAST_STORE="nowhere.db")
    assert shop.cli("why", "ok", "--store", shop.store, HOLDFAST_STORE="nowhere.db") == before


def test_list_shows_the_newest_first_and_filters(shop):
    """`list` tells interrupted runs from failed ones, and filters by what it shows."""
    for how in ("ok", "kill", "fail"):
        shop.run(how)

    runs = [(run["id"], run["status"]) for run in shop.json("list")["runs"]]
    assert [("fail", "failed"), ("kill", "interrupted"), ("ok", "succeeded")] == runs
    assert ["kill"] == [run["id"] for run in shop.json("list", "--status", "interrupted")["runs"]]
    assert [] == shop.json("list", "--target", "prod")["runs"]
    assert 2 == len(shop.json("list", "--limit", "2")["runs"])


def test_reading_makes_no_store(shop):
    """No reading command leaves anything behind where there is no store."""
    assert {"version": 1, "runs": []} == shop.json("list")
    assert "holdfast run" in shop.full("list").stderr
    for command in OF_ONE_RUN:
        assert "no run 'x'" in _refused(shop.full(*command, "x"))
    shop.cli("gc")
    shop.cli("doctor")

    assert ["deploy.py"] == os.listdir(shop.folder)


def test_an_unknown_run_is_one_line(shop):
    """A run that is not there is a usage error, said in one line."""
    shop.run("ok")

    for command in OF_ONE_RUN:
        assert "no run 'nope'" in _refused(shop.full(*command, "nope"))


def test_a_prefix_of_an_id_is_enough(shop):
    """The beginning of an id that fits one run names it."""
    shop.run("fail")

    assert "fail" == shop.json("show", "fa")["run"]["id"]


def test_nothing_of_the_users_steers_the_terminal(shop):
    """Control and bidirectional characters are escaped in every command, also in JSON."""
    shop.run("ok")

    for command in ("show ok", "log ok", "why ok", "export ok", "export ok --md", "list",
                    "show ok --json", "log ok --json"):  # fmt: skip
        assert CONTROL.search(shop.cli(*command.split())) is None, command
    assert "\\u202eevil\\x1b[31m" in shop.cli("log", "ok")


def test_log_has_what_a_step_wrote(shop):
    """The log of one step has its start, its output and its end, as one object or as lines."""
    shop.run("ok")
    key = shop.json("show", "ok")["steps"][0]["key"]

    events = shop.json("log", "ok", key)["events"]
    assert ["StepStarted", "Output", "StepSucceeded"] == [event["kind"] for event in events]
    lines = shop.cli("log", "ok", key, "-f", "--json").splitlines()
    assert events == [json.loads(line) for line in lines]


def test_following_ends_with_the_run(shop):
    """`log -f` and `watch` of a run that goes on no more say the last of it and return."""
    shop.run("fail")

    assert "ValueError: boom" in shop.cli("log", "fail", "-f").splitlines()[-1]
    assert shop.cli("watch", "fail").startswith("fail has failed: step 'flight/check' failed")


def test_watch_follows_a_living_run(shop):
    """Each change of a run that another process works on is a line, until it ends."""
    (shop.folder / "slow.py").write_text(
        "import sys, holdfast\n"
        "@holdfast.step()\n"
        "def wait(): print(sys.stdin.readline())\n"
        "@holdfast.workflow\n"
        "def slow():\n"
        "    print('started', flush=True)\n"
        "    wait()\n"
        f"holdfast.run(slow, id='slow', store={shop.store!r})\n",
        "utf-8",
    )
    pipes = {"stdin": subprocess.PIPE, "text": True, "cwd": shop.folder, "env": shop.env()}
    run = subprocess.Popen([sys.executable, "slow.py"], stdout=subprocess.DEVNULL, **pipes)
    while shop.full("log", "slow", "wait").returncode:
        assert run.poll() is None
    watch = subprocess.Popen(
        [sys.executable, "-m", "holdfast", "watch", "slow"], stdout=subprocess.PIPE, **pipes
    )
    first = watch.stdout.readline()
    run.communicate("go\n", timeout=60)
    rest, _ = watch.communicate(timeout=60)

    assert "slow is running" in first
    assert "wait succeeded" in rest and "slow has succeeded" in rest


def test_a_pipe_gets_neither_colour_nor_movement(shop):
    """What is not a terminal, or a dumb one, gets plain lines."""
    shop.run("kill")

    assert "\x1b" not in shop.cli("show", "kill") + shop.cli("watch", "kill")
    for name, value in {"TERM": "dumb", "NO_COLOR": "1"}.items():
        assert "\x1b" not in shop.on_terminal("show", "kill", **{name: value})
    assert "\x1b[" in shop.on_terminal("show", "kill")
    assert "\x1b" not in shop.on_terminal("show", "kill", "--plain")


@pytest.mark.parametrize("columns", [60, 120])
def test_tables_fit_the_terminal(shop, columns):
    """No line of the list, and no step, is wider than the terminal; ids are whole."""
    for how in ("kill", "fail"):
        shop.run(how)

    listed = shop.on_terminal("list", columns=columns, NO_COLOR="1").splitlines()
    steps = [
        line
        for line in shop.on_terminal("show", "kill", columns=columns, NO_COLOR="1").splitlines()
        if line[3:4] in ("✔", "?")
    ]
    assert listed and steps
    assert [] == [line for line in listed + steps if len(line) > columns]
    assert any(line.startswith("kill ") for line in listed)


def test_export_is_one_document(shop):
    """The export has every fact and the head that `verify` prints; `--md` reads well."""
    shop.run("fail")

    document = json.loads(shop.cli("export", "fail"))
    assert document["head"] == shop.json("verify", "fail")["head"]
    assert len(document["facts"]) == shop.json("verify", "fail")["facts"]
    text = shop.cli("export", "fail", "--md")
    assert text.startswith("# Run fail: deploy") and "ValueError: boom" in text


def test_a_changed_fact_is_found(shop):
    """A journal that was altered by hand stops `verify` and `doctor` with exit 74."""
    shop.run("ok")
    with sqlite3.connect(shop.folder / "state" / "holdfast.db") as connection:
        connection.execute("UPDATE fact SET body = '{}' WHERE kind = 'StepSucceeded'")
    connection.close()

    assert "its chain does not follow" in shop.full("verify", "ok").stderr
    shop.cli("verify", "ok", expect=74)
    found = json.loads(shop.cli("doctor", "--json", expect=74))
    assert not found["healthy"] and "ok" in found["wrong"][0]


def test_gc_says_what_it_would_remove(shop):
    """A dry run names the finished run and leaves it; then it goes, and the failed one stays."""
    for how in ("ok", "fail"):
        shop.run(how)

    would = shop.json("gc", "--older-than", "0s", "--dry-run")
    did = shop.json("gc", "--older-than", "0s")
    assert ["ok"] == [run["run"] for run in would["removed"]]
    assert would["removed"] == did["removed"]
    assert ["fail"] == [run["id"] for run in shop.json("list")["runs"]]


def test_gc_leaves_young_runs(shop):
    """Without an age, only what ended a month ago goes."""
    shop.run("ok")

    assert [] == shop.json("gc")["removed"]


def test_gc_with_a_number_to_keep_leaves_young_runs_too(shop):
    """`--keep` narrows what may go: a run of today stays, though more than enough are kept."""
    for id in ("one", "two"):
        shop.cli("run", "deploy.py", "-p", "how=ok", "--id", id)

    assert [] == shop.json("gc", "--keep", "1")["removed"]


def test_a_given_inventory_is_read_even_where_nothing_needs_it(shop):
    """`--config` is never taken without effect: a file that is not there is refused."""
    done = shop.full("list", "--config", "holdfast.toml")

    assert 78 == done.returncode
    assert f"{shop.folder}/holdfast.toml: cannot be read: No such file" in done.stderr


def test_doctor_clears_the_mark_of_a_failed_disk(shop):
    """A store whose disk once failed is read whole; found sound, it may be used again."""
    shop.run("ok")
    marker = shop.folder / "state" / "holdfast.db.suspect"
    marker.write_text("fsync failed")

    shop.cli("show", "ok", expect=74)
    assert shop.json("doctor")["suspect_cleared"]
    shop.cli("show", "ok")
    assert not marker.exists()


def test_doctor_minds_open_permissions(shop):
    """Files that others may read are named, with the command that closes them."""
    shop.run("ok")
    database = shop.folder / "state" / "holdfast.db"
    database.chmod(0o644)

    assert f"chmod go= {database}" in shop.cli("doctor")


def _refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a refused command wrote."""
    assert 2 == done.returncode
    assert "" == done.stdout
    assert 1 == done.stderr.count("\n") and done.stderr.startswith("holdfast: ")
    return done.stderr
