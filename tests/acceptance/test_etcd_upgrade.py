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
