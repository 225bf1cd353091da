"""A pretend Cassandra cluster: `nodetool`, the service of each node, and what stands around it.

    lab.py DIR create cass-1 cass-2 cass-3        three nodes of 3.11
    lab.py DIR node cass-1 status                 nodetool, as 3.11, 4.0 or 4.1 prints it
    lab.py DIR service cass-1 stop|start|install 4.1.3
    lab.py DIR set schema_changes|repairs|proxy WORD
    lab.py DIR tell TEXT

All is in DIR/cluster.json, written in one moment; what was done is the list `log` in it. With
LAB_SLOW=0.1 each command takes so many seconds, half of them before it takes effect.
"""

import fcntl
import json
import os
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

OLD = "3.11.14"
TABLES = (("shop", "orders"), ("shop", "customers"))


def uuid(text):
    return str(uuid5(NAMESPACE_DNS, text))


@contextmanager
def cluster(folder):
    """Give the cluster to be changed; nobody sees half a change."""
    with open(folder / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = json.loads((folder / "cluster.json").read_text())
        before = json.dumps(state)
        yield state
        if json.dumps(state) != before:
            time.sleep(float(os.environ.get("LAB_SLOW", 0)) / 2)
            write(folder, state)
            time.sleep(float(os.environ.get("LAB_SLOW", 0)) / 2)


def write(folder, state):
    (folder / "cluster.json.new").write_text(json.dumps(state, indent=1))
    (folder / "cluster.json.new").replace(folder / "cluster.json")


def create(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    node = {"release": OLD, "runs": OLD, "mode": "NORMAL", "native": True, "gossip": True,
            "sstables": OLD, "snapshots": {}}  # fmt: skip
    state = {"nodes": {name: dict(node) for name in names}, "schema_changes": "allowed",
             "repairs": "running", "proxy": "final", "notes": [], "log": []}  # fmt: skip
    write(folder, state)


# --- nodetool -----------------------------------------------------------------------------------


def address(state, name):
    return f"10.0.{1 + list(state['nodes']).index(name) % 2}.{1 + list(state['nodes']).index(name)}"


def is_up(node):
    return node["runs"] is not None and node["gossip"] and node["mode"] == "NORMAL"


def version(state, name, node):
    print(f"ReleaseVersion: {node['runs']}")


def netstats(state, name, node):
    print(f"Mode: {node['mode']}\nNot sending any streams.")


def statusbinary(state, name, node):
    print("running" if node["native"] else "not running")


def status(state, name, node, keyspace=None):
    owns = "100.0%" if keyspace else "?"
    head = "Owns (effective)" if keyspace else "Owns"
    for place in ("dc1", "dc2"):
        here = [n for n in state["nodes"] if datacenter(state, n) == place]
        if not here:
            continue
        line = f"Datacenter: {place}"
        print(f"{line}\n{'=' * len(line)}\nStatus=Up/Down\n|/ State=Normal/Leaving/Joining/Moving")
        print(f"--  Address    Load       Tokens  {head:<16}  {'Host ID':<36}  Rack")
        for n in here:
            up = "U" if is_up(state["nodes"][n]) else "D"
            load = "103.67 KiB"
            print(f"{up}N  {address(state, n):<9}  {load}  256     {owns:<16}  {uuid(n)}  rack 1")
    print()
    if not keyspace:
        print("Note: Non-system keyspaces don't have the same replication settings, "
              "effective ownership information is meaningless")  # fmt: skip


def datacenter(state, name):
    return f"dc{1 + list(state['nodes']).index(name) % 2}"


def describecluster(state, name, node):
    versions = {}
    for n, other in state["nodes"].items():
        key = uuid("schema of " + other["runs"][:1]) if is_up(other) else "UNREACHABLE"
        versions.setdefault(key, []).append(address(state, n))
    print("Cluster Information:\n\tName: shop\n"
          "\tSnitch: org.apache.cassandra.locator.GossipingPropertyFileSnitch\n"
          "\tDynamicEndPointSnitch: enabled\n"
          "\tPartitioner: org.apache.cassandra.dht.Murmur3Partitioner\n"
          "\tSchema versions:")  # fmt: skip
    for key, nodes in versions.items():
        print(f"\t\t{key}: [{', '.join(nodes)}]\n")
    if node["runs"].startswith("3"):
        return
    up = sum(map(is_up, state["nodes"].values()))
    print(f"Stats for all nodes:\n\tLive: {up}\n\tJoining: 0\n\tMoving: 0\n\tLeaving: 0\n"
          f"\tUnreachable: {len(state['nodes']) - up}\n\nData Centers: ")  # fmt: skip
    for place in sorted({datacenter(state, n) for n in state["nodes"]}):
        print(f"\t{place} #Nodes: 1 #Down: 0")
    print(f"\nDatabase versions:\n\t{node['runs']}: [{address(state, name)}:7000]\n")
    print("Keyspaces:\n\tshop -> Replication class: NetworkTopologyStrategy {dc1=3, dc2=3}")


def listsnapshots(state, name, node):
    print("Snapshot Details: ")
    if not node["snapshots"]:
        print("There are no snapshots")
        return
    head = ["Snapshot name", "Keyspace name", "Column family name", "True size", "Size on disk"]
    rows = [[tag, *table, "0 bytes", "5.09 KiB"] for tag in node["snapshots"] for table in TABLES]
    if node["runs"].startswith("3"):
        for row in (head, *rows):
            print("{:<20}{:<29}{:<29}{:<19}{:<19}".format(*row))
    else:
        head += ["Creation time", "Expiration time"]
        rows = [[*row, node["snapshots"][row[0]], ""] for row in rows]
        widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
        for row in (head, *rows):
            print(" ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)))
    print("\nTotal TrueDiskSpaceUsed: 0 bytes\n")


def snapshot(state, name, node, option, tag, *keyspaces):
    if tag in node["snapshots"]:
        sys.exit(f"error: Snapshot {tag} already exists.")
    node["snapshots"][tag] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    print(f"Requested creating snapshot(s) for [all keyspaces] with snapshot name [{tag}]")


def clearsnapshot(state, name, node, option, tag):
    node["snapshots"].pop(tag, None)
    print(f"Requested clearing snapshot(s) for [all keyspaces] with snapshot name [{tag}]")


def drain(state, name, node):
    node.update(mode="DRAINED", native=False, gossip=False)


def disablebinary(state, name, node):
    node["native"] = False


def enablebinary(state, name, node):
    if node["mode"] != "NORMAL":
        sys.exit("error: Unable to start native transport because the node is not in the normal "
                 f"operation mode: {node['mode']}")  # fmt: skip
    node["native"] = True


def upgradesstables(state, name, node):
    node["sstables"] = node["runs"]


READS = (version, netstats, status, statusbinary, describecluster, listsnapshots)
CHANGES = (snapshot, clearsnapshot, drain, disablebinary, enablebinary, upgradesstables)
NODETOOL = {command.__name__: command for command in READS + CHANGES}


def nodetool(state, name, command, *words):
    node = state["nodes"][name]
    if node["runs"] is None:
        sys.exit("nodetool: Failed to connect to '127.0.0.1:7199' - ConnectException: "
                 "'Connection refused (Connection refused)'.")  # fmt: skip
    if NODETOOL[command] in CHANGES:
        state["log"].append(f"{name} {command}")
    NODETOOL[command](state, name, node, *words)


# --- around it ----------------------------------------------------------------------------------


def service(state, name, command, release=None):
    node = state["nodes"][name]
    state["log"].append(f"{name} {command}" + ("" if node["mode"] != "NORMAL" else " while normal"))
    if command == "stop":
        node.update(runs=None, mode="STOPPED", native=False, gossip=False)
    elif command == "install":
        node["release"] = release
    else:
        node.update(runs=node["release"], mode="NORMAL", native=True, gossip=True)


def set_word(state, what, word):
    state["log"].append(f"{what} {word}")
    state[what] = word


def tell(state, text):
    state["log"].append("tell")
    state["notes"].append(text)


def main(folder, command, *words):
    if command == "create":
        return create(Path(folder), *words)
    commands = {"node": nodetool, "service": service, "set": set_word, "tell": tell}
    with cluster(Path(folder)) as state:
        commands[command](state, *words)
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
