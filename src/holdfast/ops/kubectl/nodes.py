"""cordon, uncordon and drain: a node is taken out of use, and owed back."""

from __future__ import annotations

from holdfast.errors import UsageError
from holdfast.flow.decorator import step
from holdfast.flow.steps import Duration, StepFunction
from holdfast.integrations.kubernetes.pods import Object, stays_at_drain
from holdfast.integrations.kubernetes.refusals import DrainFailed, KubectlFailed
from holdfast.model.durations import seconds, show
from holdfast.ops.foreseeing import is_foreseen
from holdfast.ops.kubectl.calling import Cluster, name_of
from holdfast.runtime.context import FRAME

VERSION = "1"
PODS_SHOWN_MAX = 5
DRAIN_S = "10m"


def _is_cordoned(node: str, context: str | None) -> bool:
    found = Cluster(context).get("node", name_of(node, "node"))
    return bool(found["spec"].get("unschedulable"))


def _is_schedulable(node: str, context: str | None) -> bool | None:
    # In a plan the node is still as it was before it will have been cordoned.
    return None if is_foreseen() else not _is_cordoned(node, context)


@step("uncordon {node}", check=_is_schedulable)
def uncordon(node: str, *, context: str | None = None) -> None:
    """Let pods come to a node again; settles what `cordon` owes for it.

    Raises StepFailed. Harmless when repeated.
    """
    _set("uncordon", node, context)


@step("cordon {node}", check=_is_cordoned, owes=uncordon)
def cordon(node: str, *, context: str | None = None) -> None:
    """Let no new pods come to a node, and owe its `uncordon`.

    A node that was cordoned before is left to whoever did that: then nothing is owed. Raises
    StepFailed.
    """
    _set("cordon", node, context)


def _set(verb: str, node: str, context: str | None) -> None:
    """Cordon or uncordon, and see whether it is so: kubectl may exit with 0 when it is not."""
    done = Cluster(context).change(verb, name_of(node, "node"))
    if _is_cordoned(node, context) != (verb == "cordon"):
        raise KubectlFailed(
            f"kubectl {verb} {node} ended well, and the node is not as it should be: {done.out}; "
            "something else sets it back: see who, and resume"
        )


def drain(
    node: str,
    *,
    context: str | None = None,
    timeout: Duration = DRAIN_S,
    grace: Duration | None = None,
    delete_emptydir: bool = False,
    force: bool = False,
) -> None:
    """Cordon a node, and evict what runs on it, all but DaemonSets; as two steps.

    The first is left out where this scope has cordoned the node already; it is what owes the
    `uncordon`, and owes nothing for a node that somebody else had cordoned. Disruption budgets are
    respected: what they hold back is tried again until `timeout`. `grace` is what each pod gets
    to end, `delete_emptydir` lets go of scratch volumes, `force` of pods that nothing brings back.
    Raises StepFailed, naming the pods that remain; the node then stays cordoned.
    """
    drain_step, arguments = draining(node, context, timeout, grace, delete_emptydir, force)
    if is_to_be_cordoned(node, context):
        cordon(node, context=context)
    drain_step(**arguments)


def draining(
    node: str,
    context: str | None,
    timeout: Duration,
    grace: Duration | None,
    delete_emptydir: bool,
    force: bool,
) -> tuple[StepFunction[..., None], dict[str, object]]:
    """Return the step that drains, and its arguments. Raises UsageError for what is no duration."""
    timeout_s = seconds(timeout)
    if timeout_s < 1:
        raise UsageError(f"drain({node!r}): timeout={timeout!r}: at least a second")
    return _drain, {
        "node": node,
        "context": context,
        "timeout_s": timeout_s,
        "grace_s": None if grace is None else int(seconds(grace)),
        "delete_emptydir": delete_emptydir,
        "force": force,
    }


def is_to_be_cordoned(node: str, context: str | None) -> bool:
    """Whether a drain here has to cordon first: not where the script did so in this scope."""
    found = FRAME.get()
    label = cordon.labelled({"node": node, "context": context})
    return found is None or found.step is not None or label not in found.trace.labels


def _is_drained(node: str, context: str | None) -> bool:
    return _is_cordoned(node, context) and not _remaining(node, context)


@step("drain {node}", check=_is_drained)
def _drain(
    node: str,
    context: str | None,
    timeout_s: float,
    grace_s: int | None,
    delete_emptydir: bool,
    force: bool,
) -> None:
    words = [name_of(node, "node"), "--ignore-daemonsets"]
    words += [f"--timeout={max(1, round(timeout_s))}s"]
    words += [] if grace_s is None else [f"--grace-period={grace_s}"]
    words += ["--delete-emptydir-data"] if delete_emptydir else []
    words += ["--force"] if force else []
    try:
        Cluster(context).change("drain", *words)
    except KubectlFailed as error:
        if type(error) is not KubectlFailed:
            raise
        raise DrainFailed(_why_not(node, context, timeout_s, str(error))) from error


def _why_not(node: str, context: str | None, timeout_s: float, said: str) -> str:
    try:
        pods = [_name(pod) for pod in _remaining(node, context)]
    except KubectlFailed:
        pods = []
    shown = ", ".join(pods[:PODS_SHOWN_MAX])
    more = f" and {len(pods) - PODS_SHOWN_MAX} more" if len(pods) > PODS_SHOWN_MAX else ""
    there = f"; still there: {shown}{more}" if pods else ""
    return (
        f"node {node} was not drained (limit {show(timeout_s)}), and stays cordoned{there}. "
        "See what keeps them (`kubectl get poddisruptionbudgets -A`), then resume to go on with "
        f"those that are left, or roll back to uncordon it. kubectl said: {said}"
    )


def _remaining(node: str, context: str | None) -> list[Object]:
    """Return the pods that a drain would still evict."""
    where = f"--field-selector=spec.nodeName={node}"
    found = Cluster(context).get("pods", "--all-namespaces", where)
    return [pod for pod in found.get("items", ()) if not stays_at_drain(pod)]


def _name(pod: Object) -> str:
    return f"{pod['metadata'].get('namespace', 'default')}/{pod['metadata']['name']}"
