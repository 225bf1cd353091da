"""`holdfast fleet`: many targets in waves, each with a run, a lock and a mode of its own."""

from __future__ import annotations

import json
import os
import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from tests.acceptance.shell import Said, Shell, plain

SCRIPT = """
from pathlib import Path
from holdfast import here, step, workflow

HERE = Path(__file__).parent

@step("upgrade {target}")
def upgrade(target):
    with open(HERE / "log", "a") as log:
        log.write(target + "\\n")
    if (HERE / f"{target}.broken").exists():
        raise OSError("image not found")

@workflow(target="required")
def up(image: str = "3.5"):
    upgrade(here().target)
    return image
"""
RISKS = ("high", "low", "medium", "low")


class Fleet(Shell):
    """A folder with an inventory of so many clusters."""

    def __init__(self, folder: Path, count: int, more: str = "") -> None:
        super().__init__(folder, SCRIPT)
        targets = [
            f'[targets."c{n:02}"]\nrisk = "{RISKS[n % 4]}"\nmode = "auto"\n'
            f'labels = {{ tier = "{"prod" if n % 2 else "stage"}" }}\n'
            for n in range(count)
        ]
        (folder / "holdfast.toml").write_text("\n".join(targets) + more)

    def roll(self, *words: str, id: str = "f", targets: str = "all") -> Said:
        return self("fleet", "run", "script.py", "--targets", targets, "--id", id, *words)

    def status(self) -> dict[str, str]:
        found = json.loads(self("fleet", "status", "f", "--json").out)
        units = [unit for wave in found["rollouts"][0]["waves"] for unit in wave]
        return {unit["unit"]: unit["status"] for unit in units}

    def log(self) -> list[str]:
        file = self.folder / "log"
        return file.read_text().split() if file.exists() else []


@pytest.mark.slow
def test_forty_clusters_in_waves_with_one_that_fails(tmp_path: Path) -> None:
    """The budget holds, the others are not reached, and the picture says so; then it goes on."""
    fleet = Fleet(tmp_path, 40)
    (tmp_path / "c07.broken").touch()
    run = fleet.begin(
        "fleet", "run", "script.py", "--targets", "all", "--id", "f", "--waves", "1,10%,rest",
    )  # fmt: skip
    said = run.end()
    found = fleet.status()
    picture = fleet("fleet", "status", "f").out

    assert 4 == said.code, said.err
    assert ["done"] * 3 + ["failed"] + ["not reached"] * 36 == list(found.values())
    assert ["c01", "c03", "c05", "c07"] == list(found)[:4] == fleet.log()
    assert "40 units in 3 waves: 3 done · 1 failed · 36 not reached; budget 1 of 0" in picture
    assert "wave 2      2/4  ✔✔✖." in picture
    assert "why f.c07" in picture
    (tmp_path / "c07.broken").unlink()
    again = fleet.begin("retry", "f")
    again.until("unit closed c11")
    fleet("stop", "f")
    stopped = again.end()
    found = fleet.status()

    assert 3 == stopped.code, stopped.err[-2000:]
    assert ["done"] * 5 == list(found.values())[:5]
    assert 1 == fleet.log().count("c01") and 2 == fleet.log().count("c07")


def test_the_least_risky_come_first_and_labels_choose(tmp_path: Path) -> None:
    """Then by name."""
    fleet = Fleet(tmp_path, 8)
    said = fleet.roll(targets="tier=stage")

    assert 0 == said.code, said.err
    assert ["c02", "c06", "c00", "c04"] == fleet.log()


def test_a_fleet_stops_after_so_many_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """Exit 75; those that are done are not begun again."""
    fleet = Fleet(tmp_path, 3)
    codes = [fleet.roll("--stop-after", "1").code for _ in range(3)]

    assert [75, 75, 0] == codes
    assert ["c01", "c02", "c00"] == fleet.log()


def test_a_target_that_waits_for_a_person_is_no_failure(tmp_path: Path) -> None:
    """Exit 3; the picture names the command; once it is answered the fleet goes on."""
    fleet = Fleet(tmp_path, 2, '[targets.zz]\nmode = "confirm"\nrisk = "low"\n')
    said = fleet.roll("--waves", "1,1,rest")
    picture = fleet("fleet", "status", "f").out
    answered = fleet("approve", "f.zz")
    done = fleet("resume", "f")

    assert 3 == said.code, said.err
    assert "zz waits for a person" in said.err
    assert "zz: waiting: on hold (run f.zz)" in picture
    assert [0, 0] == [answered.code, done.code], done.err
    assert ["c01", "zz", "c00"] == fleet.log()


