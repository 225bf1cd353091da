"""Scripts whose world is one JSON file: a cluster of three members, as etcd keeps one.

$WORLD is the file. At the moment that $FAIL names, such as `before cordon etcd-0`, the process
raises, and at the one that $KILL names it kills itself, the first time that it comes there.
"""

import json
import os
import signal
from pathlib import Path

from holdfast import NotDone, flight, no_return, parallel, postflight, preflight, require

from holdfast import save, saved, step, workflow  # isort: skip

WORLD = Path(os.environ["WORLD"])
EFFECTS = WORLD.with_suffix(".effects")
MEMBERS = ("etcd-0", "etcd-1", "etcd-2")
OLD, NEW = "3.4", "3.5"


def world():
    return json.loads(WORLD.read_text())


def comes_to(moment):
    mark = WORLD.with_suffix(".killed")
    if os.environ.get("KILL") == moment and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("FAIL") == moment:
        # What may happen once only has to say that it did not: else somebody is asked.
        kind = NotDone if "reserve" in moment else RuntimeError
        raise kind(f"it fails {moment}")


def change(what, edit):
    """Let `edit` change the world, whole or not at all, and note that it did."""
    comes_to(f"before {what}")
    state = world()
    edit(state)
    part = WORLD.with_suffix(".part")
    part.write_text(json.dumps(state, indent=1))
    part.replace(WORLD)
    with EFFECTS.open("a") as effects:
        effects.write(f"{what}\n")
    comes_to(f"after {what}")


# --- a pre-flight that borrows, changes and reserves ---


def remove_snapshot(name):
    change(f"undo snapshot {name}", lambda it: it["snapshots"].pop(name, None))


@step("snapshot {name}", undo=remove_snapshot)
def snapshot(name):
    change(f"snapshot {name}", lambda it: it["snapshots"].update({name: it["cluster_version"]}))


def set_back(name, result):
    change(f"undo set {name}", lambda it: it["settings"].update({name: result}))


@step("set {name} to {value}", undo=set_back)
def setting(name, value):
    before = saved(world()["settings"][name])
    save(before)
    change(f"set {name}", lambda it: it["settings"].update({name: value}))
    return before


@step("resume {what}")
def go_on(what):
    change(f"resume {what}", lambda it: it["paused"].remove(what) if what in it["paused"] else 0)


@step("pause {what}", owes=go_on)
def pause(what):
    change(f"pause {what}", lambda it: it["paused"].append(what))


@step("uncordon {node}")
def uncordon(node):
    change(f"uncordon {node}", lambda it: it["cordoned"].update({node: False}))


@step("cordon {node}", check=lambda node: world()["cordoned"][node], owes=uncordon)
def cordon(node):
    change(f"cordon {node}", lambda it: it["cordoned"].update({node: True}))


def release(name):
    change(f"undo reserve {name}", lambda it: it["reserved"].remove(name))


@step("reserve {name}", once=True, undo=release, check=lambda name: name in world()["reserved"])
def reserve(name):
    change(f"reserve {name}", lambda it: it["reserved"].append(name))


@workflow
def prepare():
    with preflight():
        require("healthy", lambda: comes_to("before healthy") is None)
        snapshot("before")
        pause("alerts")
        parallel(*((node, snapshot, node) for node in MEMBERS), at_once=1)
        setting("learners", False)
        cordon("etcd-0")
        reserve("a spare node")
        pause("repairs")
        require("ready", lambda: comes_to("before ready") is None)
    with flight():
        setting("upgraded", True)
    with postflight():
        uncordon("etcd-0")
        go_on("repairs")
        go_on("alerts")


# --- an upgrade with a point of no return ---


def flip(node, version):
    """Restart a member with another version, as etcd does: the cluster's version is the least of
    its members', and no member may fall below it."""

    def edit(it):
        if version < it["cluster_version"]:
            raise RuntimeError("invalid downgrade; server version is lower than determined "
                               f"cluster version {it['cluster_version']}")  # fmt: skip
        it["members"][node] = version
        it["cluster_version"] = min(it["members"].values())

    change(f"flip {node} to {version}", edit)


@step("set {node} to {version}", undo=lambda node, result: flip(node, result))
def set_version(node, version):
    before = saved(world()["members"][node])
    save(before)
    flip(node, version)
    return before


@workflow
def upgrade():
    with preflight():
        snapshot("before")
    with flight():
        for node in MEMBERS:
            cordon(node)
            if node == MEMBERS[-1]:
                no_return("the last member makes the cluster version 3.5: 3.4 cannot join again")
            set_version(node, NEW)
            require(f"{node} is healthy", lambda node=node: comes_to(f"after {node}") is None)
            uncordon(node)
