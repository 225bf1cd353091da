"""wait_ready: wait for a pod or workload, and stop at once when it is broken, with its reason."""

from __future__ import annotations

from holdfast.flow.decorator import step
from holdfast.flow.inside import progress, save
from holdfast.flow.steps import Duration
from holdfast.integrations.kubernetes import waiting
from holdfast.integrations.kubernetes.pods import (
    Broken,
    Object,
    Standing,
    broken_of,
    is_of_template,
    selector_of,
    standing_of,
    workload_standing,
)
from holdfast.integrations.kubernetes.refusals import (
    KubectlFailed,
    NotFound,
    NotReady,
    Unreachable,
)
from holdfast.model.durations import seconds, show
from holdfast.ops.foreseeing import is_foreseen
from holdfast.ops.kubectl.calling import Cluster, resource_of
from holdfast.runtime.context import FRAME

VERSION = "1"
LOG_LINES = 10
READY_S = "10m"


def wait_ready(
    resource: str,
    *,
    timeout: Duration = READY_S,
    namespace: str | None = None,
    context: str | None = None,
) -> None:
    """Wait until `pod/etcd-1`, or all of `statefulset/etcd`, is ready as it is wanted now.

    A Ready that is about the image or generation before does not count; a pod that is not there
    yet is waited for. CrashLoopBackOff, ImagePullBackOff and their like end the wait within
    seconds, with the container's reason and its last log lines. A stop leaves the wait without
    using up an attempt; a later life waits the whole `timeout` anew. Raises StepFailed.
    """
    ready(resource, seconds(timeout), namespace, context)


def _is_ready(resource: str, namespace: str | None, context: str | None) -> bool | None:
    if is_foreseen():
        return None  # It is to be ready after what the steps before it will change.
    standing, _ = _look(Cluster(context, namespace), resource)
    return standing.is_ready and standing.is_current


@step("wait until {resource} is ready", check=_is_ready)
def ready(resource: str, timeout_s: float, namespace: str | None, context: str | None) -> None:
    """Wait until an object is ready. Raises NotReady, with the reason, when it is not in time."""
    cluster, looks = Cluster(context, namespace), waiting.Looks()
    ends_at = waiting.monotonic() + timeout_s
    while True:
        standing = _looked(cluster, resource, looks)
        if standing is None:
            return
        if waiting.monotonic() + looks.next_s >= ends_at:
            raise NotReady(
                f"{resource} is not ready after {show(timeout_s)}: {standing.says}. Nothing was "
                f"taken back; see `kubectl describe {resource}`, mend it, and resume to wait on"
            )
        if FRAME.get() is not None:
            progress(looks.count, None, standing.says)
        waiting.pause(looks.next_s)
        _leave_if_due(looks)


def _looked(cluster: Cluster, resource: str, looks: waiting.Looks) -> Standing | None:
    """Look once; return how it stands, or None when it is ready. Raises NotReady when it never
    will be."""
    try:
        standing, broken = _look(cluster, resource)
    except Unreachable as error:
        if looks.is_silent(waiting.monotonic()):
            raise
        return Standing(False, False, f"the cluster does not answer: {error}")
    verdict = looks.judge(standing, broken, waiting.monotonic())
    if verdict == "broken":
        assert looks.broken is not None
        raise NotReady(_told(cluster, resource, looks.broken))
    return None if verdict == "ready" else standing


def _look(cluster: Cluster, resource: str) -> tuple[Standing, list[Broken]]:
    """Return how it stands, and its broken containers. Raises KubectlFailed."""
    kind, _, _ = resource.partition("/")
    try:
        found = cluster.get(resource_of(resource))
    except NotFound:
        if kind not in ("pod", "pods", "po"):
            raise
        return Standing(False, False, "there is no such pod (yet)"), []
    if found["kind"] == "Pod":
        return standing_of(found), list(broken_of(found))
    standing = workload_standing(found)
    return standing, [] if standing.is_ready else _broken_pods(cluster, found)


def _broken_pods(cluster: Cluster, workload: Object) -> list[Broken]:
    """Return the broken containers of the pods that are as the workload wants them now."""
    selector = selector_of(workload)
    if not selector:
        return []
    pods = cluster.get("pods", f"--selector={selector}").get("items", ())
    return [each for pod in pods if is_of_template(pod, workload) for each in broken_of(pod)]


def _told(cluster: Cluster, resource: str, broken: Broken) -> str:
    """Return what is wrong, with the last lines of the container's log where it has run."""
    lines = _last_lines(cluster, broken)
    log = f"\nIts last lines:\n{lines}" if lines else ""
    return (
        f"{resource} will not become ready: {broken.text}. Nothing was taken back; give it what "
        f"it needs (another image, a configuration), then resume.{log}"
    )


def _last_lines(cluster: Cluster, broken: Broken) -> str:
    if not broken.restarts:
        return ""  # It has never run.
    words = ["logs", broken.pod, f"--container={broken.container}", f"--tail={LOG_LINES}"]
    there = Cluster(cluster.context, broken.namespace)
    for more in (["--previous"], []):
        try:
            if text := there.ask(*words, *more).strip():
                return text
        except KubectlFailed:
            continue  # Its log is gone: the reason stands without it.
    return ""


def _leave_if_due(looks: waiting.Looks) -> None:
    """Let a stop, a signal or spent time end the life here."""
    found = FRAME.get()
    if found is not None and found.step is not None and found.life.is_due():
        save(looks.count)
