"""The runs of a fleet's targets: each its own, in the fleet's store, and told of by the fleet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.acceptance.fleets import SCRIPT, Fleet, asking
from tests.acceptance.shell import Shell

LONG = "node-" + "x" * 80 + ".example"
OWING = """
from holdfast import confirm, here, step, workflow

@step("uncordon {target}")
def uncordon(target): ...

@step("cordon {target}", owes=uncordon)
def cordon(target): ...

@workflow(target="required")
def up():
    target = here().target
    cordon(target)
    confirm("go on?")
    uncordon(target)
"""


def named(folder: Path, *names: str) -> Fleet:
    """Return a fleet of targets with these names."""
    return Fleet(folder, 0, "".join(f"[targets.{json.dumps(name)}]\n" for name in names))


def test_names_that_an_id_cannot_hold_are_other_runs(tmp_path: Path) -> None:
    """Each target is done, and is not taken for another."""
    names = ["web 1", "web/1", "web-1", "库一", "库二", LONG]
    fleet = named(tmp_path, *names)
    said = fleet.roll()
    again = fleet.roll()

    assert [0, 0] == [said.code, again.code], said.err
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(names) == sorted(lines)
    runs = json.loads(said.out)["v"]["done"]
    assert len(names) == len(set(runs.values()))
    assert "f.web-1" == runs["web-1"]


def test_a_run_of_that_id_that_is_another_is_not_the_targets(tmp_path: Path) -> None:
    """With other parameters it was not done; the child's own words say so, and where they are."""
    fleet = Fleet(tmp_path, 1)
    fleet("run", "script.py", "--id", "f.c00", "--target", "c00", "-p", "image=3.0")
    said = fleet.roll("-p", "image=9.9")
    log = fleet("log", "f", "c00/run c00").out

    assert 4 == said.code, said.err
    assert "run f.c00 succeeded (exit 2): " in said.err
    assert "holdfast log f 'c00/run c00'" in " ".join(said.err.split())
    assert "image" in log


@pytest.mark.parametrize(
    "words, why",
    [
        (("nope.py",), "no file nope.py"),
        (("script.py:nope",), "no workflow 'nope'"),
        (("script.py", "--window", "Mon 09:00-17:00 Europe/Brelin"), "no time zone"),
        (("script.py", "--id", "f" * 63), "at most 40"),
        (("script.sh",), "shell script"),
        (("needy.py",), "tables"),
    ],
)
def test_what_no_target_could_begin_is_refused_first(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    """Exit 2, and nothing is recorded."""
    fleet = Fleet(tmp_path, 2)
    (tmp_path / "script.sh").write_text("#!/bin/sh\n")
    (tmp_path / "needy.py").write_text(SCRIPT.replace('image: str = "3.5"', "tables: list[str]"))
    said = fleet("fleet", "run", *words, "--targets", "all")

    assert 2 == said.code, said.err
    assert why in said.err
    assert not fleet.store.exists()


def test_a_fleet_that_is_resumed_from_elsewhere_has_its_targets_in_its_store(
    tmp_path: Path,
) -> None:
    """A store and an inventory that were named from where it began are found from everywhere."""
    fleet = Fleet(tmp_path, 2)
    (tmp_path / "else").mkdir()
    words = ("--store", "state/holdfast.db", "--config", "holdfast.toml")
    first = fleet("fleet", "run", "script.py", "--targets", "all", "--id", "f", "--stop-after", "1",
                  *words)  # fmt: skip
    there = Shell(tmp_path / "else", SCRIPT)
    there.store = fleet.store
    done = there("resume", "f", "--config", "../holdfast.toml")

    assert [75, 0] == [first.code, done.code], done.err
    assert ["c00", "c01"] == sorted(fleet.log())
    assert [] == list((tmp_path / "else").rglob("*.db"))


def test_a_target_that_is_done_is_kept_until_its_fleet_is_over(tmp_path: Path) -> None:
    """`gc` does not make the fleet do it again."""
    fleet = Fleet(tmp_path, 2)
    fleet.roll("--stop-after", "1")
    kept = fleet("gc", "--older-than", "0s")
    done = fleet("resume", "f")
    gone = fleet("gc", "--older-than", "0s")

    assert [0, 0, 0] == [kept.code, done.code, gone.code]
    assert "f.c" not in kept.out
    assert 2 == len(fleet.log())
    assert 2 == gone.out.count("f.c")


def test_a_fleet_tells_what_its_targets_wait_for_and_owe(tmp_path: Path) -> None:
    """At its stop, and in `why`, which names what was answered no more."""
    fleet = asking(tmp_path, "a:1", "b:2")
    (tmp_path / "script.py").write_text(OWING)
    said = fleet.roll()
    why = json.loads(fleet("why", "f", "--json").out)
    dues = [fleet("resume", "--due").code for _ in range(2)]
    lives = json.loads(fleet("show", "f", "--json").out)
    fleet("approve", "f.a")
    later = fleet("why", "f").out
    due = fleet("resume", "--due")

    assert 3 == said.code, said.err
    assert "uncordon a (run f.a)" in said.err
    assert "resume f  # go on, once one of them can" in said.err and "--due" not in said.err
    texts = [reason["text"] for reason in why["reasons"]]
    assert [f"{name}: it waits for a person: go on?" for name in "ab"] == texts
    assert [0, 0] == dues
    assert "on_hold" == lives["run"]["status"]
    assert "a: it waits" not in later and "b: it waits" in later
    assert 3 == due.code
    assert "succeeded" == json.loads(fleet("show", "f.a", "--json").out)["run"]["status"]


def test_what_was_stopped_with_its_fleet_is_named_with_the_way_on(tmp_path: Path) -> None:
    """`resume` of the fleet alone does not lift what a person stopped."""
    fleet = asking(tmp_path, "a:1?")
    fleet.roll()
    fleet("stop", "--all")
    stopped = fleet("resume", "f")
    fleet("approve", "f.a")

    assert 3 == stopped.code
    assert " resume f.a " in stopped.err
    assert 0 == fleet("resume", "f.a").code
    assert 0 == fleet("resume", "f").code


def test_all_that_failed_is_taken_up_again_at_once(tmp_path: Path) -> None:
    """`retry FLEET` names none; a target's step is decided in its own run, and undone there."""
    fleet = Fleet(tmp_path, 3)
    for name in ("c01", "c02"):
        (tmp_path / f"{name}.broken").touch()
    held = fleet.roll("--at-once", "3")
    refused = [
        fleet("skip", "f", "c01/run c01", "-m", "no"),
        fleet("done", "f", "c01/run c01", "-m", "no"),
        fleet("rollback", "f"),
    ]
    for name in ("c01", "c02"):
        (tmp_path / f"{name}.broken").unlink()
    done = fleet("retry", "f")

    assert 4 == held.code
    assert "retry f  # run all 2 that failed again" in held.err
    assert [2, 2, 2] == [said.code for said in refused]
    assert "holdfast skip f.c01 STEP" in refused[0].err
    assert "holdfast rollback f.TARGET" in " ".join(refused[2].err.split())
    assert 0 == done.code, done.err
    assert {"done"} == set(fleet.status().values())
