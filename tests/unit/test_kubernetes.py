"""What kubectl's answers mean: refusals, guards, and pods that are ready, broken, or neither."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.errors import UsageError
from holdfast.integrations.kubernetes import patches, pods, refusals, waiting
from holdfast.integrations.kubernetes.pods import Broken, Standing
from holdfast.ops import kubectl

REFUSALS = [
    (refusals.KubectlMissing, 127, "sh: 1: exec: kubectl: not found"),
    (refusals.NotFound, 1, 'Error from server (NotFound): nodes "n9" not found'),
    (refusals.Forbidden, 1, 'Error from server (Forbidden): nodes is forbidden: User "x"'),
    (refusals.Forbidden, 1, 'error: unable to cordon node "n1": nodes "n1" is forbidden: User'),
    (refusals.Forbidden, 1, "error: You must be logged in to the server (Unauthorized)"),
    (refusals.Unreachable, 1, "The connection to the server 127.0.0.1:1 was refused - did you"),
    (refusals.Unreachable, 1, "Unable to connect to the server: dial tcp: i/o timeout"),
    (refusals.Unreachable, 1, "Unable to connect to the server: dial tcp: lookup x: no such host"),
    (refusals.Unreachable, 1, "Error from server: etcdserver: leader changed"),
    (refusals.Unreachable, 1, "Error from server: etcdserver: request timed out"),
    (refusals.Unreachable, 1, "Error from server (Timeout): the server was unable to return a"),
    (refusals.Unreachable, 1, "Error from server (TooManyRequests): the server has received too"),
    (refusals.Unreachable, 1, "error: http2: client connection lost"),
    (refusals.Unconfigured, 1, "Error in configuration: context was not found for specified"),
    (refusals.Unconfigured, 1, 'error: context "x" does not exist'),
    (refusals.Unconfigured, 1, "error: no configuration has been provided, try setting KUBE"),
    (refusals.ChangedMeanwhile, 1, "The request is invalid: the server rejected our request"),
    (refusals.ChangedMeanwhile, 1, 'Error from server (Invalid): testing value /spec/x failed'),
    (refusals.KubectlFailed, 1, "error: something else"),
    (refusals.KubectlFailed, 3, ""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "code", "said"), REFUSALS)
def test_each_refusal_has_its_error(kind: type[Exception], code: int, said: str) -> None:
    """It says what kubectl said and what to do, also when kubectl said nothing."""
    error = refusals.refusal(["kubectl", "cordon", "n1"], code, said)

    assert kind is type(error)
    assert said in str(error) or kind is refusals.KubectlMissing
    assert str(error).strip()


# --- patches ----------------------------------------------------------------------------------

POD: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {"name": "p", "annotations": {"a/b": "1", "~": "2"}},
    "spec": {
        "containers": [{"name": "c", "image": "i:1", "env": [{"name": "A", "value": "a"}]}],
        "initContainers": [{"name": "i", "image": "i:0"}],
    },
}


@pytest.mark.parametrize(
    ("pointer", "wanted"),
    [
        ("/metadata/name", "p"),
        ("/metadata/annotations/a~1b", "1"),
        ("/metadata/annotations/~0", "2"),
        ("/spec/containers/0/image", "i:1"),
        ("/spec/containers/1", patches.ABSENT),
        ("/spec/containers/-", patches.ABSENT),
        ("/metadata/name/x", patches.ABSENT),
    ],
)
def test_a_pointer_finds_its_value(pointer: str, wanted: object) -> None:
    """As RFC 6901 has it; a path that leads nowhere is absent."""
    assert wanted == patches.at(POD, pointer)


def test_a_patch_tests_before_it_changes() -> None:
    """What is there is replaced or removed, what is not is added, and nothing is removed twice."""
    made = patches.guarded(
        POD,
        {"/spec/containers/0/image": "i:2", "/spec/hostname": "h", "/metadata/annotations": None,
         "/metadata/labels": None},
        {"/spec/containers/0/image": "i:1", "/spec/hostname": None},
    )  # fmt: skip

    assert [
        {"op": "test", "path": "/spec/containers/0/image", "value": "i:1"},
        {"op": "replace", "path": "/spec/containers/0/image", "value": "i:2"},
        {"op": "add", "path": "/spec/hostname", "value": "h"},
        {"op": "remove", "path": "/metadata/annotations"},
    ] == made
    assert patches.holds(POD, {"/spec/containers/0/image": "i:1", "/spec/hostname": None})
    assert not patches.holds(POD, {"/spec/containers/0/image": "i:2"})


def test_that_nothing_is_there_is_tested_by_the_version() -> None:
    """JSON patch has no test for it, and an `add` overwrites what came meanwhile."""
    metadata = {**POD["metadata"], "resourceVersion": "7"}
    made = patches.guarded({**POD, "metadata": metadata}, {"/spec/x": 1}, {"/spec/x": None})

    assert {"op": "test", "path": "/metadata/resourceVersion", "value": "7"} == made[0]
    assert {"op": "add", "path": "/spec/x", "value": 1} == made[1]


def test_a_container_is_found_by_name_or_by_being_the_only_one() -> None:
    """Also in a workload; else the error names those there are."""
    workload = {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": POD}}
    two = {**POD, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}}

    assert "/spec/containers/0" == patches.container_path(POD, None)
    assert "/spec/initContainers/0" == patches.container_path(POD, "i")
    assert "/spec/template/spec/containers/0" == patches.container_path(workload, "c")
    with pytest.raises(UsageError, match="has the containers a, b: give container="):
        patches.container_path(two, None)
    with pytest.raises(refusals.NotFound, match="no container 'x': it has c, i"):
        patches.container_path(POD, "x")


def test_variables_are_placed_where_they_stood() -> None:
    """Others are left as they are."""
    found = [{"name": "A", "value": "a"}, {"name": "B", "valueFrom": {}}, {"name": "C"}]
    made = patches.with_entries(found, patches.entries({"A": "new", "C": None, "D": "d"}))

    assert [
        {"name": "A", "value": "new"}, {"name": "B", "valueFrom": {}}, {"name": "D", "value": "d"}
    ] == made  # fmt: skip
    assert {"A": {"name": "A", "value": "a"}, "Z": None} == patches.entries_of(
        POD, None, {"A": 1, "Z": 1}
    )


HUB = "docker" + ".io/library"

# --- pods -------------------------------------------------------------------------------------


def pod(image: str = "e:2", status_image: str = "e:2", **status: Any) -> dict[str, Any]:
    ready = status.pop("ready", True)
    container = {"name": "c", "image": status_image, "ready": ready, **status}
    condition = {"type": "Ready", "status": str(ready)}
    return {
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"containers": [{"name": "c", "image": image}]},
        "status": {
            "phase": "Running", "conditions": [condition], "containerStatuses": [container]
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "found", "is_current"),
    [
        ("e:2", "e:2", True),
        ("e:2", f"{HUB}/e:2", True),
        ("e", f"{HUB}/e:latest", True),
        ("quay.io/x/e:2", "quay.io/x/e:2", True),
        ("e:2", "e:1", False),
        ("e@sha256:abc", "sha256:abc", True),
        ("e@sha256:abc", "sha256:def", False),
    ],
)
def test_a_ready_of_another_image_is_not_current(wanted: str, found: str, is_current: bool) -> None:
    """A runtime spells names out; a digest is found where it stands."""
    standing = pods.standing_of(pod(wanted, found))

    assert (True, is_current) == (standing.is_ready, standing.is_current)


@pytest.mark.parametrize("reason", sorted(pods.BROKEN))
def test_a_container_that_waits_for_what_will_not_come_is_broken(reason: str) -> None:
    """With its reason and message, or how it ended before."""
    waits = {"waiting": {"reason": reason, "message": ""}}
    last = {"terminated": {"exitCode": 2}}
    (broken,) = pods.broken_of(pod(ready=False, state=waits, lastState=last, restartCount=3))

    assert f"container c of pod p: {reason}, 3 restarts: it ended with exit 2" == broken.text
    assert "c waits for " + reason in pods.standing_of(pod(ready=False, state=waits)).says


def test_what_begins_or_ends_is_not_broken() -> None:
    """Nor is a pod that is being deleted, whatever its containers say."""
    begins = pod(ready=False, state={"waiting": {"reason": "ContainerCreating"}})
    ends = pod(ready=False, state={"waiting": {"reason": "CrashLoopBackOff"}})
    ends["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert [] == [*pods.broken_of(begins), *pods.broken_of(ends)]
    assert "is being deleted" == pods.standing_of(ends).says


def workload(kind: str, generation: int = 2, **status: int) -> dict[str, Any]:
    about = {"name": "w", "generation": generation}
    return {"kind": kind, "metadata": about, "spec": {"replicas": 3}, "status": status}


@pytest.mark.parametrize(
    ("kind", "status", "is_ready"),
    [
        ("Deployment", {"readyReplicas": 3, "updatedReplicas": 3, "replicas": 3}, True),
        ("Deployment", {"readyReplicas": 3, "updatedReplicas": 3, "replicas": 4}, False),
        ("Deployment", {"readyReplicas": 3, "updatedReplicas": 1, "replicas": 3}, False),
        ("StatefulSet", {"readyReplicas": 3, "updatedReplicas": 3}, True),
        ("StatefulSet", {"readyReplicas": 2, "updatedReplicas": 3}, False),
        (
            "DaemonSet",
            {"desiredNumberScheduled": 2, "numberReady": 2, "updatedNumberScheduled": 2},
            True,
        ),
        (
            "DaemonSet",
            {"desiredNumberScheduled": 2, "numberReady": 2, "updatedNumberScheduled": 1},
            False,
        ),
    ],
)
def test_a_workload_is_ready_with_all_of_its_pods(
    kind: str, status: dict[str, int], is_ready: bool
) -> None:
    """Of the generation that is wanted; what its controller has not seen says nothing."""
    assert (
        is_ready == pods.workload_standing(workload(kind, observedGeneration=2, **status)).is_ready
    )
    assert not pods.workload_standing(workload(kind, observedGeneration=1, **status)).is_ready


def test_a_drain_leaves_daemons_and_what_the_node_itself_runs() -> None:
    """Only what a controller of that kind owns."""
    daemon, mirror, plain = pod(), pod(), pod()
    owner = {"kind": "DaemonSet", "controller": True}
    daemon["metadata"]["ownerReferences"] = [owner]
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}

    assert [True, True, False] == [pods.stays_at_drain(each) for each in (daemon, mirror, plain)]


# --- waiting ----------------------------------------------------------------------------------

SICK = Broken("p", "n", "c", "CrashLoopBackOff", "", 1, is_current=True)
OLD = Broken("p", "n", "c", "CrashLoopBackOff", "", 1, is_current=False)
NOT_READY = Standing(False, True, "Pending")


def verdicts(*looks: tuple[float, Standing, list[Broken]]) -> list[str]:
    seen = waiting.Looks()
    return [seen.judge(standing, broken, at) for at, standing, broken in looks]


def test_broken_is_believed_when_seen_again() -> None:
    """A second later; where it may be about the image before, fifteen seconds later."""
    fast = verdicts((0, NOT_READY, [SICK]), (1, NOT_READY, [SICK]))
    passing = verdicts((0, NOT_READY, [SICK]), (1, NOT_READY, []), (2, NOT_READY, [SICK]))
    slow = verdicts((0, NOT_READY, [OLD]), (14, NOT_READY, [OLD]), (15, NOT_READY, [OLD]))

    assert (["wait", "broken"], ["wait"] * 3) == (fast, passing)
    assert ["wait", "wait", "broken"] == slow


def test_ready_of_another_name_is_believed_when_it_lasts() -> None:
    """Half a minute without a moment of not being ready."""
    renamed = Standing(True, False, "ready")
    lasting = verdicts((0, renamed, []), (29, renamed, []), (30, renamed, []))
    broken_off = verdicts(
        (0, renamed, []), (15, NOT_READY, []), (16, renamed, []), (31, renamed, [])
    )

    assert ["wait", "wait", "ready"] == lasting
    assert ["wait"] * 4 == broken_off
    assert ["ready"] == verdicts((0, Standing(True, True, "ready"), []))


def test_a_cluster_may_be_silent_for_a_minute() -> None:
    """From the first look without an answer; an answer in between begins anew."""
    seen = waiting.Looks()
    silent = [seen.is_silent(0), seen.is_silent(60)]
    seen.judge(NOT_READY, [], 60.5)

    assert [False, False, False, True] == [*silent, seen.is_silent(61), seen.is_silent(122)]
    assert waiting.FIRST_S < seen.next_s <= waiting.MOST_S


@pytest.mark.parametrize("pod", ["-l", "a,b", "pod/-", "pods,services/a", "/a", ""])
def test_what_is_no_name_of_a_pod_runs_nothing(pod: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before kubectl could read it as something else."""
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(UsageError, match=r"is no (name of a pod|resource)"):
        kubectl.exec(pod, "true")
