"""holdfast.ops.kubectl with the real kubectl: what it changes, gives back, refuses and survives."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.clusters import (
    LABELS,
    NEW,
    OLD,
    Cluster,
    Refused,
    cluster,
    kubectl_minor,
    needs_kubectl,
)

pytestmark = needs_kubectl()

SCRIPT = """
from holdfast import aio, do, workflow
from holdfast.ops import aio as ops_aio, kubectl

@workflow
def upgrade(node: str = "n1", pod: str = "etcd-1", image: str = "etcd:3.5"):
    kubectl.cordon(node)
    kubectl.drain(node, timeout="3s")
    kubectl.uncordon(node)
    kubectl.set_image(f"pod/{pod}", image)
    kubectl.wait_ready(f"pod/{pod}", timeout="25s")

@workflow
def image(pod: str = "etcd-1", image: str = "etcd:3.5"):
    kubectl.set_image(f"pod/{pod}", image)
    kubectl.wait_ready(f"pod/{pod}", timeout="25s")
    do("boom", boom)

@workflow
def cordoned(node: str = "n1"):
    kubectl.cordon(node)
    do("boom", boom)

@workflow
def only_drained(node: str = "n1"):
    kubectl.drain(node, timeout="1s")
    do("boom", boom)

@workflow
def patched():
    kubectl.patch("statefulset/etcd", {"/spec/replicas": 5}, test={"/spec/replicas": 3})

@aio.workflow
async def awaited():
    await ops_aio.kubectl.cordon("n2")
    await ops_aio.kubectl.drain("n2")
    await ops_aio.kubectl.uncordon("n2")
    await ops_aio.kubectl.set_image("pod/etcd-2", "etcd:3.5")
    await ops_aio.kubectl.wait_ready("pod/etcd-2")

@workflow
def changed():
    kubectl.set_env("statefulset/etcd", {"A": "new", "B": None, "C": "added"})
    kubectl.patch("statefulset/etcd", {"/spec/replicas": 5, "/metadata/annotations": {"by": "us"}},
                  test={"/spec/replicas": 3})
    do("boom", boom)

@aio.workflow
async def changed_awaited():
    await ops_aio.kubectl.set_env("statefulset/etcd", {"A": "new", "B": None, "C": "added"})
    change = {"/spec/replicas": 5, "/metadata/annotations": {"by": "us"}}
    await ops_aio.kubectl.patch("statefulset/etcd", change, test={"/spec/replicas": 3})
    await aio.do("boom", boom)

@aio.workflow
async def commands_awaited(code: int = 0):
    said = await ops_aio.kubectl.exec("etcd-1", "sh", "-c", f"exit {code}")
    return [said.out, said.err, said.code]

@workflow
def commands(code: int = 0):
    said = kubectl.exec("etcd-1", "sh", "-c", f"exit {code}")
    return [said.out, said.err, said.code]

@workflow
def anywhere(node: str):
    kubectl.drain(node, timeout="1s")

@workflow
def varied():
    kubectl.set_env("statefulset/etcd", {"A": "ours"})

@workflow
def elsewhere():
    kubectl.cordon("n1", context="no-such")

@workflow
def nobody():
    kubectl.cordon("n9")

def boom():
    raise OSError("boom")
