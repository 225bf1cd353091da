"""set_image and patch: one object is changed where it is still what was seen.

Each looks, keeps what it saw (durably, before it changes anything), and sends a JSON patch that
tests the same first: what somebody else changed in between is refused by the cluster itself. The
undo puts back what was seen before the first attempt of the step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from holdfast.engine.spec import Check
from holdfast.errors import UsageError
from holdfast.flow.decorator import step
from holdfast.flow.inside import save, saved
from holdfast.flow.steps import StepFunction
from holdfast.flow.verbs import named
from holdfast.integrations.kubernetes import patches
from holdfast.integrations.kubernetes.pods import Object
from holdfast.integrations.kubernetes.refusals import ChangedMeanwhile
from holdfast.model.json import Json
from holdfast.ops.kubectl.seeing import former, object_of, send
from holdfast.runtime.context import FRAME

VERSION = "1"
Values: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Changed:
    """What a step changed: `before` by path, as it stood first, and what was made of it `after`.

    A path is a JSON pointer such as `/spec/replicas`; None is a path that leads nowhere.
    """

    before: dict[str, Json]
    after: dict[str, Json]


def _put_back_is_needed(
    resource: str, namespace: str | None, context: str | None, result: Changed | None
) -> object:
    before = _first_seen(result)
    if before is None:
        return Check.DONE  # It was killed before it had seen anything, so it changed nothing.
    return patches.holds(object_of(resource, namespace, context), before.before)


@step("put back {resource}", check=_put_back_is_needed)
def _put_back(
    resource: str, namespace: str | None, context: str | None, result: Changed | None
) -> None:
    first = _first_seen(result)
    if first is None:
        return
    found = object_of(resource, namespace, context)
    if patches.holds(found, first.before):
        return
    if not patches.holds(found, first.after):
        raise ChangedMeanwhile(
            f"{resource} was not put back: somebody else has changed what this step had set. It "
            f"has {_text(patches.seen(found, first.after))} now, and had {_text(first.before)} "
            "before; put it back by hand and say `holdfast done`, or `holdfast skip`"
        )
    send(resource, namespace, context, found, first.before, first.after)


# --- images -----------------------------------------------------------------------------------


def _has_image(
    resource: str, image: str, container: str | None, namespace: str | None, context: str | None
) -> object:
    found = object_of(resource, namespace, context)
    return _is_so(found, {_image_path(found, container): image})


@step("set image {resource}", check=_has_image, undo=_put_back)
def set_image(
    resource: str,
    image: str,
    *,
    container: str | None = None,
    namespace: str | None = None,
    context: str | None = None,
) -> Changed:
    """Give a pod's or workload's container another image; the undo gives it the one before.

    `resource` is `pod/etcd-1` or `statefulset/etcd`; `container` may be left out where there is
    one. Nothing is waited for: that is `wait_ready`. Raises StepFailed, also when somebody else
    changes it meanwhile.
    """
    found = object_of(resource, namespace, context)
    return _change(resource, namespace, context, found, {_image_path(found, container): image})


def _image_path(found: Object, container: str | None) -> str:
    return f"{patches.container_path(found, container)}/image"


# --- anything else ----------------------------------------------------------------------------


def _is_patched(
    resource: str, change: dict[str, Json], namespace: str | None, context: str | None
) -> object:
    return _is_so(object_of(resource, namespace, context), change)


def patch(
    resource: str,
    change: Values,
    *,
    test: Values | None = None,
    namespace: str | None = None,
    context: str | None = None,
    label: str | None = None,
) -> Changed:
    """Set paths of an object to values, where `test` still holds; the undo puts back what there
    was.

    A path is a JSON pointer such as `/spec/containers/0/image`. A value of None removes it, and in
    `test` says that there is none. Without `test` it is
    what stood there when the step looked. Raises StepFailed when the test does not hold.
    """
    guard = None if test is None else dict(test)
    return patch_step(change, label)(resource, dict(change), guard, namespace, context)


def patch_step(change: Values, label: str | None) -> StepFunction[..., Changed]:
    """Return the step under a label of its own, or the usual one. Raises UsageError."""
    if not change:
        raise UsageError("patch: there is nothing to change")
    for pointer in change:
        patches.at({}, pointer)
    return _patch if label is None else named(_patch, label)


@step("patch {resource}", check=_is_patched, undo=_put_back)
def _patch(
    resource: str,
    change: dict[str, Json],
    test: dict[str, Json] | None,
    namespace: str | None,
    context: str | None,
) -> Changed:
    found = object_of(resource, namespace, context)
    if test is not None and not patches.holds(found, test):
        raise ChangedMeanwhile(
            f"{resource} was not changed: the test does not hold. It has "
            f"{_text(patches.seen(found, test))}, and {_text(test)} was expected; see who changed "
            "it, and resume when it may be changed"
        )
    return _change(resource, namespace, context, found, change, test)


# --- what they share --------------------------------------------------------------------------


def _is_so(found: Object, change: Values) -> object:
    """What a check says: whether it is as the step would make it, and what the step had seen."""
    if not patches.holds(found, change):
        return False
    return Check.done(saved())


def _change(
    resource: str,
    namespace: str | None,
    context: str | None,
    found: Object,
    change: Values,
    test: Values | None = None,
) -> Changed:
    now = patches.seen(found, change)
    done = Changed(_before(now), dict(change))
    if FRAME.get() is not None:
        save(done)  # Before the change: whoever finds it changed knows what there was.
    if now != dict(change):
        send(resource, namespace, context, found, change, {**now, **(test or {})})
    return done


def _before(now: dict[str, Json]) -> dict[str, Json]:
    """Return what stood there first. What is there now is ours, when an earlier attempt of this
    step has made it; else it is what somebody has put there."""
    first = former(Changed)
    is_ours = first is not None and first.before.keys() == now.keys()
    if first is not None and is_ours and now == first.after:
        return first.before
    return now


def _first_seen(result: Changed | None) -> Changed | None:
    """Return what there was before the step, for its undo: the result where it has one, else what
    it kept before it was cut short."""
    if isinstance(result, Changed):
        return result
    kept = saved()
    return kept if isinstance(kept, Changed) else None


def _text(values: Values) -> str:
    return ", ".join(f"{path}={json.dumps(value)}" for path, value in values.items())
