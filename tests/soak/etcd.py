"""Kill the driver of a real etcd upgrade after every single fact: `python3 dev kill --etcd`.

One upgrade under load. Each life is killed as soon as the journal has one fact more than the life
before left it with; when a step does not get done that way, the next life may write one more. So
the run dies after each start, each sample and each end of a step, and in between. What counts is
what really happened to nodes, pods and members, and what the client that writes saw.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.acceptance.etcd import MEMBERS, NEW, Cluster, missing

from holdfast.model.facts import Fact, SampleTaken, StepFoundDone, StepSucceeded
from holdfast.ports.store import StoreAbsent
from holdfast.stores.sqlite import SqliteStore

LIVES_MAX = 1_000
LOOK_S = 0.001
RUN = "r"
PROGRESS = (StepSucceeded, StepFoundDone, SampleTaken)


def sweep() -> int:
    """Run the upgrade to its end through all kills; print the tally; return 1 when it is bad."""
    if reason := missing():
        print(reason)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder))
        with cluster.lab:
            kills, lives, code = _kill_until_done(cluster)
            wrong = _wrong(cluster)
        told = cluster.lab.tally()
    failed, lost = told["failed"], told["lost"]
    print(
        f"{kills} kills, {lives} lives, exit {code}, {len(wrong)} steps done twice or not at all; "
        f"{told['writes']} writes, {failed} failed, {lost} lost, {told['fail_overs']} fail-overs, "
        f"p99 {told['p99_s']} s, worst {told['worst_s']} s"
    )
    for text in wrong:
        print(text)
    return 1 if code or wrong or failed or lost else 0


def _kill_until_done(cluster: Cluster) -> tuple[int, int, int]:
    """Return the kills, the lives, and the exit code of the last one."""
    words = (*cluster.words(RUN), "--mode", "auto")
    kills, more, facts = 0, 1, list[Fact]()
    for lives in range(1, LIVES_MAX):
        code = _one_life(cluster, words, len(facts), len(facts) + more)
        if code != -9:
            return kills, lives, code
        kills += 1
        new = _facts(cluster, len(facts))
        facts += new
        more = 1 if any(isinstance(fact, PROGRESS) for fact in new) else more + 1
    return kills, LIVES_MAX, -9


def _one_life(cluster: Cluster, words: tuple[str, ...], after: int, until: int) -> int:
    """Begin a life and kill it once the journal has so many facts; return its exit code."""
    argv = cluster.shell.argv("--config", cluster.inventory(), *words)
    life = subprocess.Popen(
        argv, cwd=cluster.shell.folder, env=cluster.shell.env(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    ended = os.pidfd_open(life.pid)
    while not select.select([ended], [], [], LOOK_S)[0]:
        if after + len(_facts(cluster, after)) >= until:
            life.kill()
            break
    os.close(ended)
    return life.wait()


def _facts(cluster: Cluster, after: int) -> list[Fact]:
    try:
        with closing(SqliteStore(cluster.shell.store, read_only=True)) as store:
            return [stored.fact for stored in store.read(RUN, after)]
    except StoreAbsent:
        return []


def _wrong(cluster: Cluster) -> list[str]:
    """Return what was not done exactly once."""
    nodes = [f"{verb} node-{n}" for verb in ("cordon", "uncordon") for n in range(3)]
    expected, changes = Counter([*nodes, *MEMBERS, "move-leader"]), cluster.changes()
    wrong = [f"{changes[what]} times {what}" for what in expected | changes if changes[what] != 1]
    if cluster.starts() != [["etcd:3.4", NEW]] * 3 or cluster.cordoned():
        wrong.append(f"started {cluster.starts()}, cordoned {cluster.cordoned()}")
    return wrong
