"""The verbs with which an operator has something done again, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.acceptance.shell import Said, Shell

SCRIPT = """
from pathlib import Path
from holdfast import parallel, step, workflow

HERE = Path(__file__).parent

def note(text):
    with open(HERE / "notes", "a") as log:
        log.write(text + "\\n")
    return text

def is_cordoned(node):
    return (HERE / f"{node}.cordoned").exists()

@step("cordon {node}", check=is_cordoned)
def cordon(node):
    (HERE / f"{node}.cordoned").touch()
    return note(f"cordon {node}")

@step("image {node}")
def image(node, tag):
    return note(f"{node} {tag}")

@step("pay", once=True)
def pay(times: int):
    return note("pay")

@step("count")
def count() -> int:
    if not (HERE / "fixed").exists():
        raise ValueError("not fixed")
    return 3

@workflow
def work(tag: str, times: int = 1):
    def one(node):
        cordon(node)
        return image(node, tag)
    nodes = parallel(("n1", one, "n1"), ("n2", one, "n2"), at_once=1)
    pay(times)
    return [nodes, count()]
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path, SCRIPT)
    assert 1 == made("run", "script.py", "--id", "r", "-p", "tag=old").code
    return made


def notes(shell: Shell) -> list[str]:
    return (shell.folder / "notes").read_text().splitlines()


def shown(shell: Shell) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(shell("show", "r", "--json").out)
    return found


def fixed(shell: Shell) -> Shell:
    (shell.folder / "fixed").touch()
    return shell


def result(said: Said) -> object:
    return json.loads(said.out.splitlines()[-1])


def test_rewind_to_a_node_with_another_parameter(shell: Shell) -> None:
    """The node runs again with it, and what was before the node does not; `log --all` has both."""
    refused = shell("rewind", "r", "--to", "n2")
    said = shell("rewind", "r", "--to", "n2", "-m", "the tag was wrong")
    (shell.folder / "n2.cordoned").unlink()
    resumed = fixed(shell)("resume", "r", "--set", "tag=new")

    assert (2, 0, 0) == (refused.code, said.code, resumed.code), resumed.err
    assert "pay; say why: add -m REASON" in refused.err
    assert "r: back to n2: 4 steps run again" in said.out
    assert "holdfast resume r" in said.err
    assert "set tag" in resumed.err
    assert ["cordon n1", "n1 old", "cordon n2", "n2 old", "pay"] == notes(shell)[:5]
    assert ["cordon n2", "n2 new", "pay"] == notes(shell)[5:]
    assert [["n1 old", "n2 new"], 3] == result(resumed)
    assert {"tag": "new", "times": 1} == shown(shell)["run"]["params"]
    once, all_of_it = shell("log", "r").out, shell("log", "r", "--all").out
    assert (1, 2) == tuple(text.count("n2/image n2 started") for text in (once, all_of_it))
    same = shell("run", "script.py", "--id", "r", "-p", "tag=new")
    assert (0, 2) == (same.code, shell("run", "script.py", "--id", "r", "-p", "tag=old").code)


def test_why_tells_that_it_was_taken_back(shell: Shell) -> None:
    """Who, where to, and how to go on; the audit has it."""
    shell("rewind", "r", "--to", "pay", "-m", "it bounced")
    why, audit = shell("why", "r").out, shell("export", "r", "--md").out

    assert "taken back to pay" in why and "it bounced" in why
    assert "holdfast resume r" in why
    assert "went back to pay" in audit
    assert "stopped" == shown(shell)["run"]["status"]


def test_set_is_refused_before_anything_is_recorded(shell: Shell) -> None:
    """A wrong type, an unknown name: exit 2, and the journal is as it was."""
    before = shell("log", "r", "--json").out
    said = [
        shell("resume", "r", "--set", "times=many"),
        shell("retry", "r", "--set", "what=1"),
        shell("resume", "r", "--set", "times"),
    ]

    assert [2, 2, 2] == [one.code for one in said]
    assert "takes int" in said[0].err and "no parameter 'what'" in said[1].err
    assert before == shell("log", "r", "--json").out


