"""Upgrade a pretend fleet, node by node. A node is a file that holds its version.

holdfast run examples/upgrade.py --mode confirm
holdfast resume RUN     # after a kill -9 anywhere
holdfast rollback RUN   # until the last node is upgraded
"""

from pathlib import Path

from holdfast import flight, no_return, preflight, require, save, saved, sh, step, workflow

FLEET = Path("fleet")


def version_of(node):
    return (FLEET / node).read_text()


def put(node, result):
    sh("cp", "/dev/stdin", FLEET / node, input=result)


def is_built(nodes):
    return all((FLEET / node).exists() for node in nodes)


@step("build the fleet", check=is_built)
def build(nodes):
    FLEET.mkdir(exist_ok=True)
    for node in nodes:
        if not (FLEET / node).exists():
            put(node, "3.5")


@step("uncordon {node}")
def uncordon(node):
    sh("rm", "-f", FLEET / f"{node}.cordoned")


@step("cordon {node}", check=lambda node: (FLEET / f"{node}.cordoned").exists(), owes=uncordon)
def cordon(node):
    sh("touch", FLEET / f"{node}.cordoned")


@step("set {node} back", timeout="1m")
def set_back(node, result):
    """A step: killed in the middle, it may run again. A plain function would be asked about."""
    put(node, result)


@step("set {node} to {version}", undo=set_back, timeout="1m")
def set_version(node, version):
    before = saved(version_of(node))
    save(before)  # a crash in the middle must not forget it
    put(node, version)
    return before


@workflow
def upgrade(version: str = "3.6", nodes: tuple[str, ...] = ("etcd-0", "etcd-1", "etcd-2")):
    with preflight():
        build(nodes)
    with flight():
        for node in nodes:
            cordon(node)
            if node == nodes[-1]:
                no_return("the fleet moves to the new format with its last node")
            set_version(node, version)
            uncordon(node)
    require("one version everywhere", lambda: {version_of(n) for n in nodes} == {version})
    return {"upgraded": len(nodes)}
