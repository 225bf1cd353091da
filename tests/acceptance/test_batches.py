"""What people see of batches and do about them, in real processes that are really killed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.shell import Shell, plain

SCRIPT = """
import os, signal, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from holdfast import JsonLines, StepFailed, each, workflow

HERE = Path(__file__).parent

def is_fixed():
    return (HERE / "fixed").exists()

def note(item):
    with (HERE / "ran").open("a") as file:
        file.write(f"{item}\\n")

def fetch(item):
    note(item)
    print("fetching", item)
    if item % 10 == 7 and not is_fixed():
        raise ValueError(f"id {item} is bad")
    if item == 12 and not is_fixed():
        raise TimeoutError("no answer in 5 s")

def pay(item):
    note(item)
    if item == 3 and not is_fixed():
        os.kill(os.getpid(), signal.SIGKILL)

def parse(item):
    if item == "bad.pdf":
        print("parsing page 7", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)

def same(item):
    return item

def linger(item):
    note(item)
    print("lingering", item, flush=True)
    if item >= 20 and not is_fixed():
        threading.Event().wait(60)

def late():
    yield 1
    (HERE / "reading").touch()
    time.sleep(60)

@workflow
def work(how: str):
    if how == "fetch": each(range(40), fetch)
    if how == "budget": each(range(40), fetch, budget=1)
    if how == "pay": each(range(6), pay, once=True)
    if how == "parse": each(["a.pdf", "bad.pdf", "c.pdf"], parse, budget=1)
    if how == "linger": each(range(30), linger, at_once=3)
    if how == "processes": each(range(20, 22), linger, executor=ProcessPoolExecutor(2))
    if how == "pool of threads": each(range(20, 22), linger, executor=ThreadPoolExecutor(2))
    if how == "out": each(range(40), same, out=JsonLines("o.jsonl"), stop_after=20)
    if how == "caught":
        try: each(range(8), fetch)
        except StepFailed: pass
    if how == "late": each(late(), same)
    if how == "late, by position": each(late(), same, key="position")
    if how == "some": each(range(40), fetch, budget=9, stop_after=10)
    return "over"
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, SCRIPT)


def start(shell: Shell, how: str, *more: str) -> Any:
    return shell("run", "script.py", "--id", "r", "-p", f"how={how}", *more)


def fix(shell: Shell) -> None:
    (shell.folder / "fixed").touch()


def ran(shell: Shell, item: int) -> int:
    """Return how often an item was begun."""
    return (shell.folder / "ran").read_text("utf-8").splitlines().count(str(item))


def batch(shell: Shell) -> dict[str, Any]:
    (found,) = json.loads(shell("show", "r", "--json").out)["batches"]
    return dict(found)


# --- dead letters -----------------------------------------------------------------------------


@pytest.mark.slow
def test_dead_letters_are_seen_and_tried_again(shell: Shell) -> None:
    """By kind, in portions, and one by one; the text that failed with them names the commands."""
    failed = start(shell, "fetch")
    seen = shell("failures", "r")
    groups = json.loads(shell("failures", "r", "--json").out)["groups"]
    fix(shell)
    where = ("--where", "error=id #")
    first = shell("retry", "r", "--failed", *where, "--limit", "2")
    second = shell("retry", "r", "--failed", *where, "--limit", "2")
    left = batch(shell)
    last = shell("retry", "r", "12")

    assert 1 == failed.code
    assert "holdfast failures r" in failed.err and "holdfast retry r --failed" in failed.err
    assert "4 × ValueError: id # is bad" in seen.out and "7, 17, 27, 37" in seen.out
    assert [("ValueError: id # is bad", 4), ("TimeoutError: no answer in # s", 1)] == [
        (group["error"], group["count"]) for group in groups
    ]
    assert (1, 1, 0) == (first.code, second.code, last.code)
    assert (39, 1) == (left["done"], left["failed"])
    assert [2] * 5 == [ran(shell, item) for item in (7, 12, 17, 27, 37)]
    assert 1 == ran(shell, 8)


@pytest.mark.slow
def test_an_item_is_decided_by_hand(shell: Shell) -> None:
    """`done` and `skip` keep it from running again; `why` and `log` tell of it."""
    start(shell, "fetch")
    for words in (("done", "r", "7"), ("skip", "r", "fetch/17"), ("done", "r", "8")):
        shell(*words, "-m", "by hand")
    log, why = shell("log", "r", "7"), shell("why", "r", "12")
    fix(shell)
    ended = shell("resume", "r")

    assert 0 == ended.code, ended.err
    assert (1, 1, 2) == (ran(shell, 7), ran(shell, 17), ran(shell, 12))
    assert "fetching 7" in log.out and "fetching 8" not in log.out
    assert "TimeoutError: no answer in 5 s" in why.out and "holdfast retry r 12" in why.out
    assert "1 skipped" in shell("show", "r").out


