"""`holdfast fleet`: many targets in waves, each with a run, a lock and a mode of its own."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.acceptance.fleets import Fleet
from tests.acceptance.shell import plain


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
    assert "zz: it waits for a person" in said.err
    assert "zz: waiting: on hold (run f.zz)" in picture
    assert [0, 0] == [answered.code, done.code], done.err
    assert ["c01", "zz", "c00"] == fleet.log()


def test_what_a_target_says_is_brief_and_no_command_of_it_is_cut(tmp_path: Path) -> None:
    """The fleet notes the times and offers the commands; a narrow terminal shows whole lines."""
    fleet = Fleet(tmp_path, 2, '[targets.zz]\nmode = "confirm"\nrisk = "low"\n')
    (tmp_path / "c01.broken").touch()
    words = ("fleet", "run", "script.py", "--targets", "all", "--id", "f", "--budget", "2")
    _, text = fleet.at_terminal(*words).end()
    log = fleet("log", "f", "c01").out

    live = plain(text).partition("ON HOLD f ")[0]
    assert "FAILED f.c01  (exit 1)" in live and "ON HOLD f.zz  (exit 3)" in live
    assert "holdfast " not in live
    assert "| step started " in log


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
