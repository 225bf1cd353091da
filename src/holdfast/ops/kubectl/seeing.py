"""What the steps that change one object share: seeing it, remembering it, sending the change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

from holdfast.errors import UsageError
from holdfast.flow.inside import saved
from holdfast.flow.recorded import value_of
from holdfast.integrations.kubernetes import patches
from holdfast.integrations.kubernetes.pods import Object
from holdfast.model.json import Json
from holdfast.model.undoing import origin_of
from holdfast.ops.kubectl.calling import Cluster
from holdfast.runtime.context import FRAME

VERSION = "1"
T = TypeVar("T")


def object_of(resource: str, namespace: str | None, context: str | None) -> Object:
    """Return the object as it is now. Raises KubectlFailed and UsageError."""
    return Cluster(context, namespace).get(resource_of(resource))


def resource_of(resource: str) -> str:
    """Return `kind/name` as kubectl takes it. Raises UsageError for anything else."""
    kind, slash, name = resource.partition("/")
    if not (kind and slash and name) or kind.startswith("-") or set("/, ") & set(name):
        raise UsageError(f"{resource!r} is no resource: write kind and name, as in pod/etcd-1")
    return resource


def send(
    resource: str,
    namespace: str | None,
    context: str | None,
    found: Object,
    change: Mapping[str, Json],
    test: Mapping[str, Json],
) -> None:
    """Patch an object where `test` still holds. Raises ChangedMeanwhile when it does not."""
    operations = json.dumps(patches.guarded(found, change, test))
    Cluster(context, namespace).change(
        "patch", resource_of(resource), "--type=json", f"--patch={operations}"
    )


def former(kind: type[T]) -> T | None:
    """Return what an earlier attempt of the step that runs had seen and made, or an earlier
    execution of it, which somebody has asked to repeat."""
    found = FRAME.get()
    if found is None or found.step is None:
        return None
    kept = saved()
    if kept is None:
        origin = origin_of(found.life.journal.state, found.step.key)
        if origin is not None and origin.result is not None:
            kept = value_of(found.life, origin.result, found.step.types)
    return kept if isinstance(kept, kind) else None
