"""A rolling upgrade of a real etcd cluster under load: whatever happens, no write fails."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.acceptance.etcd import MEMBERS, NEW, UPGRADE, Cluster, killed, needs_lab
from tests.acceptance.shell import Said

pytestmark = [needs_lab, pytest.mark.slow]
DONE, FAILED, HELD, GATE, LOCKED = 0, 1, 3, 4, 5
OLD = "etcd:3.4"
REASON = "server version is lower than determined cluster version"
RETRIES_MOST = 8


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
    words = cluster.words("r", "etcd/prod")
    said = cluster(*words)
    assert (HELD, Counter({"move-leader": 0})) == (said.code, cluster.changes()), said.err
    life = cluster.begin("resume", "r", "--wait", "--plain")
    for number in count(1):
        seen = life.until(rf"an answer to h{number}:|r succeeded: \d+ steps|ON HOLD")
        if f"an answer to h{number}:" not in seen:
            break
        assert DONE == cluster("approve", "r", "--hold", f"h{number}").code
    said = life.end()

    assert DONE == said.code, said.err
    assert is_upgraded_once(cluster)
    asked = [hold["key"] for hold in cluster.shown("r")["holds"]]
    decided = {step["key"]: step["decided_by"] for step in cluster.shown("r")["steps"]}
    first, second, third = (key for key in decided if "/cordon node-" in key)
    assert [first.partition("/cordon")[0], second.partition("/cordon")[0]] == asked[1:3]
    assert "approved by" in decided[second]
    assert decided[third].startswith("earned: 2 of 2 clean in a row")
    gates = [key for key in decided if key.endswith(("/p99", "/p99 before"))]
    assert 6 == len(gates), gates


def test_killed_at_boundaries_and_inside_steps_it_ends_the_same(cluster: Cluster):
    """kill -9 inside the cordon, the change of the image and the move of the leader, between
    steps, and while a gate samples: each time the next life goes on, and nothing was done twice.
    While it lives, a second run on the target is refused, exit 5."""
    renamed_metric_is_told(cluster)
    words = (*cluster.words("r", soak="6s", patience="5s"), "--mode", "auto")
    for inside, after in (
        (("PATCH", "/nodes/"), "already_done .*/cordon"),
        (("PATCH", "/pods/"), "gate watching flight/.*/p99"),
        (("move-leader",), "already_done .*/move the leader"),
    ):
        with cluster.stopping(*inside) as middle:
            life = cluster.begin(*words)
            middle.wait_until_reached()
            assert LOCKED == cluster(*cluster.words("other")).code
            killed(life)
        life = cluster.begin(*words)
        life.until(after)
        killed(life)
    soak_without_prometheus(cluster, words)

    assert is_upgraded_once(cluster)


def soak_without_prometheus(cluster: Cluster, words: tuple[str, ...]) -> None:
    """Kill Prometheus in the soak: what nobody measures holds, exit 3, with no sample failed; when
    there are numbers again the samples are taken anew."""
    life = cluster.begin(*words)
    life.until("pass flight/after 3 of 3/a leader")
    cluster.lab.stop_prometheus()
    said = life.end()
    [samples] = re.findall(r"\n +samples +(.*)", said.err)
    assert (HELD, True, False) == (said.code, "error" in samples, "failed" in samples), said.err
    cluster.lab.start_prometheus()
    for _ in range(RETRIES_MOST):  # each of three gates may hold, and two of them at a time
        if said.code == DONE:
            break
        said = cluster("retry", "r")
        if several := re.search("several steps need a decision: ([^,]+)", said.err):
            said = cluster("retry", "r", several[1])
    assert DONE == said.code, said.err


def renamed_metric_is_told(cluster: Cluster) -> None:
    """A query that matches nothing is found by the plan, before anything is done."""
    said = cluster("plan", UPGRADE, "--target", "etcd/staging", *cluster.given(latency="no"))
    assert (DONE, True) == (said.code, "no series matches no_bucket" in said.out), said.out


def test_a_rollback_works_until_the_third_member(cluster: Cluster):
    """After one and after two members they are put back, the last one first, each ready before
    the next. After the third it is refused with etcd's reason, and etcd itself gives that reason
    when it is tried by hand; the run can still be gone on with."""
    image_withdrawn(cluster)
    for members in (1, 3):
        run = f"r{members}"
        stop_after(cluster, members)
        assert GATE == cluster(*cluster.words(run), "--mode", "auto").code
        assert members == cluster.images().count(NEW)
        cluster.refuses = lambda method, path: False
        said = cluster("rollback", run)
        if members < 3:
            assert is_rolled_back(cluster, run, said)

    assert FAILED == said.code
    assert REASON in said.err
    assert [NEW] * 3 == cluster.images()
    cluster.kubectl("set", "image", f"pod/{MEMBERS[0]}", f"etcd={OLD}")
    cluster.until(lambda: cluster.waits_for(MEMBERS[0]) == "CrashLoopBackOff")
    assert REASON in cluster.log_of(MEMBERS[0])
    cluster.kubectl("set", "image", f"pod/{MEMBERS[0]}", f"etcd={NEW}")
    said = cluster("retry", "r3")
    assert DONE == said.code, said.err


def image_withdrawn(cluster: Cluster) -> None:
    """The image is gone when the second member wants it: it stops within seconds with the quorum
    kept, says what is owed and what was not reached, tries the same again when told to, and goes
    back."""
    life = cluster.begin(*cluster.words("r2"), "--mode", "auto")
    life.until("unit closed")
    cluster.lab.kubelet.withdrawn.add(NEW)
    said = life.end()
    [node] = cluster.cordoned()
    assert (GATE, True) == (said.code, "ErrImagePull" in said.err), said.err
    assert "1 done · 1 failed · 1 not reached" in said.err
    assert f"owed   uncordon {node}" in said.err
    assert 2 == sum(member.is_healthy() for member in cluster.lab.members)
    cluster.lab.kubelet.withdrawn.clear()
    stop_after(cluster, 2)
    assert GATE == cluster("retry", "r2").code
    assert 2 == cluster.images().count(NEW)
    cluster.refuses = lambda method, path: False
    assert is_rolled_back(cluster, "r2", cluster("rollback", "r2"))


def is_rolled_back(cluster: Cluster, run: str, said: Said) -> bool:
    assert (DONE, "rolled_back") == (said.code, cluster.status_of(run)), said.err
    assert ([OLD] * 3, []) == (cluster.images(), cluster.cordoned())
    return True


def stop_after(cluster: Cluster, members: int) -> None:
    """Let the API refuse what comes after so many members run the new image: the uncordon."""
    cluster.refuses = lambda method, path: (
        (method, "/nodes/" in path) == ("PATCH", True) and cluster.images().count(NEW) >= members
    )