"""


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path, SCRIPT) as made:
        yield made


def facts(there: Cluster, kind: str) -> list[dict[str, Any]]:
    found = json.loads(there.shell("export", "r").out)["facts"]
    return [fact for fact in found if fact["kind"] == kind]


def test_a_node_is_drained_and_its_pod_upgraded(there: Cluster) -> None:
    """Cordon, drain, uncordon, image, ready: each once, and the end is as it should be."""
    said = there.shell("run", "script.py:upgrade", "--id", "r")

    assert 0 == said.code, said.err
    assert (False, NEW) == (there.is_cordoned("n1"), there.image("etcd-1"))
    assert 1 == there.asked("POST", "/eviction")
    assert "evicting pod default/etcd-1" in there.shell("log", "r", "--all").out


def test_a_plan_changes_nothing_and_says_what_will_be(there: Cluster) -> None:
    """What comes after a change of this plan is not judged by how it stands today."""
    said = there.shell("plan", "script.py:upgrade")

    assert 0 == said.code
    assert "5 steps to run, 0 to be asked about" in said.out, said.out
    assert "1. cordon n1 · auto: the default · owes uncordon n1" in said.out
    assert "4. set image pod/etcd-1 · auto: the default · has an undo" in said.out
    assert 0 == sum(there.asked(method, "/") for method in ("PATCH", "POST", "DELETE"))


def test_a_node_that_others_have_cordoned_is_left_to_them(there: Cluster) -> None:
    """A drain of it begins with nothing to cordon: so nothing is owed, and nothing undone."""
    there.cordon("n1")
    there.shell("run", "script.py:only_drained", "--id", "r")
    back = there.shell("rollback", "r")

    assert ["drain n1", "boom"] == [fact["key"] for fact in facts(there, "StepStarted")]
    assert ["cordon n1"] == [fact["key"] for fact in facts(there, "StepFoundDone")]
    assert (0, True) == (back.code, there.is_cordoned("n1")), back.err


KILLS = [
    ("cordoned", "PATCH", "/nodes/n1"),
    ("only_drained", "POST", "/eviction"),
    ("image", "PATCH", "/pods/etcd-1"),
]


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["lost", "done"])
@pytest.mark.parametrize(("workflow", "method", "part"), KILLS, ids=[w for w, *_ in KILLS])
def test_killed_inside_it_ends_as_in_calm_weather(
    there: Cluster, workflow: str, method: str, part: str, after: bool
) -> None:
    """SIGKILL before or after a request took effect: what took effect is not done again."""
    there.stop_at(method, part, after=after)
    life = there.shell.begin("run", f"script.py:{workflow}", "--id", "r")
    there.wait_until_stopped()
    life.signal(signal.SIGKILL)
    life.end()
    there.let_go()
    owed = there.shell("owed").out
    done = there.shell("resume", "r")
    asked = there.asked(method, part)
    back = there.shell("rollback", "r")

    assert (workflow != "image") == ("uncordon n1" in owed)
    assert 1 == done.code and "boom" in done.err, done.err
    assert (1 if after else 2) == asked
    assert (0, OLD, False) == (back.code, there.image("etcd-1"), there.is_cordoned("n1")), back.err


@pytest.mark.slow
def test_a_drain_that_a_budget_refuses_says_who_remains(there: Cluster) -> None:
    """The node stays cordoned, which is owed; when the budget allows it, resume goes on."""
    there.api.add_budget("etcd", LABELS)
    there.api.set_pod("etcd-2", ready=False)
    said = there.shell("run", "script.py:only_drained", "--id", "r")
    owed = there.shell("owed").out
    there.api.set_pod("etcd-2")
    done = there.shell("resume", "r")

    assert 1 == said.code and "DrainFailed" in said.err
    assert "stays cordoned; still there: default/etcd-1" in said.err, said.err
    assert "uncordon n1" in owed
    assert "boom" in done.err and 1 == there.asked("PATCH", "/nodes/n1")


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CrashLoopBackOff"])
def test_what_will_never_be_ready_fails_at_once(there: Cluster, reason: str) -> None:
    """With the container's reason, and its last lines where it has run; a retry with another image
    goes on, and a rollback gives it the first."""
    there.sick["etcd:9.9"] = reason
    there.api.logs = lambda pod, container, is_previous: "line 1\npanic: no such flag\n"
    said = there.shell("run", "script.py:image", "--id", "r", "-p", "image=etcd:9.9")
    there.shell("resume", "r", "--set", "image=etcd:3.5")
    again = there.shell("retry", "r", "set image pod%2Fetcd-1")
    state = (again.code, "boom" in again.err, there.image("etcd-1"))
    back = there.shell("rollback", "r")

    assert 1 == said.code and "is not ready after" not in said.err
    assert f"container etcd of pod etcd-1: {reason}" in said.err, said.err
    assert (reason == "CrashLoopBackOff") == ("panic: no such flag" in said.err), said.err
    assert (1, True, NEW) == state, again.err
    assert (0, OLD) == (back.code, there.image("etcd-1")), back.err


def test_a_signal_leaves_a_wait_in_order(there: Cluster) -> None:
    """At no cost of an attempt; the next life waits on."""
    there.sick["etcd:3.6"] = "ContainerCreating"
    life = there.shell.begin("run", "script.py:image", "--id", "r", "-p", "image=etcd:3.6")
    life.until("etcd waits for ContainerCreating")
    life.signal(signal.SIGTERM)
    left = life.end()
    there.api.set_pod("etcd-1")
    done = there.shell("resume", "r")

    assert 143 == left.code, left.err
    assert 1 == done.code and "boom" in done.err, done.err
    assert [] == [f for f in facts(there, "AttemptFailed") if f["key"].startswith("wait until")]


@pytest.mark.parametrize("workflow", ["changed", "changed_awaited"])
def test_variables_and_paths_are_changed_and_put_back(there: Cluster, workflow: str) -> None:
    """Others stay as they are, also in the rollback; awaited, too."""
    container = {"name": "etcd", "image": OLD, "env": [{"name": "B", "value": "b"}, KEPT]}
    template = {"spec": {"containers": [container]}}
    spec = {"replicas": 3, "template": template}
    there.api.add("statefulsets", {"metadata": {"name": "etcd"}, "spec": spec})
    there.shell("run", f"script.py:{workflow}", "--id", "r")
    after = there.api.find("statefulsets", "etcd")
    back = there.shell("rollback", "r")

    assert [KEPT, {"name": "A", "value": "new"}, {"name": "C", "value": "added"}] == env(after)
    assert (5, {"by": "us"}) == (after["spec"]["replicas"], after["metadata"]["annotations"])
    now = there.api.find("statefulsets", "etcd")
    assert 0 == back.code, back.err
    assert [KEPT, {"name": "B", "value": "b"}] == sorted(env(now), key=lambda e: e["name"] == "B")
    assert (3, None) == (now["spec"]["replicas"], now["metadata"].get("annotations"))


KEPT = {"name": "KEPT", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


def env(workload: Any) -> Any:
    return workload["spec"]["template"]["spec"]["containers"][0]["env"]


def test_what_somebody_else_changed_is_not_overwritten(there: Cluster) -> None:
    """A guard that does not hold changes nothing, nor does an undo over another's change."""
    there.api.add("statefulsets", {"metadata": {"name": "etcd"}, "spec": {"replicas": 4}})
    guarded = there.shell("run", "script.py:patched", "--id", "guarded")
    there.shell("run", "script.py:image", "--id", "r")
    there.give_image("etcd-1", "etcd:3.6")
    back = there.shell("rollback", "r")

    assert 1 == guarded.code and "ChangedMeanwhile" in guarded.err
    assert "/spec/replicas=4, and /spec/replicas=3 was expected" in guarded.err, guarded.err
    assert 0 != back.code and "somebody else has changed" in back.err
    assert "etcd:3.6" == there.image("etcd-1")


