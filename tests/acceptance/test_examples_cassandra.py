"""The Cassandra example: killed anywhere, the cluster ends as it should, nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.shell import Said, Shell
from tests.crash.soaking import dice_for

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "cassandra_upgrade.py")
OLD, NEW = "3.11.14", "4.1.3"
NODES = ("cass-1", "cass-2")
RUN = ("run", EXAMPLE, "--id", "r", "--no-input", "-p", f"nodes={json.dumps(NODES)}")
ONCE = {
    "tell": 2, "schema_changes denied": 1, "schema_changes allowed": 1, "repairs paused": 1,
    "repairs running": 1, "proxy interim": 1, "proxy final": 1,
    **{f"{node} {what}": 1 for node in NODES
       for what in ("drain", "stop", "install", "start")},
}  # fmt: skip
"""What an upgrade does, and how often. What was killed of the rest may be begun anew."""
MAY_BE_BEGUN_ANEW = ("snapshot", "clearsnapshot", "upgradesstables")
KILLS = 3
SEEDS = range(int(os.environ.get("HOLDFAST_CASSANDRA_SEEDS", "1")))
"""How many upgrades are killed at random: more than in CI, when somebody asks."""


class Upgrade(Shell):
    """A folder in which the example makes its cluster."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "")

    def env(self, **more: str) -> dict[str, str]:
        return super().env(**{"LAB_SLOW": "0.01", **more})

    @property
    def now(self) -> dict[str, Any]:
        return json.loads((self.folder / "cassandra" / "cluster.json").read_text())  # type: ignore[no-any-return]

    def done(self) -> Counter[str]:
        """What was done to the cluster, how often; without what is harmless to begin anew."""
        log = self.now["log"]
        return Counter(line for line in log if not line.endswith(MAY_BE_BEGUN_ANEW))

    def go(self) -> Said:
        return self(*RUN)

    def kill_after(self, count: int) -> None:
        """Kill a life when so many things were done to the cluster: the last is not recorded."""
        life = self.begin(*RUN)
        file = self.folder / "cassandra" / "cluster.json"
        while not file.exists() or len(self.now["log"]) < count:
            pass
        life.signal(signal.SIGKILL)
        life.end()

    def kill_between(self, count: int) -> None:
        """Kill a life when it has recorded so many steps, or at its end."""
        life = self.begin(*RUN)
        life.until(f"(?s)(step succeeded.*?){{{count}}}|r succeeded")
        life.signal(signal.SIGKILL)
        life.end()


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_random_it_ends_upgraded_and_nothing_was_done_twice(
    tmp_path: Path, seed: int
) -> None:
    """Every node runs the new release, what was borrowed is given back, no node was stopped
    undrained, and each effect is there once."""
    upgrade, dice, count = Upgrade(tmp_path), dice_for(seed), 0
    for _ in range(KILLS):
        count += dice.randint(1, 4)
        upgrade.kill_after(count)
        upgrade.kill_between(dice.randint(1, 2))
        count = max(count, len(upgrade.now["log"]))
        if count > 15:
            break
    said = upgrade.go()
    now = upgrade.now

    assert 0 == said.code, said.err
    assert {"upgraded": 2} == json.loads(said.out)
    assert ONCE == upgrade.done()
    assert {(NEW, NEW, "NORMAL", True)} == {
        (node["runs"], node["sstables"], node["mode"], node["native"])
        for node in now["nodes"].values()
    }
    assert {1} == {len(node["snapshots"]) for node in now["nodes"].values()}
    assert ("allowed", "running", "final") == (
        now["schema_changes"], now["repairs"], now["proxy"]
    )  # fmt: skip
    assert '{"version":1,"debts":[]}' == upgrade("owed", "--json").out.replace(" ", "").strip()


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("killed", [7, 12])
def test_killed_in_the_first_nodes_it_goes_back(tmp_path: Path, killed: int) -> None:
    """Drained only, or in the middle of one; what was borrowed is given back, snapshots removed."""
    upgrade = Upgrade(tmp_path)
    upgrade.kill_after(killed)
    said = upgrade("rollback", "r", "--no-input")
    now = upgrade.now

    assert 0 == said.code, said.err
    assert {(OLD, "NORMAL", True)} == {
        (node["runs"], node["mode"], node["native"]) for node in now["nodes"].values()
    }
    assert ("allowed", "running", "final") == (
        now["schema_changes"], now["repairs"], now["proxy"]
    )  # fmt: skip
    assert {0} == {len(node["snapshots"]) for node in now["nodes"].values()}
    assert "while normal" not in "\n".join(line for line in now["log"] if " stop" in line)


@pytest.mark.slow
@pytest.mark.kills
def test_once_tables_are_rewritten_there_is_no_way_back(tmp_path: Path) -> None:
    """The reason is given, and nothing is changed."""
    upgrade = Upgrade(tmp_path)
    upgrade.kill_after(15)
    before = upgrade.now
    said = upgrade("rollback", "r", "--no-input")

    assert 1 == said.code
    assert "tables of 4.1 cannot be read by 3.11" in said.err
    assert before == upgrade.now
