"""An upgrade of three members goes back until the last one has flipped, in processes on a world."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.worlds import AT_FIRST, MEMBERS, World

FAILED, ROLLED_BACK, KILLED = 1, 0, -9
REASON = "the last member makes the cluster version 3.5: 3.4 cannot join again"
FLIPS = [f"flip {node} to 3.5" for node in MEMBERS]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("how", ["failed", "killed"])
def test_a_rollback_works_after_one_and_two_members(world: World, members: int, how: str):
    """A member is sick, or the driver was killed right after it flipped: the members are set back,
    the last one first, and the world is as it was, cluster version and all."""
    sick = f"after {MEMBERS[members - 1]}"
    if how == "failed":
        assert FAILED == world.run("upgrade", fail=sick).code
    else:
        assert KILLED == world.run("upgrade", kill=sick).code
    assert members == list(world.now["members"].values()).count("3.5")
    assert "3.4" == world.now["cluster_version"]
    said = world("rollback", "r")

    assert ROLLED_BACK == said.code, said.err
    assert world.is_as_it_was
    back = [f"flip {node} to 3.4" for node in MEMBERS[:members]]
    assert [1] * members == [world.effects()[what] for what in back]


def test_after_the_third_member_a_rollback_is_refused_with_the_reason(world: World):
    """Nothing is changed by it, and it is right to refuse: the member would not start again. The
    run can still be gone on with."""
    said = world.run("upgrade", fail=f"after {MEMBERS[2]}")
    assert FAILED == said.code
    assert "holdfast rollback" not in said.err
    assert "3.5" == world.now["cluster_version"]
    before = world.file.read_bytes()
    refused = world("rollback", "r")

    assert (FAILED, True) == (refused.code, REASON in refused.err), refused.err
    assert "nothing was undone" in refused.err
    assert before == world.file.read_bytes()
    assert 0 == world("resume", "r").code
    assert [1, 1, 1] == [world.effects()[flip] for flip in FLIPS]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_the_last_flip_a_rollback_is_refused_too(world: World, when: str):
    """Nobody can tell from outside whether the last member has flipped: the point was recorded
    before it was tried. A resume ends the upgrade."""
    assert KILLED == world.run("upgrade", kill=f"{when} {FLIPS[2]}").code
    refused = world("rollback", "r")

    assert (FAILED, True) == (refused.code, REASON in refused.err), refused.err
    assert 0 == world("resume", "r").code
    assert dict.fromkeys(MEMBERS, "3.5") == world.now["members"]


def test_after_two_members_the_rest_may_also_be_gone_on_with(world: World):
    """Set back to where the second member began, the same run does the second and the third."""
    assert FAILED == world.run("upgrade", fail=f"after {MEMBERS[1]}").code
    said = world("rollback", "r", "--to", f"set {MEMBERS[1]} to 3.5")
    assert 0 == said.code, said.err
    assert {**AT_FIRST["members"], MEMBERS[0]: "3.5"} == world.now["members"]

    assert 0 == world("resume", "r").code
    assert dict.fromkeys(MEMBERS, "3.5") == world.now["members"]
    assert not any(world.now["cordoned"].values())


@pytest.mark.parametrize("what", [f"flip {MEMBERS[1]} to 3.4", f"uncordon {MEMBERS[1]}"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_rollback_killed_in_the_middle_is_gone_on_with(world: World, when: str, what: str):
    """kill -9 before and after a member is set back, or uncordoned: `resume` ends the rollback. The
    member is set back once, because that was asked about; a node is uncordoned again unasked."""
    assert FAILED == world.run("upgrade", fail=f"after {MEMBERS[1]}").code
    assert KILLED == world("rollback", "r", kill=f"{when} {what}").code
    said = world.gone_on_with(is_undone=when == "after")

    assert ROLLED_BACK == said.code, said.err
    assert world.is_as_it_was
    assert ([f"flight/set {MEMBERS[1]} to 3.5#undo"] if "flip" in what else []) == world.asked
    assert [1, 1] == [world.effects()[f"flip {node} to 3.4"] for node in MEMBERS[:2]]
