"""The steps of `holdfast.ops.kubectl` for `async def` workflows: the same names, awaited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from holdfast.flow.awaited import place, recorded
from holdfast.flow.steps import Duration, StepFunction
from holdfast.model.durations import seconds
from holdfast.model.json import Json
from holdfast.model.retry import Retry
from holdfast.ops.kubectl import nodes, waiting, workloads
from holdfast.ops.kubectl.environment import Env, EnvChanged, env_step
from holdfast.ops.kubectl.executing import exec_step
from holdfast.ops.kubectl.workloads import Changed, patch_step
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


async def cordon(node: str, *, context: str | None = None) -> None:
    """Let no new pods come to a node; see `holdfast.ops.kubectl.cordon`."""
    await _recorded("cordon", nodes.cordon, node=node, context=context)


async def uncordon(node: str, *, context: str | None = None) -> None:
    """Let pods come to a node again; see `holdfast.ops.kubectl.uncordon`."""
    await _recorded("uncordon", nodes.uncordon, node=node, context=context)


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
    await _recorded("drain", step, **arguments)


async def set_image(
    resource: str,
    image: str,
    *,
    container: str | None = None,
    namespace: str | None = None,
    context: str | None = None,
) -> Changed:
    """Give a container another image; see `holdfast.ops.kubectl.set_image`."""
    given = {"resource": resource, "image": image, "container": container}
    found = await _recorded(
        "set_image", workloads.set_image, **given, namespace=namespace, context=context
    )
    return cast(Changed, found)


async def set_env(
    resource: str,
    env: Env,
    *,
    container: str | None = None,
    namespace: str | None = None,
    context: str | None = None,
) -> EnvChanged:
    """Set variables of a container; see `holdfast.ops.kubectl.set_env`."""
    given = {"resource": resource, "env": dict(env), "container": container}
    step = env_step(resource, env)
    found = await _recorded("set_env", step, **given, namespace=namespace, context=context)
    return cast(EnvChanged, found)


async def patch(
    resource: str,
    change: Mapping[str, Json],
    *,
    test: Mapping[str, Json] | None = None,
    namespace: str | None = None,
    context: str | None = None,
    label: str | None = None,
) -> Changed:
    """Set paths of an object where `test` holds; see `holdfast.ops.kubectl.patch`."""
    given: dict[str, object] = {"resource": resource, "change": dict(change)}
    given |= {"test": None if test is None else dict(test)}
    step = patch_step(change, label)
    return cast(
        Changed, await _recorded("patch", step, **given, namespace=namespace, context=context)
    )


async def wait_ready(
    resource: str,
    *,
    timeout: Duration = waiting.READY_S,
    namespace: str | None = None,
    context: str | None = None,
) -> None:
    """Wait until a pod or workload is ready; see `holdfast.ops.kubectl.wait_ready`."""
    given = {"resource": resource, "timeout_s": seconds(timeout)}
    await _recorded("wait_ready", waiting.ready, **given, namespace=namespace, context=context)


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
    given = {"pod": pod, "argv": argv, "container": container}
    return cast(Done, await _recorded("exec", step, **given, namespace=namespace, context=context))


async def _recorded(verb: str, step: StepFunction[..., Any], **arguments: object) -> object:
    return await recorded(place(verb), step, arguments)