@pytest.mark.slow
def test_what_killed_its_process_is_shown_with_its_last_words(shell: Shell) -> None:
    """At its third death the item is alone, and in quarantine: nobody else is."""
    codes = [start(shell, "parse").code, shell("resume", "r").code, shell("resume", "r").code]
    seen = shell("failures", "r")

    assert [-signal.SIGSEGV, -signal.SIGSEGV, 0] == codes
    assert "bad.pdf: killed by SIGSEGV" in seen.out and "parsing page 7" in seen.out
    assert (2, 1) == (batch(shell)["done"], batch(shell)["quarantined"])


# --- budgets ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True])
def test_a_budget_is_granted_anew_and_refused(shell: Shell, is_killed: bool) -> None:
    """Whatever becomes of the process that asked: the answer outlives it, and nothing begins
    before there is one."""
    if is_killed:
        waiting = shell.begin("run", "script.py", "--id", "r", "-p", "how=budget", "--wait")
        waiting.until("hold opened h1")
        waiting.signal(signal.SIGKILL)
        waiting.end()
    else:
        assert 4 == start(shell, "budget").code
    again = shell("resume", "r")
    begun = ran(shell, 13)
    granted, second = shell("approve", "r"), shell("resume", "r")
    refused = shell("reject", "r", "-m", "too many")
    why = shell("why", "r")

    assert (4, 0) == (again.code, begun)
    assert "2 items failed; the budget is 1" in again.err
    assert "holdfast approve r" in again.err and "holdfast failures r" in again.err
    assert (0, 4, 0) == (granted.code, second.code, refused.code), second.err
    assert "holdfast retry r --failed" in why.out
    assert 4 == batch(shell)["failed"]


# --- once -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "runs"), [("done", 1), ("retry", 2)])
def test_an_item_that_may_have_taken_effect_is_asked_about(
    shell: Shell, verb: str, runs: int
) -> None:
    """A kill -9 within it: the others are done, then a person decides (exit 6)."""
    killed = start(shell, "pay")
    seen = shell("show", "r")
    fix(shell)
    asked = shell("resume", "r")
    shown = shell("show", "r")
    reason = ("-m", "seen in the bank") if verb == "done" else ()
    decided = shell(verb, "r", "pay/3", *reason)
    ended = shell("resume", "r")

    assert (-signal.SIGKILL, 6) == (killed.code, asked.code)
    assert "in doubt" not in seen.out and "1 uncertain" in seen.out
    assert "did item 3 of pay take effect?" in shown.out
    assert "holdfast done r pay/3 -m REASON" in asked.err and "holdfast retry r pay/3" in asked.err
    assert (0, 0, runs) == (decided.code, ended.code, ran(shell, 3))
    assert [1] * 5 == [ran(shell, item) for item in (0, 1, 2, 4, 5)]


# --- while it runs, and after it left ---------------------------------------------------------


@pytest.mark.slow
def test_a_batch_that_runs_says_what_is_at_risk(shell: Shell) -> None:
    """And one that was killed, what was in hand: it is interrupted, not in doubt, and what it
    noted after its last checkpoint is counted."""
    run = shell.begin("run", "script.py", "--id", "r", "-p", "how=linger")
    run.until("lingering 22")
    living = shell("show", "r")
    refused = shell("retry", "r", "--failed")
    run.signal(signal.SIGKILL)
    run.end()
    dead, found = shell("show", "r"), batch(shell)
    fix(shell)
    ended = shell("resume", "r")

    assert "at risk now: 3 items" in living.out and "20 of 30 done" in living.out
    assert refused.code in (2, 5)
    assert "in hand when its process died: 3 items" in dead.out and "in doubt" not in dead.out
    assert (20, 3) == (found["done"], found["in_flight"])
    assert 0 == ended.code
    assert 30 + 3 == len((shell.folder / "ran").read_text("utf-8").splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("how", ["processes", "pool of threads"])
def test_a_second_signal_ends_the_items_of_an_executor(shell: Shell, how: str) -> None:
    """At once, and before anybody else can go on with the run: no item is done twice at a time."""
    run = shell.begin("run", "script.py", "--id", "r", "-p", f"how={how}")
    while not ((shell.folder / "ran").exists() and ran(shell, 20) and ran(shell, 21)):
        pass
    run.signal(signal.SIGTERM)
    run.until("once more to leave now")
    run.signal(signal.SIGTERM)
    left = run.end()
    fix(shell)
    resumed = shell("resume", "r")

    assert 143 == left.code and "STOPPED" in left.err, left.err
    assert 0 == resumed.code, resumed.err
    assert (2, 2) == (ran(shell, 20), ran(shell, 21))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["late", "late, by position"])
