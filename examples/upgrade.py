"""Upgrade a pretend fleet, node by node. A node is a file that holds its version.

holdfast run examples/upgrade.py -p version=3.6
holdfast run examples/upgrade.py --mode confirm
"""

from pathlib import Path

from holdfast import flight, postflight, preflight, require, sh, step, workflow

FLEET = Path("fleet")


def version_of(node):
    return (FLEET / node).read_text()


def is_at(node, version):
    return version_of(node) == version


def is_cordoned(node):
    return (FLEET / f"{node}.cordoned").exists()


@step("build the fleet", check=FLEET.exists)
def build(nodes):
    FLEET.mkdir()
    for node in nodes:
        (FLEET / node).write_text("3.5")


@step("cordon {node}", check=is_cordoned)
def cordon(node):
    sh("touch", FLEET / f"{node}.cordoned")


@step("set {node} to {version}", check=is_at, timeout="1m")
def set_version(node, version):
    sh("cp", "/dev/stdin", FLEET / node, input=version)


@step("uncordon {node}", check=lambda node: not is_cordoned(node))
def uncordon(node):
    sh("rm", FLEET / f"{node}.cordoned")


@workflow
def upgrade(version: str = "3.6", nodes: tuple[str, ...] = ("etcd-0", "etcd-1", "etcd-2")):
    with preflight():
        build(nodes)
        require("every node answers", lambda: all(version_of(node) for node in nodes))
    with flight():
        for node in nodes:
            cordon(node)
            set_version(node, version)
            uncordon(node)
    with postflight():
        require("one version everywhere", lambda: {version_of(n) for n in nodes} == {version})
    return {"upgraded": len(nodes)}
