"""A rolling upgrade of a real etcd cluster under load: whatever happens, no write fails."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.etcd import MEMBERS, NEW, Cluster, killed, needs_lab

pytestmark = [needs_lab, pytest.mark.slow]
DONE, FAILED, HELD, GATE, LOCKED = 0, 1, 3, 4, 5
OLD = "etcd:3.4"
REASON = "server version is lower than determined cluster version"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that is written to; in the end every acknowledged write is read back."""
    cluster = Cluster(tmp_path)
    with cluster.lab:
        yield cluster
    told = cluster.lab.tally()
    assert told["writes"] > 100
    assert (0, 0) == (told["failed"], told["lost"]), told


def is_upgraded_once(cluster: Cluster) -> bool:
    """Whether all members run 3.5, and each thing was done to each of them once."""
    nodes = [f"{verb} node-{n}" for verb in ("cordon", "uncordon") for n in range(3)]
    assert Counter([*nodes, *MEMBERS, "move-leader"]) == cluster.changes()
    assert [[OLD, NEW]] * 3 == cluster.starts()
    assert [] == cluster.cordoned()
    return True


def test_steps_ask_until_they_have_earned_it(cluster: Cluster):
    """Without a terminal nothing is done unasked: it parks, exit 3. On the risky target the first
    members are asked about; what was clean twice goes on by itself at the third. The gates passed
    before, during and after."""
    said = cluster(*cluster.words("r", "etcd/prod"))
    assert (HELD, Counter({"move-leader": 0})) == (said.code, cluster.changes()), said.err
    asked = []
    while cluster.status_of("r") == "on_hold":
        asked += [hold["key"] for hold in cluster.shown("r")["holds"] if hold["status"] == "open"]
        assert DONE == cluster("approve", "r").code
        said = cluster("resume", "r", "--no-input", "--plain")

    assert DONE == said.code, said.err
    assert is_upgraded_once(cluster)
    decided = {step["key"]: step["decided_by"] for step in cluster.shown("r")["steps"]}
    first, second, third = (key for key in decided if "/cordon node-" in key)
    assert {first, second} < set(asked)
    assert "approved by" in decided[second]
    assert decided[third].startswith("earned: 2 of 2 clean in a row")
    gates = [key for key in decided if key.endswith(("/p99", "/p99 before"))]
    assert 6 == len(gates), gates


def test_killed_at_boundaries_and_inside_steps_it_ends_the_same(cluster: Cluster):
    """kill -9 inside the cordon, the change of the image and the move of the leader, between
    steps, and while a gate samples: each time the next life goes on, and nothing was done twice.
    While it lives, a second run on the target is refused, exit 5."""
    words = (*cluster.words("r", "etcd/staging"), "--mode", "auto")
    for inside, after in (
        (("PATCH", "/nodes/"), "already_done .*/cordon"),
        (("PATCH", "/pods/"), "gate watching flight/.*/p99"),
        (("move-leader",), "already_done .*/move the leader"),
    ):
        with cluster.stopping(*inside) as middle:
            life = cluster.begin(*words)
            middle.wait_until_reached()
            assert LOCKED == cluster(*cluster.words("other", "etcd/staging")).code
            killed(life)
        life = cluster.begin(*words)
        life.until(after)
        killed(life)
    said = cluster(*words)

    assert DONE == said.code, said.err
    assert is_upgraded_once(cluster)


def test_a_wrong_image_stops_with_the_quorum_kept(cluster: Cluster):
    """It holds within seconds, exit 4, and says why, what was not reached and what is owed. With
    an image that there is the same run goes on, once it was told to set it again."""
    said = cluster(*cluster.words("r", image="etcd:9.9"), "--mode", "auto")

    assert GATE == said.code, said.err
    assert "ErrImagePull" in said.err
    assert "1 failed · 2 not reached" in said.err
    [node] = cluster.cordoned()
    assert f"owed   uncordon {node}" in said.err
    assert 2 == sum(member.is_healthy() for member in cluster.lab.members)
    member = node.replace("node", "etcd")
    assert HELD == cluster("resume", "r", "--set", f"image={NEW}").code
    assert GATE == cluster("retry", "r", f"flight/{member}/set image pod%2F{member}").code
    said = cluster("retry", "r")
    assert DONE == said.code, said.err
    assert [NEW] * 3 == cluster.images()
    assert [] == cluster.cordoned()


def test_a_rollback_works_until_the_third_member(cluster: Cluster):
    """After one and after two members they are put back, the last one first, each ready before
    the next. After the third it is refused with etcd's reason, and etcd itself gives that reason
    when it is tried by hand; the run can still be gone on with."""
    for members in (1, 2, 3):
        stop_after(cluster, members)
        run = f"r{members}"
        assert GATE == cluster(*cluster.words(run), "--mode", "auto").code
        assert members == cluster.images().count(NEW)
        cluster.refuses = lambda method, path: False
        said = cluster("rollback", run)
        if members < 3:
            assert (DONE, "rolled_back") == (said.code, cluster.status_of(run)), said.err
            assert ([OLD] * 3, []) == (cluster.images(), cluster.cordoned())

    assert FAILED == said.code
    assert REASON in said.err
    assert [NEW] * 3 == cluster.images()
    cluster.kubectl("set", "image", f"pod/{MEMBERS[0]}", f"etcd={OLD}")
    cluster.until(lambda: cluster.waits_for(MEMBERS[0]) == "CrashLoopBackOff")
    assert REASON in cluster.log_of(MEMBERS[0])
    cluster.kubectl("set", "image", f"pod/{MEMBERS[0]}", f"etcd={NEW}")
    said = cluster("resume", "r3", "--no-input")
    assert DONE == said.code, said.err


def stop_after(cluster: Cluster, members: int) -> None:
    """Let the API refuse what comes after so many members run the new image: the uncordon."""
    cluster.refuses = lambda method, path: (
        (method, "/nodes/" in path) == ("PATCH", True) and cluster.images().count(NEW) >= members
    )


def test_prometheus_killed_in_a_soak_is_no_pass_and_no_failure(cluster: Cluster):
    """What nobody measures holds, exit 3, with no sample failed; when there are numbers again the
    samples are taken anew. A metric of another name is found by the plan."""
    words = cluster.words("r", soak="20s", patience="2s")
    renamed = cluster("plan", *words[1:2], *words[4:6], *words[7:], "-p", "latency=renamed")
    assert DONE == renamed.code, renamed.err
    assert "renamed_bucket" in renamed.out
    assert "says nothing now: no series: nothing matches" in renamed.out
    life = cluster.begin(*words, "--mode", "auto")
    life.until("pass flight/after 3 of 3/p99")
    cluster.lab.stop_prometheus()
    said = life.end()

    assert HELD == said.code, said.err
    held = cluster("why", "r").out
    assert "inconclusive" in held
    assert "failed" not in held
    cluster.lab.start_prometheus()
    while said.code == HELD:
        said = cluster("retry", "r")
    assert DONE == said.code, said.err