def test_a_second_signal_interrupts_a_source(shell: Shell, how: str) -> None:
    """It is the user's code, as the body of a step is, and may wait for ever."""
    run = shell.begin("run", "script.py", "--id", "r", "-p", f"how={how}")
    while not (shell.folder / "reading").exists():
        pass
    run.signal(signal.SIGTERM)
    run.until("once more to leave now")
    run.signal(signal.SIGTERM)
    left = run.end()

    assert 143 == left.code and "STOPPED" in left.err, left.err
    assert 1 == batch(shell)["done"]


@pytest.mark.slow
def test_a_life_that_leaves_says_how_far_it_is(shell: Shell) -> None:
    """How many are left, how many lives more that takes, and the command: exit 75."""
    left = start(shell, "some")

    assert 75 == left.code
    assert "9 of 40 done, 1 failed, 30 left" in left.err
    assert "the rest takes about 4 more like it" in left.err
    assert "holdfast resume r" in left.err


@pytest.mark.slow
def test_what_no_budget_let_pass_is_not_said_to(shell: Shell) -> None:
    """A script may go on after a batch that failed: its items failed, and that is all."""
    ended, shown = start(shell, "caught"), shell("show", "r")

    assert 0 == ended.code and "1 item failed: " in ended.err
    assert "1 item failed: which, and why" in shown.out and "within the budget" not in shown.out


@pytest.mark.slow
def test_an_output_that_was_cut_says_so_and_how_to_go_on(shell: Shell) -> None:
    """The journal could not record it, so nothing else knows the reason."""
    start(shell, "out")
    os.truncate(shell.folder / "o.jsonl", 10)
    refused = shell("resume", "r")
    (shell.folder / "o.jsonl").unlink()
    shell("rewind", "r", "--to", "same")
    shell("resume", "r")
    ended = shell("resume", "r")
    told = " ".join(refused.err.split())

    assert 74 == refused.code and "is 10 bytes long, but 50 bytes" in told
    assert "ended without saying why" not in told
    assert "holdfast rewind r --to same # begin anew" in told, told
    assert 0 == ended.code and list(map(str, range(40))) == (
        (shell.folder / "o.jsonl").read_text().split()
    )


@pytest.mark.slow
def test_an_output_that_somebody_else_writes_is_locked(shell: Shell) -> None:
    """Exit 5, as of a run: nothing was changed, and later the same command goes on."""
    start(shell, "out")
    with open(shell.folder / "o.jsonl") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        locked = shell("resume", "r")
    ended = shell("resume", "r")

    assert 5 == locked.code and "another process writes to" in locked.err
    assert 0 == ended.code


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("colour", [{}, {"NO_COLOR": "1"}])
def test_nothing_is_wider_than_the_terminal(
    shell: Shell, columns: int, colour: dict[str, str]
) -> None:
    """But commands and paths, which are there to be copied."""
    start(shell, "fetch")
    for words in (("show", "r"), ("failures", "r"), ("why", "r", "7")):
        code, text = shell.at_terminal(*words, columns=columns, **colour).end()

        lines = plain(text).splitlines()
        assert 0 == code
        wide = [line for line in lines if len(line) > columns]
        assert [] == [line for line in wide if "holdfast" not in line and "script.py" not in line]
        assert ("\x1b[" in text) <= (not colour)


# --- at a terminal ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "runs"), [(("y", "seen in the bank"), 1), (("r",), 2)])
def test_an_item_in_doubt_is_decided_at_the_prompt(
    shell: Shell, typed: tuple[str, ...], runs: int
) -> None:
    """The very process that asks goes on with the answer."""
    start(shell, "pay")
    fix(shell)
    at = shell.at_terminal("resume", "r")
    at.until("did item 3 of pay take effect")
    for line in typed:
        at.type(line + "\n")
        if line == "y":
            at.until("why\\?")
    code, text = at.end()

    assert 0 == code, text
    assert runs == ran(shell, 3)


@pytest.mark.slow
def test_a_budget_is_granted_at_the_prompt(shell: Shell) -> None:
    """The batch goes on at once, and asks again when as many more have failed; a no ends it."""
    at = shell.at_terminal("run", "script.py", "--id", "r", "-p", "how=budget")
    shown = at.until("the budget is 1(.|\\n)*\\[y\\]es")
    at.type("y\n")
    at.until("since it was granted anew(.|\\n)*\\[y\\]es")
    at.type("n\n")
    at.until("why\\?")
    at.type("enough\n")
    code, _ = at.end()

    assert "12 of 40 done" in shown or "11 of 40 done" in shown
    assert 1 == code
    assert 4 == batch(shell)["failed"]
