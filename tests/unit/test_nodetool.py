"""The steps, readings and probes of `holdfast.ops.nodetool`, on a cluster that a program plays."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.runs import Runs

from holdfast import UsageError, aio, do, gate, postflight, preflight, workflow
from holdfast.app.planning import plan
from holdfast.errors import CommandFailed
from holdfast.model.facts import DebtSettled, StepFoundDone
from holdfast.ops import nodetool
from holdfast.ops.aio import awaited
from holdfast.ops.nodetool import Node, node
from holdfast.testing.clock import JumpClock

LAB = Path(__file__).parents[2] / "examples" / "cassandra" / "lab.py"


class Cluster:
    """Two nodes, 3.11 both, and what was done to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self("create", "a", "b")
        words = (sys.executable, str(LAB), str(folder), "node")
        self.a, self.b = (node(name, *words, name, program="") for name in "ab")

    def __call__(self, *words: str) -> None:
        subprocess.run((sys.executable, LAB, self.folder, *words), check=True, timeout=30)

    @property
    def now(self) -> dict[str, Any]:
        return json.loads((self.folder / "cluster.json").read_text())  # type: ignore[no-any-return]

    def upgrade(self, name: str) -> None:
        nodetool.drain(self.a if name == "a" else self.b)
        for words in (("stop",), ("install", "4.1.3"), ("start",)):
            self("service", name, *words)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path / "lab")


AT: dict[str, Node] = {}


@pytest.fixture(autouse=True)
def places(cluster: Cluster) -> Iterator[None]:
    AT.update(a=cluster.a, b=cluster.b)
    yield
    AT.clear()


def test_a_cluster_is_read_before_between_and_after(cluster: Cluster) -> None:
    """Two releases have two schemas; a node that is down cannot be asked for its own."""
    assert ("3.11.14", "NORMAL") == (nodetool.release(cluster.a), nodetool.mode(cluster.a))
    assert nodetool.schema_agrees(cluster.a) and nodetool.not_up(cluster.a) == ()
    cluster.upgrade("b")

    assert "4.1.3" == nodetool.release(cluster.b)
    assert 2 == len(nodetool.schema(cluster.b).versions)
    assert 2 == nodetool.schema_probe(cluster.b)()
    nodetool.drain(cluster.a)
    assert None is nodetool.schema_probe(cluster.b)()
    assert ("10.0.1.1",) == nodetool.not_up(cluster.b)
    assert 1 == nodetool.not_up_probe(cluster.b)()


def test_a_node_that_is_down_is_an_error_and_no_answer(cluster: Cluster) -> None:
    """With nodetool's own words."""
    nodetool.drain(cluster.a)
    cluster("service", "a", "stop")

    with pytest.raises(CommandFailed, match="Connection refused"):
        nodetool.schema_agrees(cluster.a)


def test_the_age_of_a_snapshot_is_told_where_the_release_tells_it(cluster: Cluster) -> None:
    """In 3.11 a tag that somebody chose says nothing: that is inconclusive, not old."""
    nodetool.snapshot(cluster.a, "nightly-1")
    nodetool.snapshot(cluster.b, "nightly-1")
    cluster.upgrade("b")
    old, new = (nodetool.snapshot_age_probe(at, "nightly") for at in (cluster.a, cluster.b))

    assert None is old()
    age = new()
    assert age is not None and 0 <= age < 60
    assert None is nodetool.snapshot_age_probe(cluster.b, "weekly")()


@workflow
def drains(**_: Any) -> None:
    nodetool.drain(AT["a"])


def test_a_node_that_is_drained_is_not_drained_again(runs: Runs, cluster: Cluster) -> None:
    """It is asked first, also after a crash between the command and the record of it."""
    nodetool.drain(cluster.a)
    outcome = runs.start(drains)

    assert "succeeded" == outcome.status
    assert ["drain a"] == [fact.key for fact in runs.facts(StepFoundDone)]
    assert ["a drain"] == cluster.now["log"]


