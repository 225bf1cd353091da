"""A Kubernetes API small enough to read, and real enough for the real `kubectl`.

It keeps nodes, pods, workloads and disruption budgets in memory, applies patches, answers watches,
evictions, logs and exec ([kube_desk.py](kube_desk.py)), and tells a kubelet of yours
(`on_pod_change`) which pods to run. It has no authentication and belongs on the loopback interface.
"""

from __future__ import annotations

import copy
import json
import threading
import uuid
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kube_desk import Desk
from kube_objects import GROUPS, UNSPACED, Object, Refused, is_ready, is_same, now, selected
from kube_patches import json_patched, merged

Run = Callable[[Object, list[str], bytes], tuple[int, bytes, bytes]]
"""What `kubectl exec` runs: from the pod, the arguments and the input to exit code and outputs."""
Logs = Callable[[Object, str, bool], str]
"""What `kubectl logs` shows of a pod's container, or of the one that ran before it."""
LEFT_BEHIND = ("uid", "creationTimestamp", "deletionTimestamp", "resourceVersion")
"""What a pod that comes again does not take with it."""


class KubeApi(ThreadingHTTPServer):
    """The server and its state. `start()` serves in a thread, `kubeconfig(path)` says where.

    `run` answers exec, `logs` answers logs, and `refuse(method, path)` may return a `Refused` for a
    request. `requests` is what was asked so far: method, path with query, and the body's text.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Desk)
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.events: list[tuple[int, str, str, Object]] = []
        self.requests: list[tuple[str, str, str]] = []
        self.version = 0
        self.is_stopped = False
        self.run: Run = lambda pod, argv, stdin: (0, b"", b"")
        self.logs: Logs = lambda pod, container, is_previous: ""
        self.refuse: Callable[[str, str], Refused | None] = lambda method, path: None
        self.kubelets: list[Callable[[str, Object], None]] = []
        self.add("namespaces", {"metadata": {"name": "default"}})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> KubeApi:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        self.is_stopped = True
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of ours."""

    def on_pod_change(self, callback: Callable[[str, Object], None]) -> None:
        """Have this called with ADDED, MODIFIED or DELETED and a copy of each pod that changed, in
        the thread that changed it. A deleted pod is gone when it returns."""
        self.kubelets.append(callback)

    def kubeconfig(self, path: Path, *, context: str = "lab", namespace: str = "default") -> Path:
        """Write a kubeconfig with one context for this server."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": context, "cluster": {"server": self.url}}],
            "users": [{"name": "lab", "user": {"token": "lab"}}],
            "contexts": [
                {
                    "name": context,
                    "context": {"cluster": context, "user": "lab", "namespace": namespace},
                }
            ],
        }
        path.write_text(json.dumps(config), "utf-8")
        return path

    # -- what a lab puts in

    def add(self, resource: str, item: Object, *, namespace: str = "default") -> Object:
        """Take an object in as it is, completed with what a server adds."""
        version = next(v for v, kinds in GROUPS.items() if resource in kinds)
        item = {"apiVersion": version, "kind": GROUPS[version][resource], **copy.deepcopy(item)}
        about = item["metadata"]
        if resource not in UNSPACED:
            about.setdefault("namespace", namespace)
        about.setdefault("uid", str(uuid.uuid4()))
        about.setdefault("creationTimestamp", now())
        about.setdefault("generation", 1)
        return self._put("ADDED", resource, item)

    def add_node(self, name: str) -> Object:
        ready = [{"type": "Ready", "status": "True"}]
        node = {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}
        return self.add("nodes", node | {"spec": {}, "status": {"conditions": ready}})

    def add_pod(
        self,
        name: str,
        node: str,
        image: str,
        *,
        container: str = "main",
        labels: dict[str, str] | None = None,
        owner: str = "",
        namespace: str = "default",
    ) -> Object:
        """Add a pod that belongs on this node, controlled by a StatefulSet when one is named."""
        about: Object = {"name": name, "labels": dict(labels or {})}
        if owner:
            owned = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": owner}
            about["ownerReferences"] = [owned | {"uid": owner, "controller": True}]
        spec: Object = {
            "containers": [{"name": container, "image": image}],
            "nodeSelector": {"kubernetes.io/hostname": node},
        }
        self.add("pods", {"metadata": about, "spec": spec, "status": {}}, namespace=namespace)
        self.set_pod(name, namespace=namespace, phase="Pending", ready=False)
        self._schedule(node)
        return self.find("pods", name, namespace)

    def add_budget(self, name: str, labels: dict[str, str], *, unavailable_max: int = 1) -> None:
        """Refuse evictions that would leave more than so many pods with these labels unready."""
        spec = {"selector": {"matchLabels": labels}, "maxUnavailable": unavailable_max}
        self.add("poddisruptionbudgets", {"metadata": {"name": name}, "spec": spec})

    # -- what a kubelet tells

    def set_pod(
        self,
        name: str,
        *,
        namespace: str = "default",
        phase: str = "Running",
        ready: bool = True,
        reason: str = "",
        message: str = "",
        restarts: int = 0,
        last: Object | None = None,
    ) -> None:
        """Set a pod's status. With a `reason` its containers wait for it, such as CrashLoopBackOff;
        `last` is how they ended before: `{"exitCode": 1, "reason": "Error"}`."""
        running = {"running": {"startedAt": now()}} if phase == "Running" else {"waiting": {}}
        waiting = {"waiting": {"reason": reason, "message": message}}
        condition = {"type": "Ready", "status": str(ready)}
        with self.changed:
            pod = self.find("pods", name, namespace)
            pod["status"] = {
                "phase": phase,
                "conditions": [condition],
                "containerStatuses": [
                    {
                        "name": each["name"],
                        "image": each["image"],
                        "ready": ready,
                        "restartCount": restarts,
                        "state": waiting if reason else running,
                        "lastState": {"terminated": last} if last else {},
                    }
                    for each in pod["spec"]["containers"]
                ],
            }
            self._put("MODIFIED", "pods", pod)

    # -- state

    def find(self, resource: str, name: str, namespace: str = "default") -> Object:
        """Return a copy of one object. Raises Refused (404)."""
        with self.changed:
            space = "" if resource in UNSPACED else namespace
            if (found := self.objects.get((resource, space, name))) is None:
                told = f'{resource} "{name}" not found'
                raise Refused(404, "NotFound", told, name=name, kind=resource)
            return copy.deepcopy(found)

    def listed(self, resource: str, namespace: str, query: dict[str, str]) -> list[Object]:
        """Return copies of what is there, by namespace ("" is all) and selectors."""
        with self.changed:
            return [
                copy.deepcopy(item)
                for (kind, space, _), item in sorted(self.objects.items())
                if kind == resource and namespace in ("", space) and selected(item, query)
            ]

    def news(
        self, resource: str, namespace: str, query: dict[str, str], seen: int, wait_s: float
    ) -> tuple[list[tuple[str, Object]], int]:
        """Return what changed after a version, waiting so long for it, and the version now."""
        with self.changed:
            self.changed.wait_for(lambda: self.version > seen or self.is_stopped, wait_s)
            found = [
                (event, item)
                for version, event, kind, item in self.events
                if version > seen
                and kind == resource
                and namespace in ("", item["metadata"].get("namespace", ""))
                and selected(item, query)
            ]
            return found, self.version

    def patched(self, resource: str, name: str, namespace: str, kind: str, change: Any) -> Object:
        """Return the object as a patch of this content type would make it."""
        item = self.find(resource, name, namespace)
        if kind == "application/json-patch+json":
            return json_patched(item, change, f'{resource} "{name}"')
        done: Object = merged(item, change, is_strategic="strategic" in kind)
        return done

    def store(self, resource: str, item: Object) -> Object:
        """Keep a changed object, under its next generation if its `spec` is another one. `follow`
        it up without the lock."""
        name, space = item["metadata"]["name"], item["metadata"].get("namespace", "")
        if self.objects[resource, space, name].get("spec") != item.get("spec"):
            item["metadata"]["generation"] = item["metadata"].get("generation", 1) + 1
        return self._put("MODIFIED", resource, item)

    def follow(self, resource: str, stored: Object) -> None:
        """Tell the kubelets of a changed pod, and let pods go to a node that takes them again."""
        if resource == "pods":
            self.tell("MODIFIED", stored)
        elif resource == "nodes" and not stored["spec"].get("unschedulable"):
            self._schedule(stored["metadata"]["name"])

    def evict(self, name: str, namespace: str, *, is_try: bool = False) -> Object:
        """Delete a pod unless a disruption budget is against it. Raises Refused (429)."""
        with self.changed:
            pod = self.find("pods", name, namespace)
            for budget in self.listed("poddisruptionbudgets", namespace, {}):
                wanted = budget["spec"]["selector"]["matchLabels"]
                if not wanted.items() <= pod["metadata"].get("labels", {}).items():
                    continue
                selector = {"labelSelector": ",".join(f"{k}={v}" for k, v in wanted.items())}
                others = [
                    p for p in self.listed("pods", namespace, selector) if not is_same(p, pod)
                ]
                if sum(not is_ready(p) for p in others) >= budget["spec"]["maxUnavailable"]:
                    told = "Cannot evict pod as it would violate the pod's disruption budget."
                    raise Refused(429, "TooManyRequests", told)
            if not is_try:
                pod["metadata"]["deletionTimestamp"] = now()  # from here on it counts as missing
                self._put("MODIFIED", "pods", pod)
        return pod if is_try else self.delete("pods", name, namespace)

    def delete(self, resource: str, name: str, namespace: str = "default") -> Object:
        """Remove an object; a controlled pod comes again under a new uid, where it may run."""
        item = self.find(resource, name, namespace)
        if resource == "pods":
            self.tell("DELETED", item)
        with self.changed:
            space = item["metadata"].get("namespace", "")
            self.objects.pop((resource, space, name), None)
            self._note("DELETED", resource, item)
        if resource == "pods" and item["metadata"].get("ownerReferences"):
            self._come_again(item)
        return item

    def _come_again(self, pod: Object) -> None:
        about = {k: v for k, v in pod["metadata"].items() if k not in LEFT_BEHIND}
        spec = {k: v for k, v in pod["spec"].items() if k != "nodeName"}
        space = about["namespace"]
        owner = self.objects.get(("statefulsets", space, about["ownerReferences"][0]["name"]))
        if owner is not None and "template" in owner.get("spec", {}):
            spec["containers"] = copy.deepcopy(owner["spec"]["template"]["spec"]["containers"])
        self.add("pods", {"metadata": about, "spec": spec, "status": {}}, namespace=space)
        self.set_pod(about["name"], namespace=space, phase="Pending", ready=False)
        self._schedule(spec["nodeSelector"]["kubernetes.io/hostname"])

    def _schedule(self, node: str) -> None:
        """Give the pods that wait for this node to it, unless it is cordoned."""
        with self.changed:
            found = self.objects.get(("nodes", "", node))
            if found is None or found["spec"].get("unschedulable"):
                return
            waiting = []
            for pod in self.listed("pods", "", {}):
                home = pod["spec"].get("nodeSelector", {}).get("kubernetes.io/hostname")
                if home == node and "nodeName" not in pod["spec"]:
                    pod["spec"]["nodeName"] = node
                    waiting.append(self._put("MODIFIED", "pods", pod))
        for pod in waiting:
            self.tell("ADDED", pod)

    def _put(self, event: str, resource: str, item: Object) -> Object:
        with self.changed:
            about = item["metadata"]
            space = about.get("namespace", "")
            about["resourceVersion"] = str(self.version + 1)
            self.objects[resource, space, about["name"]] = copy.deepcopy(item)
            self._note(event, resource, item)
        return copy.deepcopy(item)

    def _note(self, event: str, resource: str, item: Object) -> None:
        self.version += 1
        self.events.append((self.version, event, resource, copy.deepcopy(item)))
        self.changed.notify_all()

    def tell(self, event: str, pod: Object) -> None:
        for callback in self.kubelets:
            callback(event, copy.deepcopy(pod))
