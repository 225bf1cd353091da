"""Upgrade Cassandra from 3.11 to 4.1, one node at a time, with nobody's request lost.

holdfast run examples/cassandra_upgrade.py --mode confirm      a pretend cluster in ./cassandra
holdfast resume RUN                                            after any kill; or `rollback RUN`

For a real one `at` says how a node's nodetool is reached, and `lab` is your own tools.
"""

import json
import sys
from pathlib import Path

import holdfast
from holdfast import flight, gate, no_return, postflight, preflight, require, rollout, sh, step
from holdfast.ops import nodetool

LAB = (sys.executable, str(Path(__file__).parent / "cassandra" / "lab.py"))
STATE, NODES = Path("cassandra/cluster.json"), ("cass-1", "cass-2", "cass-3")


def at(name):
    return nodetool.node(name, *LAB, str(STATE.parent), "node", name, program="")


def lab(*words):
    sh(*LAB, STATE.parent, *words)


def seen():
    return json.loads(STATE.read_text())


@step("tell everybody: {text}", once=True, check=lambda text: text in seen()["notes"])
def tell(text):
    lab("tell", text)


@step("set {what} back to {usual}", check=lambda what, usual: seen()[what] == usual)
def back(what, usual):
    lab("set", what, usual)


@step("set {what} to {word}", check=lambda what, word: seen()[what] == word, owes=back)
def put(what, word, usual):
    lab("set", what, word)


def serves(name, release):
    node = seen()["nodes"][name]
    return node["runs"] == release and node["mode"] == "NORMAL"


def change(name, release):
    """Each part looks first: killed between two of them, it goes on with the one that is left."""
    if not serves(name, release):
        if seen()["nodes"][name]["runs"]:
            lab("service", name, "stop")
        if seen()["nodes"][name]["release"] != release:
            lab("service", name, "install", release)
        lab("service", name, "start")


@step("put {old} back on {name}", check=lambda name, old: serves(name, old))
def put_back(name, old):
    if seen()["nodes"][name]["mode"] == "NORMAL":
        nodetool.run(at(name), "drain")
    change(name, old)


@step("drain {name}", check=lambda name: nodetool.mode(at(name)) == "DRAINED", undo=put_back)
def drain(name, old):
    nodetool.run(at(name), "drain")


@step("upgrade {name} to {release}", check=serves)
def upgrade_node(name, release):
    change(name, release)


@holdfast.workflow
def upgrade(nodes: tuple[str, ...] = NODES, old: str = "3.11.14", new: str = "4.1.3"):
    with preflight():
        holdfast.do("create the cluster", lab, "create", *nodes, check=STATE.exists)
        require("everybody is up", lambda: nodetool.not_up(at(nodes[0])) == (), fresh="10m")
        require("schema agrees", nodetool.schema_agrees, at(nodes[0]), fresh="10m")
        for name in nodes:
            nodetool.snapshot(at(name))
        tell(f"Cassandra is upgraded from {old} to {new}: no schema changes, no repairs")
        put("schema_changes", "denied", "allowed")
        put("repairs", "paused", "running")
        put("proxy", "interim", "final")  # it speaks to both releases

    def one(name):
        node = at(name)
        drain(name, old)
        upgrade_node(name, new)
        holdfast.wait_for(f"{name} serves", nodetool.is_native_running, node, every="1s")
        gate(f"all up, says {name}", nodetool.not_up_probe(node), below=1, samples=2, every="50ms")

    with flight():
        rollout(nodes, one, waves=[1, "rest"])
        no_return("tables of 4.1 cannot be read by 3.11")
        for name in nodes:
            nodetool.upgrade_sstables(at(name))
    with postflight():
        require("schema agrees again", nodetool.schema_agrees, at(nodes[0]))
        back("proxy", "final")
        back("repairs", "running")
        back("schema_changes", "allowed")
        tell(f"Cassandra is {new}")
    return {"upgraded": len(nodes)}
