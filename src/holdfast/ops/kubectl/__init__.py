"""Ready-made steps over the user's own `kubectl`: nodes are drained, workloads changed, waited for.

    from holdfast.ops import kubectl

    kubectl.cordon("node-1")
    kubectl.drain("node-1", timeout="5m")
    kubectl.set_image("pod/etcd-1", "etcd:3.5")
    kubectl.wait_ready("pod/etcd-1")
    kubectl.uncordon("node-1")

`holdfast.ops.aio.kubectl` has the same names, awaited. Outside any run each is just a function.
"""

from holdfast.integrations.kubernetes.refusals import (
    ChangedMeanwhile,
    DrainFailed,
    Forbidden,
    KubectlFailed,
    KubectlMissing,
    NotFound,
    NotReady,
    Unconfigured,
    Unreachable,
)
from holdfast.ops.kubectl.environment import EnvChanged, set_env
from holdfast.ops.kubectl.executing import exec
from holdfast.ops.kubectl.nodes import cordon, drain, uncordon
from holdfast.ops.kubectl.waiting import wait_ready
from holdfast.ops.kubectl.workloads import Changed, patch, set_image

VERSION = "1"

__all__ = [
    "Changed",
    "ChangedMeanwhile",
    "DrainFailed",
    "EnvChanged",
    "Forbidden",
    "KubectlFailed",
    "KubectlMissing",
    "NotFound",
    "NotReady",
    "Unconfigured",
    "Unreachable",
    "cordon",
    "drain",
    "exec",
    "patch",
    "set_env",
    "set_image",
    "uncordon",
    "wait_ready",
]