def test_retry_with_another_parameter_of_a_finished_step_asks(shell: Shell) -> None:
    """Other inputs of what is done are drift, with the command that runs it anew."""
    said = fixed(shell)("retry", "r", "--set", "times=2", "--no-input")

    assert 3 == said.code
    assert "holdfast retry r pay" in said.err
    assert "holdfast resume r --accept-drift" in said.err


def test_recheck_holds_on_what_somebody_undid_by_hand(shell: Shell) -> None:
    """It lists the step, and what can be done; `retry` does it again, and the run goes on."""
    (shell.folder / "n1.cordoned").unlink()
    held = fixed(shell)("resume", "r", "--recheck")
    again = shell("resume", "r")
    retried = shell("retry", "r", "cordon n1", "-m", "uncordoned by hand")

    assert (3, 3, 0) == (held.code, again.code, retried.code), retried.err
    assert "asked 2 checks of finished steps again: 1 did not say that it is so" in held.err
    assert "absent" in held.err and "n1/cordon n1" in held.err
    assert "holdfast retry r 'n1/cordon n1'" in held.err
    assert ["cordon n1", "n1 old", "cordon n2", "n2 old", "pay", "cordon n1"] == notes(shell)
    assert [["n1 old", "n2 old"], 3] == result(retried)


def test_recheck_of_a_world_as_it_should_be_goes_on(shell: Shell) -> None:
    """And says how many were asked."""
    said = fixed(shell)("resume", "r", "--recheck")

    assert 0 == said.code
    assert "asked 2 checks of finished steps again: all is still so" in said.err


def test_done_wants_what_the_step_returns(shell: Shell) -> None:
    """At once where the script is there; the next resume has the value."""
    refused = shell("done", "r", "count", "--output", '"many"', "-m", "counted")
    missing = shell("done", "r", "count", "-m", "counted")
    said = shell("done", "r", "count", "--output", "7", "-m", "counted")
    resumed = shell("resume", "r")

    assert [2, 2, 0, 0] == [one.code for one in (refused, missing, said, resumed)]
    assert "returns int, and 'many' is not that" in refused.err
    assert "add it, as --output" in missing.err
    assert [["n1 old", "n2 old"], 7] == result(resumed)


def test_done_and_skip_of_a_scope_list_its_steps(shell: Shell) -> None:
    """They are about one step."""
    for verb in ("done", "skip"):
        said = shell(verb, "r", "n1", "-m", "x")

        assert 2 == said.code
        assert "n1/cordon n1, n1/image n1" in said.err


def test_skip_of_a_step_that_asks_is_its_answer(shell: Shell) -> None:
    """In the mode `confirm` the step has not begun; it is skipped all the same."""
    shell("run", "script.py", "--id", "s", "-p", "tag=x", "--mode", "confirm", "--no-input")
    said = shell("skip", "s", "image n1", "-m", "it has that image")
    shell("resume", "s", "--no-input")

    assert (0, 1) == (said.code, shell("show", "s").out.count("skipped by"))


def test_stop_all_stops_what_lives_and_what_rests(shell: Shell) -> None:
    """It lists every run; none of them begins another step until somebody resumes it."""
    both = shell("stop", "--all", "r")
    shell("run", "script.py", "--id", "done", "-p", "tag=x")
    said = shell("stop", "--all")
    again = shell("stop", "--all")
    same = fixed(shell)("run", "script.py", "--id", "r", "-p", "tag=old")

    assert [2, 0, 0, 3] == [one.code for one in (both, said, again, same)]
    assert {
        "r: asked to stop; no process works on it",
        "done: asked to stop; no process works on it",
    } == set(said.out.splitlines())
    assert "asked to stop already" in again.out


def test_stop_all_now_ends_the_processes(tmp_path: Path) -> None:
    """The step in hand is named, and its process is gone afterwards."""
    shell = Shell(tmp_path, LINGER)
    living = shell.begin("run", "script.py", "--id", "r")
    living.until("lingering")
    said = shell("stop", "--all", "--now")
    ended = living.end()

    assert 0 == said.code
    assert f"r: asked to stop; in hand in pid {living.pid}" in said.out
    assert ": linger" in said.out and "has ended" in said.out
    assert ended.code != 0


LINGER = """
import time
from holdfast import step, workflow

@step("linger")
def linger():
    print("lingering", flush=True)
    time.sleep(60)

@workflow
def work():
    linger()
"""
