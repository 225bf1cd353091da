"""A fleet of which a target waits for a person, and the rules between its waves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.acceptance.fleets import asking


@pytest.mark.slow
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
    assert "b: it waits for a person" in said.err and "d: it waits for a person" in why
    assert "fleet status f" in why
    assert 1 == len(shown["holds"])
    assert [[0, 0], 0] == [answered, done.code], done.err
    assert ["a", "c", "b", "d", "e"] == fleet.log()


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_fleet_that_waits_goes_on_when_it_is_answered(tmp_path: Path) -> None:
    """With --wait the process stays, of a `resume` as of the first command; also when a person
    goes on with the target himself."""
    fleet = asking(tmp_path, "a:1?", "b:1?", "c:2")
    parked = fleet.roll("--waves", "2,rest")
    assert 3 == parked.code, parked.err
    run = fleet.begin("resume", "f", "--wait")
    run.until("2 targets wait for a person")
    fleet("approve", "f.a")
    run.until("unit closed a")
    fleet("approve", "f.b")
    by_hand = fleet("resume", "f.b")
    said = run.end()

    assert 0 == said.code, said.err
    assert by_hand.code in (0, 2, 5), by_hand.err
    assert ["a", "b", "c"] == fleet.log()


@pytest.mark.slow
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
