"""What the JSON of pods and workloads says: is it ready, what is in its way, what is broken.

A cluster tells the truth with delay: after an image was changed the old container's Ready stands
there for a while. So whatever is not of the generation, or of the image, that is wanted says
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from holdfast.model.making import dataclass

Object: TypeAlias = dict[str, Any]

BROKEN: Final = frozenset(
    (
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    )
)
"""Reasons of a waiting container that do not pass by waiting."""
_MIRROR: Final = "kubernetes.io/config.mirror"
_STARS: Final = re.compile(r"^(?:docker-pullable://)?(?:docker\.io/)?(?:library/)?")


@dataclass(frozen=True, slots=True)
class Broken:
    """A container that waits for what will not come. `is_current` when it is known to run the
    image that is wanted; else the word may be about the one before."""

    pod: str
    namespace: str
    container: str
    reason: str
    message: str
    restarts: int
    is_current: bool

    @property
    def text(self) -> str:
        """It as a person reads it."""
        times = f", {self.restarts} restarts" if self.restarts else ""
        why = f": {self.message}" if self.message else ""
        return f"container {self.container} of pod {self.pod}: {self.reason}{times}{why}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a pod stands: ready or not, whether of the image that is wanted, and what it says."""

    is_ready: bool
    is_current: bool
    says: str


def broken_of(pod: Object) -> Iterator[Broken]:
    """Yield the containers of a pod that are broken."""
    about = pod["metadata"]
    if "deletionTimestamp" in about:
        return
    wanted = images_of(pod["spec"])
    for status in _statuses(pod):
        waiting = status.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in BROKEN:
            yield Broken(
                about["name"],
                about.get("namespace", "default"),
                status["name"],
                waiting["reason"],
                waiting.get("message") or _last_end(status),
                status.get("restartCount", 0),
                _is_same_image(wanted.get(status["name"], ""), status),
            )


def standing_of(pod: Object) -> Standing:
    """Return how a pod stands."""
    wanted = images_of(pod["spec"])
    found = {status["name"]: status for status in _statuses(pod)}
    mains = [each["name"] for each in pod["spec"].get("containers", ())]
    current = all(name in found and _is_same_image(wanted[name], found[name]) for name in mains)
    phase = pod.get("status", {}).get("phase", "Pending")
    if "deletionTimestamp" in pod["metadata"]:
        return Standing(False, current, "is being deleted")
    ready = _condition(pod, "Ready").get("status") == "True"
    return Standing(ready, current, "ready" if ready else _why_not(pod, phase))


def _why_not(pod: Object, phase: str) -> str:
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"{phase}: {scheduled.get('reason', '')}: {scheduled.get('message', '')}"
    reasons = [
        f"{status['name']} waits for {waiting.get('reason') or 'its start'}"
        for status in _statuses(pod)
        if (waiting := status.get("state", {}).get("waiting")) is not None
    ]
    return ", ".join([phase, *reasons]) if reasons else f"{phase}, not ready"


def workload_standing(workload: Object) -> Standing:
    """Return how a Deployment, StatefulSet or DaemonSet stands with all of its pods."""
    spec, status = workload.get("spec", {}), workload.get("status", {})
    generation = workload["metadata"].get("generation", 1)
    is_seen = status.get("observedGeneration", 0) >= generation
    if workload["kind"] == "DaemonSet":
        wants = status.get("desiredNumberScheduled", 0)
        ready, updated = status.get("numberReady", 0), status.get("updatedNumberScheduled", 0)
    else:
        wants = spec.get("replicas", 1)
        ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    total = status.get("replicas", wants) if workload["kind"] == "Deployment" else wants
    is_ready = is_seen and ready >= wants and updated >= wants and total <= wants
    says = f"{ready} of {wants} ready, {updated} updated"
    return Standing(
        is_ready, is_seen, says if is_seen else f"{says}, not yet seen by its controller"
    )


def selector_of(workload: Object) -> str:
    """Return the label selector of a workload's pods, as kubectl takes it."""
    labels = workload.get("spec", {}).get("selector", {}).get("matchLabels", {})
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def is_of_template(pod: Object, workload: Object) -> bool:
    """Whether a pod has the images that its workload wants now."""
    wanted = images_of(workload["spec"].get("template", {}).get("spec", {}))
    found = images_of(pod["spec"])
    return all(found.get(name) == image for name, image in wanted.items())


def stays_at_drain(pod: Object) -> bool:
    """Whether a drain leaves this pod on its node: a DaemonSet's, or one the node itself runs."""
    about = pod["metadata"]
    owners = about.get("ownerReferences") or ()
    is_daemon = any(each.get("kind") == "DaemonSet" and each.get("controller") for each in owners)
    return is_daemon or _MIRROR in (about.get("annotations") or {})


def images_of(spec: Object) -> dict[str, str]:
    """Return the images of a pod's spec, by container."""
    return {each["name"]: each.get("image", "") for each in spec.get("containers", ())}


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]


def _condition(pod: Object, kind: str) -> Object:
    conditions = pod.get("status", {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == kind), {})


def _last_end(status: Object) -> str:
    ended = (status.get("lastState") or {}).get("terminated") or {}
    return f"it ended with exit {ended['exitCode']}" if "exitCode" in ended else ""


def _is_same_image(wanted: str, status: Object) -> bool:
    """Whether a container's status is of this image, as far as names can tell: a runtime spells
    them out, and gives an image with two names either."""
    if "@" in wanted:
        return wanted.partition("@")[2] in f"{status.get('image')} {status.get('imageID')}"
    found = _STARS.sub("", status.get("image") or "")
    name = _STARS.sub("", wanted)
    return found in (name, f"{name}:latest")
