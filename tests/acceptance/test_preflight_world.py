"""A pre-flight that fails leaves a recorded world exactly as it was, also when it is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.worlds import MEMBERS, World

FAILED = 1
KILLED = -9

EFFECTS = (
    "snapshot before",
    "pause alerts",
    *(f"snapshot {node}" for node in MEMBERS),
    "set learners",
    "cordon etcd-0",
    "reserve a spare node",
    "pause repairs",
)
"""What the pre-flight changes, in its order; there is a question before it and one behind it."""
BORROWED = ("pause alerts", "cordon etcd-0", "pause repairs")

FAILURES = [f"before {what}" for what in ("healthy", *EFFECTS, "ready")]
FAILURES += [f"after {what}" for what in BORROWED]


def way_back(what: str) -> str:
    """Return the effect that gives back another one."""
    verb, _, name = what.partition(" ")
    return {"pause": f"resume {name}", "cordon": f"uncordon {name}"}.get(verb, f"undo {what}")


BACK = [way_back(what) for what in reversed(EFFECTS)]
MOMENTS = [f"{when} {what}" for what in BACK for when in ("before", "after")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def done_before(fail: str) -> list[str]:
    """Return what had taken effect when it failed there; other branches run to their ends."""
    when, _, what = fail.partition(" ")
    names = ["healthy", *EFFECTS, "ready"]
    done = names[1 : names.index(what) + (when == "after")]
    branches = [f"snapshot {node}" for node in MEMBERS]
    if what in branches:
        done = [*EFFECTS[:2], *(branch for branch in branches if branch != what)]
    return done


def given_back(fail: str) -> list[str]:
    """Return how that is given back, in the order of the undo. A step that borrows may owe from
    its start on, so it is given back too, unless its check says that there is nothing."""
    what = fail.removeprefix("before ")
    asked = [what] if what in BORROWED and what != "cordon etcd-0" else []
    return [way_back(done) for done in reversed(done_before(fail) + asked)]


@pytest.mark.parametrize("fail", FAILURES)
def test_a_preflight_that_fails_at_a_step_leaves_the_world_as_it_was(world: World, fail: str):
    """Byte for byte; what had taken effect was given back once. Mended, the same run goes on from
    the start of its pre-flight, and does everything once more."""
    said = world.run("prepare", fail=fail)

    assert (FAILED, True) == (said.code, f"it fails {fail}" in said.err), said.err
    assert "nothing is committed: what its stage did is undone" in said.err
    assert world.is_as_it_was
    assert sorted(done_before(fail) + given_back(fail)) == sorted(world.effects().elements())

    assert 0 == world("resume", "r").code
    assert {"learners": False, "upgraded": True} == world.now["settings"]
    assert ["somebody else's backup"] == world.now["paused"]
    assert {"yesterday", "before", *MEMBERS} == set(world.now["snapshots"])


def resumed(world: World, kill: str) -> None:
    """Begin the next life; it fails in its first step, when it has ended the undo."""
    said = world.gone_on_with(is_undone=kill.startswith("after"), fail="before healthy")

    assert (FAILED, True) == (said.code, "it fails before healthy" in said.err), said.err
    assert world.is_as_it_was


@pytest.mark.parametrize("kill", MOMENTS)
def test_killed_in_the_middle_of_its_undo_a_resume_ends_it(world: World, kill: str):
    """kill -9 before and after each thing that is given back: the next life ends the undo before
    anything else. Each undo took effect once: it was asked about, unless its check told. Of what is
    owed, only what was in hand was given back twice."""
    assert KILLED == world.run("prepare", fail="before ready", kill=kill).code
    resumed(world, kill)

    counted = world.effects()
    assert {*EFFECTS, *BACK} == set(counted)
    owed = {way_back(what) for what in BORROWED}
    assert {what for what, n in counted.items() if n > 1} <= owed & {kill.removeprefix("after ")}
    is_unknown = "undo" in kill and "reserve" not in kill
    assert is_unknown == bool(world.asked)
    assert 0 == world("resume", "r").code
    assert {"learners": False, "upgraded": True} == world.now["settings"]


@pytest.mark.parametrize("fail", [fail for fail in FAILURES if given_back(fail)])
def test_each_failure_may_be_killed_in_the_middle_of_its_undo(world: World, fail: str):
    """Wherever it fails: killed when it has given back half, the world is as it was in the end."""
    back = given_back(fail)
    kill = f"after {back[len(back) // 2]}"
    assert KILLED == world.run("prepare", fail=fail, kill=kill).code
    resumed(world, kill)

    assert {*done_before(fail), *back} == set(world.effects())