@workflow
def hides() -> None:
    with preflight():
        nodetool.disable_binary(AT["a"])
    with postflight():
        nodetool.enable_binary(AT["a"])


@workflow
def hides_and_fails() -> None:
    with preflight():
        nodetool.snapshot(AT["a"])
        nodetool.disable_binary(AT["a"])
        do("fail", boom)


def boom() -> None:
    raise OSError("boom")


def test_what_keeps_clients_away_is_owed_back(runs: Runs, cluster: Cluster) -> None:
    """And given back by its own step."""
    outcome = runs.start(hides)

    assert "succeeded" == outcome.status
    assert ["a disablebinary", "a enablebinary"] == cluster.now["log"]
    assert ["pre-flight/disable binary on a"] == [fact.key for fact in runs.facts(DebtSettled)]


def test_a_preflight_that_fails_leaves_nothing(runs: Runs, cluster: Cluster) -> None:
    """The snapshot is removed, clients are let in."""
    outcome = runs.start(hides_and_fails)

    assert "failed" == outcome.status
    node = cluster.now["nodes"]["a"]
    assert ({}, True) == (node["snapshots"], node["native"])


@workflow
def keeps(tag: str = "") -> str:
    return nodetool.snapshot(AT["a"], tag or None, ("shop",))


@pytest.mark.parametrize("at", range(1, 12))
def test_a_snapshot_is_taken_once_wherever_it_is_killed(
    runs: Runs, cluster: Cluster, at: int
) -> None:
    """What a killed attempt left is removed before: there is one in the end, whole."""
    runs.is_crashed(keeps, at, "before")
    outcome = runs.start(keeps)

    assert "succeeded" == outcome.status
    assert [outcome.result] == list(cluster.now["nodes"]["a"]["snapshots"])
    assert 2 == len(nodetool.snapshots(cluster.a))


def test_somebody_elses_snapshot_is_left_alone(runs: Runs, cluster: Cluster) -> None:
    """A tag that is taken fails the step."""
    nodetool.snapshot(cluster.a, "nightly")
    before = cluster.now
    outcome = runs.start(keeps, {"tag": "nightly"})

    assert "failed" == outcome.status
    assert "has a snapshot nightly already" in runs.step("snapshot a").error
    assert before == cluster.now


def test_a_tag_that_a_shell_could_read_is_refused(cluster: Cluster) -> None:
    """It would go through the shell of ssh."""
    with pytest.raises(UsageError, match="is no tag"):
        nodetool.snapshot(cluster.a, "a;reboot")


@aio.workflow
async def hides_awaited() -> None:
    async with aio.preflight():
        await awaited(nodetool.disable_binary)(AT["a"])
        await awaited(nodetool.drain)(AT["b"])
        await aio.do("fail", boom)


def test_in_an_async_workflow_they_are_awaited(runs: Runs, cluster: Cluster) -> None:
    """With their checks and debts."""
    outcome = runs.start(hides_awaited)

    assert "failed" == outcome.status
    assert ["a disablebinary", "b drain", "a enablebinary"] == cluster.now["log"]


@workflow
def watches() -> float:
    return gate("all up", nodetool.not_up_probe(AT["a"]), below=1, samples=2, every="1s").mean


def test_a_gate_shows_what_it_asks(runs: Runs, cluster: Cluster) -> None:
    """As a person would type it."""
    outcome = runs.start(watches)

    assert 0 == outcome.result
    (opened,) = [fact for fact in runs.facts() if type(fact).__name__ == "GateOpened"]
    assert opened.query.endswith("node a status")


@workflow
def keeps_clients_away() -> None:
    nodetool.disable_binary(AT["a"])
    nodetool.disable_gossip(AT["a"])
    nodetool.enable_gossip(AT["a"])
    nodetool.enable_binary(AT["a"])


def test_a_plan_foresees_what_gives_back() -> None:
    """Clients are served today, and will not be when it is the turn of the step."""
    found = plan(keeps_clients_away, {}, JumpClock())

    assert ["run"] * 4 == [each.will for each in found.steps]
