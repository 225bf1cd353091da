"""The steps of `holdfast.ops.kubectl` for `async def` workflows: the same names, awaited."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.flow.steps import Duration
from holdfast.model.durations import seconds
from holdfast.model.retry import Retry
from holdfast.ops.awaiting import awaited
from holdfast.ops.kubectl import nodes, waiting, workloads
from holdfast.ops.kubectl.environment import Env, EnvChanged, env_step
from holdfast.ops.kubectl.executing import exec_step
from holdfast.ops.kubectl.workloads import Changed, Values, patch_step
from holdfast.runtime.processes import Done

__all__ = [
    "cordon",
    "drain",
    "exec",
    "patch",
    "set_env",
    "set_image",
    "uncordon",
    "wait_ready",
]


cordon = awaited(nodes.cordon)
uncordon = awaited(nodes.uncordon)
set_image = awaited(workloads.set_image)


async def drain(
    node: str,
    *,
    context: str | None = None,
    timeout: Duration = nodes.DRAIN_S,
    grace: Duration | None = None,
    delete_emptydir: bool = False,
    force: bool = False,
) -> None:
    """Cordon a node, and evict what runs on it; see `holdfast.ops.kubectl.drain`."""
    step, arguments = nodes.draining(node, context, timeout, grace, delete_emptydir, force)
    if nodes.is_to_be_cordoned(node, context):
        await cordon(node, context=context)
    await awaited(step, "drain")(**arguments)


async def set_env(
    resource: str,
    env: Env,
    *,
    container: str | None = None,
    namespace: str | None = None,
    context: str | None = None,
) -> EnvChanged:
    """Set variables of a container; see `holdfast.ops.kubectl.set_env`."""
    step = awaited(env_step(resource, env), "set_env")
    return await step(resource, dict(env), container, namespace, context)


async def patch(
    resource: str,
    change: Values,
    *,
    test: Values | None = None,
    namespace: str | None = None,
    context: str | None = None,
    label: str | None = None,
) -> Changed:
    """Set paths of an object where `test` holds; see `holdfast.ops.kubectl.patch`."""
    guard = None if test is None else dict(test)
    step = awaited(patch_step(change, label), "patch")
    return await step(resource, dict(change), guard, namespace, context)


async def wait_ready(
    resource: str,
    *,
    timeout: Duration = waiting.READY_S,
    namespace: str | None = None,
    context: str | None = None,
) -> None:
    """Wait until a pod or workload is ready; see `holdfast.ops.kubectl.wait_ready`."""
    await awaited(waiting.ready, "wait_ready")(resource, seconds(timeout), namespace, context)


async def exec(
    pod: str,
    *argv: str,
    container: str | None = None,
    namespace: str | None = None,
    context: str | None = None,
    label: str | None = None,
    once: bool = False,
    check: Callable[..., object] | None = None,
    undo: Callable[..., object] | None = None,
    reads: bool = False,
    retry: Retry | int | None = None,
    timeout: Duration | None = None,
) -> Done:
    """Run a command in a pod's container; see `holdfast.ops.kubectl.exec`."""
    options = {"once": once, "check": check, "undo": undo, "reads": reads}
    step = exec_step(pod, argv, label, retry=retry, timeout=timeout, **options)
    return await awaited(step, "exec")(pod, argv, container, namespace, context)
