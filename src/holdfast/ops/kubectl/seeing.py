"""What the steps that change one object share: seeing it, remembering it, sending the change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from typing import TypeVar

from holdfast.flow.inside import saved
from holdfast.flow.recorded import value_of
from holdfast.integrations.kubernetes import patches
from holdfast.integrations.kubernetes.pods import Object
from holdfast.integrations.kubernetes.refusals import ChangedMeanwhile
from holdfast.model.json import Json
from holdfast.model.undoing import origin_of
from holdfast.ops.kubectl.calling import Cluster, resource_of
from holdfast.runtime.context import FRAME

VERSION = "1"
SENDS_MAX = 5
T = TypeVar("T")


def object_of(resource: str, namespace: str | None, context: str | None) -> Object:
    """Return the object as it is now. Raises KubectlFailed and UsageError."""
    return Cluster(context, namespace).get(resource_of(resource))


def send(
    resource: str,
    namespace: str | None,
    context: str | None,
    found: Object,
    change: Mapping[str, Json],
    test: Mapping[str, Json],
) -> None:
    """Patch an object where `test` still holds. Raises ChangedMeanwhile when it does not.

    That nothing is there only the whole object's version can test, which others raise all the
    time: then it is looked at anew, as long as `test` holds.
    """
    for sent in count(1):
        operations = json.dumps(patches.guarded(found, change, test))
        try:
            Cluster(context, namespace).change(
                "patch", resource_of(resource), "--type=json", f"--patch={operations}"
            )
            return
        except ChangedMeanwhile:
            if None not in test.values() or sent >= SENDS_MAX:
                raise
            found = object_of(resource, namespace, context)
            if not patches.holds(found, test):
                raise


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