def test_a_target_that_another_run_has_fails_and_nothing_is_done_to_it(tmp_path: Path) -> None:
    """Its lock is its own."""
    fleet = Fleet(tmp_path, 2)
    (tmp_path / "c01.broken").touch()
    fleet("run", "script.py", "--target", "c01", "--id", "other")
    said = fleet.roll("--budget", "1")

    assert 0 == said.code, said.err
    assert {"c01": "failed", "c00": "done"} == fleet.status()
    assert ["c01", "c00"] == fleet.log()


def test_parameters_go_to_every_target(tmp_path: Path) -> None:
    """And a wrong one is refused before anything begins."""
    fleet = Fleet(tmp_path, 1)
    wrong = fleet.roll("-p", "size=3")
    right = fleet.roll("-p", "image=3.6")
    child = json.loads(fleet("show", "f.c00", "--json").out)

    assert [2, 0] == [wrong.code, right.code]
    assert "3.6" == child["run"]["result"]


@pytest.mark.parametrize(
    "words",
    [("--targets", "tier=none"), ("--targets", "all", "--waves", "1"),
     ("--targets", "all", "--waves", "some")],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_recorded(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """With what there is instead."""
    fleet = Fleet(tmp_path, 2)
    said = fleet("fleet", "run", "script.py", *words)

    assert 2 == said.code
    assert not fleet.store.exists()


@pytest.mark.slow
def test_a_killed_fleet_goes_on_and_so_do_its_targets(tmp_path: Path) -> None:
    """SIGKILL of the fleet takes the target's process with it; both are taken up again."""
    fleet = Fleet(tmp_path, 3)
    words = ("fleet", "run", "script.py", "--targets", "all", "--id", "f")
    for count in (1, 2):
        run = fleet.begin(*words)
        while len(fleet.log()) < count:
            pass
        run.signal(signal.SIGKILL)
        run.end()
    done = fleet(*words)

    assert 0 == done.code, done.err
    assert {"done"} == set(fleet.status().values())
    assert ["c00", "c01", "c02"] == sorted(set(fleet.log()))


def test_the_picture_fits_its_terminal(tmp_path: Path) -> None:
    """In colour where there is colour."""
    fleet = Fleet(tmp_path, 2)
    fleet.roll()
    code, text = fleet.at_terminal("fleet", "status", "f", columns=60).end()

    assert 0 == code
    assert "✔✔" in plain(text)
    assert [] == [line for line in plain(text).splitlines() if len(line) > 60]


# --- targets that wait --------------------------------------------------------------------------

ZONES = '[targets.{name}]\nmode = "{mode}"\nrisk = "low"\nlabels = {{ zone = "{zone}" }}\n'


def asking(folder: Path, *targets: str) -> Fleet:
    """Return a fleet of these targets: NAME:ZONE, where a `?` means that it asks."""
    lines = []
    for target in targets:
        name, _, zone = target.partition(":")
        mode = "confirm" if zone.endswith("?") else "auto"
        lines.append(ZONES.format(name=name, mode=mode, zone=zone.rstrip("?")))
    return Fleet(folder, 0, "\n".join(lines))


def test_while_one_waits_its_wave_goes_on_and_the_next_does_not_begin(tmp_path: Path) -> None:
    """The one that waits takes no place of those that run; answered, the next wave follows."""
    fleet = asking(tmp_path, "a:1", "b:1?", "c:2", "d:2?", "e:3")
    said = fleet.roll("--waves", "4,rest")
    found = fleet.status()
    again = fleet.roll("--waves", "4,rest")
    shown = json.loads(fleet("show", "f.b", "--json").out)
    why = fleet("why", "f").out
    answered = [fleet("approve", f"f.{name}").code for name in "bd"]
    done = fleet("resume", "f")

    assert [3, 3] == [said.code, again.code], said.err
    assert ["a", "c"] == fleet.log()[:2]
    expected = {"a": "done", "b": "waiting", "c": "done", "d": "waiting", "e": "not reached"}
    assert expected == found
    assert "2 done · 2 waiting · 1 not reached" in said.err
    assert "2 targets wait for a person: b (" in said.err and "fleet status f" in why
    assert 1 == len(shown["holds"])
    assert [[0, 0], 0] == [answered, done.code], done.err
    assert ["a", "c", "b", "d", "e"] == fleet.log()


def test_what_is_apart_from_one_that_waits_is_not_begun(tmp_path: Path) -> None:
    """It may be half done: its zone is not free; other zones go on."""
    fleet = asking(tmp_path, "a:1?", "b:1", "c:2")
    said = fleet.roll("--apart", "zone", "--at-once", "3")
    found = fleet.status()
    fleet("approve", "f.a")
    done = fleet("resume", "f")

    assert 3 == said.code, said.err
    assert {"a": "waiting", "b": "not reached", "c": "done"} == found
    assert 0 == done.code, done.err
    assert ["c", "a", "b"] == fleet.log()


def test_one_that_waits_and_one_that_fails_are_two_things(tmp_path: Path) -> None:
    """The budget counts what failed, and says so with its own exit code; the question stays."""
    fleet = asking(tmp_path, "a:1?", "b:1", "c:2", "d:3")
    (tmp_path / "b.broken").touch()
    said = fleet.roll("--waves", "2,rest")
    found = fleet.status()
    (tmp_path / "b.broken").unlink()
    retried = fleet("retry", "f")

    assert 4 == said.code, said.err
    assert {"a": "waiting", "b": "failed", "c": "not reached", "d": "not reached"} == found
    assert 3 == retried.code, retried.err
    assert ["b", "b"] == fleet.log()


def test_a_fleet_that_waits_goes_on_when_it_is_answered(tmp_path: Path) -> None:
    """With --wait the process stays; also when a person goes on with the target himself."""
    fleet = asking(tmp_path, "a:1?", "b:1?", "c:2")
    run = fleet.begin(
        "fleet", "run", "script.py", "--targets", "all", "--id", "f", "--waves", "2,rest", "--wait"
    )
    run.until("2 targets wait for a person")
    fleet("approve", "f.a")
    run.until("unit closed a")
    fleet("approve", "f.b")
    by_hand = fleet("resume", "f.b")
    said = run.end()

    assert 0 == said.code, said.err
    assert by_hand.code in (0, 2, 5), by_hand.err
    assert ["a", "b", "c"] == fleet.log()


def test_gates_a_window_and_a_question_stand_between_the_waves(tmp_path: Path) -> None:
    """Gates are found in the workflow's file, or in another; nothing is guessed about a name."""
    fleet = asking(tmp_path, "a:1", "b:2")
    (tmp_path / "watch.py").write_text(
        "from pathlib import Path\nfrom holdfast import Gate\n"
        "def is_well():\n    return not (Path(__file__).parent / 'ill').exists()\n"
        "well = Gate('is it well', is_well, every='10ms', samples=2)\n"
    )
    rules = (
        "--gate",
        "watch.py:well",
        "--between",
        "confirm",
        "--window",
        "Mon-Sun 00:00-24:00 UTC",
    )
    (tmp_path / "ill").touch()
    wrong = fleet.roll("--gate", "nothing")
    stopped = fleet.roll("--waves", "1,1", *rules)
    (tmp_path / "ill").unlink()
    asked = fleet("retry", "f")
    fleet("approve", "f")
    done = fleet("resume", "f")

    assert 2 == wrong.code and "script.py:nothing: nothing is nothing there" in wrong.err
    assert 4 == stopped.code and "is it well" in stopped.err, stopped.err
    assert 3 == asked.code and "wave 1 of 2 is done: go on with 1 unit?" in asked.err, asked.err
    assert 0 == done.code, done.err
    assert ["a", "b"] == fleet.log()


def test_a_label_that_no_target_has_is_refused(tmp_path: Path) -> None:
    """A typing mistake must not let two of a zone run together."""
    fleet = asking(tmp_path, "a:1", "b:2")
    said = fleet.roll("--apart", "zoen")

    assert 2 == said.code
    assert "they have: zone" in said.err
    assert not fleet.store.exists()


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
def test_fleets_and_targets_killed_at_random_repeat_nothing_that_is_done(tmp_path: Path) -> None:
    """SIGKILL of the fleet, or of one target's run; in no journal does a step that succeeded begin
    again, and every target ends well."""
    dice, zones = random.Random(7), ("a:1", "b:1", "c:2", "d:2")
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
