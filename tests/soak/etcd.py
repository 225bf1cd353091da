"""Kill the driver of a real etcd upgrade after every single fact: `python3 dev kill --etcd`.

One upgrade under load. Each life is killed as soon as the journal has one fact more than the life
before left it with; when a step does not get done that way, the next life may write one more. So
the run dies after each start, each sample and each end of a step, and in between. What counts is
what really happened to nodes, pods and members, and what the client that writes saw.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path

from tests.acceptance.etcd import MEMBERS, NEW, Cluster, missing

from holdfast.model.facts import RunTaken
from holdfast.runtime.journal import Journal
from holdfast.stores.sqlite import SqliteStore

LIVES_MAX = 600
LOOK_S = 0.002


def sweep() -> int:
    """Run the upgrade to its end through all kills; print the tally and return 1 for a violation."""
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