def test_what_came_where_nothing_was_is_not_overwritten(there: Cluster) -> None:
    """Variables that somebody else gives a container that had none, in the moment before ours are
    sent, are seen by the cluster; resumed, ours stand beside them."""
    there.api.add("statefulsets", bare_workload())
    there.api.refuse = Meanwhile(there, give_variable)
    said = there.shell("run", "script.py:varied", "--id", "r")
    then = env(there.api.find("statefulsets", "etcd"))
    done = there.shell("resume", "r")

    assert 1 == said.code and "ChangedMeanwhile" in said.err, said.err
    assert [THEIRS] == then
    assert 0 == done.code, done.err
    assert [THEIRS, OURS] == env(there.api.find("statefulsets", "etcd"))


def test_a_change_elsewhere_in_the_object_is_no_obstacle(there: Cluster) -> None:
    """Its version is another one, and what is to be changed is as it was seen."""
    there.api.add("statefulsets", bare_workload())
    there.api.refuse = Meanwhile(there, give_replicas)
    said = there.shell("run", "script.py:varied")
    found = there.api.find("statefulsets", "etcd")

    assert (0, [OURS], 7) == (said.code, env(found), found["spec"]["replicas"]), said.err


OURS, THEIRS = {"name": "A", "value": "ours"}, {"name": "B", "value": "theirs"}


def bare_workload() -> dict[str, Any]:
    containers = [{"name": "etcd", "image": OLD}]
    spec = {"template": {"spec": {"containers": containers}}}
    return {"metadata": {"name": "etcd"}, "spec": spec}


