"""A fleet whose processes are killed, its own and those of its targets."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from tests.acceptance.fleets import asking
from tests.crash.soaking import dice_for

SLOW = """
from pathlib import Path
from holdfast import here, save, step, workflow

HERE = Path(__file__).parent

@step("{part} {target}")
def do_part(part, target):
    with open(HERE / "log", "a") as log:
        log.write(f"{part}-{target}\\n")
    for count in range(20_000):
        pass

@workflow(target="required")
def up():
    for part in ("drain", "upgrade", "check"):
        do_part(part, here().target)
"""


def children_of(pid: int) -> list[int]:
    """Return the processes below a process, by their command lines those of targets' runs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if parent == pid and b"--target" in words:
            found.append(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.kills
def test_fleets_and_targets_killed_at_random_repeat_nothing_that_is_done(tmp_path: Path) -> None:
    """SIGKILL of the fleet, or of one target's run; in no journal does a step that succeeded begin
    again, and every target ends well."""
    dice, zones = dice_for("fleet"), ("a:1", "b:1", "c:2", "d:2")
    fleet = asking(tmp_path, *zones)
    (tmp_path / "script.py").write_text(SLOW)
    words = ("fleet", "run", "script.py", "--targets", "all", "--id", "f", "--waves", "2,rest",
             "--at-once", "2", "--apart", "zone", "--budget", "6")  # fmt: skip
    for count in (2, 5, 9):
        run = fleet.begin(*words)
        while len(fleet.log()) < count:
            pass
        targets = children_of(run.pid)
        if targets and dice.random() < 0.5:
            with suppress(ProcessLookupError):
                os.kill(dice.choice(targets), signal.SIGKILL)
            run.until("unit failed|run f|f succeeded")
        run.signal(signal.SIGKILL)
        run.end()
    done = fleet(*words)
    if "failed" in fleet.status().values():
        done = fleet("retry", "f")

    assert 0 == done.code, done.err
    assert {"done"} == set(fleet.status().values())
    for zone in zones:
        facts = json.loads(fleet("log", f"f.{zone[0]}", "--json").out)["events"]
        over: list[str] = []
        for fact in facts:
            assert not (fact["kind"] == "StepStarted" and fact["key"] in over), fact
            if fact["kind"] == "StepSucceeded":
                over.append(fact["key"])
        assert 3 == len(over) == len(set(over))


@pytest.mark.slow
@pytest.mark.kills
def test_a_targets_process_that_is_killed_is_a_failure_and_is_taken_up_again(
    tmp_path: Path,
) -> None:
    """SIGKILL of a target's run alone: the budget counts it, and `retry` goes on where it was."""
    fleet = asking(tmp_path, "a:1", "b:2")
    script = (tmp_path / "script.py").read_text()
    slow = script.replace(
        "    upgrade(here().target)\n",
        "    upgrade(here().target)\n    hold_on(here().target)\n",
    ) + (
        '\n@step("hold on {target}")\ndef hold_on(target):\n    import os, time\n'
        '    (HERE / "pid").write_text(str(os.getpid()))\n'
        '    while (HERE / "slow").exists():\n        time.sleep(0.01)\n'
    )
    (tmp_path / "script.py").write_text(slow)
    (tmp_path / "slow").touch()
    run = fleet.begin("fleet", "run", "script.py", "--targets", "all", "--id", "f")
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        pass
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    said = run.end()
    found = fleet.status()
    (tmp_path / "slow").unlink()
    retried = fleet("retry", "f")

    assert 4 == said.code, said.err
    assert "interrupted" in said.err
    assert {"a": "failed", "b": "not reached"} == found
    assert 0 == retried.code, retried.err
    assert ["a", "b"] == fleet.log()