def give_variable(workload: Any) -> None:
    workload["spec"]["template"]["spec"]["containers"][0]["env"] = [THEIRS]


def give_replicas(workload: Any) -> None:
    workload["spec"]["replicas"] = 7


class Meanwhile:
    """Changes the workload, as somebody else would, when the first patch of it comes."""

    def __init__(self, there: Cluster, change: Callable[[Any], None]) -> None:
        self._there, self._change = there, change
        self._is_over = False

    def __call__(self, method: str, path: str) -> None:
        if method == "PATCH" and not self._is_over:
            self._is_over = True
            workload = self._there.api.find("statefulsets", "etcd")
            self._change(workload)
            self._there.api.store("statefulsets", workload)


@pytest.mark.parametrize("name", ["-lapp!=x", "--all", "node/n1", "n1,n2", "n1 n2", ""])
def test_what_is_no_name_of_a_node_touches_none(there: Cluster, name: str) -> None:
    """kubectl would take it for an option, or for several of them."""
    said = there.shell("run", "script.py:anywhere", "-p", f"node={name}")

    assert (2, []) == (said.code, [n for n in ("n1", "n2", "n3") if there.is_cordoned(n)])
    assert f"{name!r} is no name of a node" in said.err, said.err
    assert 0 == there.asked("", "")


@pytest.mark.parametrize("workflow", ["commands", "commands_awaited"])
def test_a_command_is_run_in_a_container(there: Cluster, workflow: str) -> None:
    """Its output is the result; its failure is the step's, with its own exit code."""
    if kubectl_minor(there.home) < 31:
        pytest.skip("this kubectl does not exec over websockets: 1.31 does")
    there.api.run = lambda pod, argv, stdin: (int(argv[-1].split()[-1]), b"said\n", b"warned\n")
    well = there.shell("run", f"script.py:{workflow}", "--id", "r")
    ill = there.shell("run", f"script.py:{workflow}", "--id", "q", "-p", "code=127")

    assert (0, ["said", "warned", 0]) == (well.code, json.loads(well.out)), well.err
    assert 1 == ill.code and "CommandFailed: etcd-1: sh -c exit 127: exit 127" in ill.err, ill.err


def test_what_kubectl_cannot_do_is_said_with_what_to_do(there: Cluster) -> None:
    """No context, no such node, not allowed, no answer, no kubectl: each its own error."""
    said = {
        "Unconfigured": there.shell("run", "script.py:elsewhere"),
        "NotFound": there.shell("run", "script.py:nobody"),
    }
    told = 'nodes "n1" is forbidden: User "lab" cannot patch resource "nodes"'
    there.api.refuse = lambda method, path: (
        Refused(403, "Forbidden", told) if method == "PATCH" else None
    )
    said["Forbidden"] = there.shell("run", "script.py:cordoned")
    there.api.stop()
    said["Unreachable"] = there.shell("run", "script.py:cordoned")
    said["KubectlMissing"] = there.shell("run", "script.py:cordoned", PATH="/nowhere")
    advice = {
        "Unconfigured": "kubectl config get-contexts",
        "NotFound": "compare the name, the namespace and the context",
        "Forbidden": "have the right granted",
        "Unreachable": "see whether the cluster answers",
        "KubectlMissing": "there is no program `kubectl` in PATH",
    }

    assert {name: 1 for name in said} == {name: each.code for name, each in said.items()}
    assert [] == [name for name, each in said.items() if f"{name}: " not in each.err]
    assert [] == [name for name, each in said.items() if advice[name] not in each.err]
    assert [] == [name for name, each in said.items() if "Traceback" in each.err]


def test_awaited_steps_do_the_same(there: Cluster) -> None:
    """Under the same keys, with the same debts."""
    said = there.shell("run", "script.py:awaited", "--id", "r")
    keys = ["cordon n2", "drain n2", "uncordon n2", "set image pod%2Fetcd-2"]

    assert 0 == said.code, said.err
    assert keys == [fact["key"] for fact in facts(there, "StepStarted")][:4]
    assert (NEW, False) == (there.image("etcd-2"), there.is_cordoned("n2"))
