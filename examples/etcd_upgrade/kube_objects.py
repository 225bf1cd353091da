"""What the Kubernetes API of the lab knows about objects: kinds, refusals, selectors."""

from __future__ import annotations

import time
from typing import Any

Object = dict[str, Any]

GROUPS = {
    "v1": {"nodes": "Node", "pods": "Pod", "namespaces": "Namespace", "events": "Event"},
    "apps/v1": {
        "statefulsets": "StatefulSet",
        "deployments": "Deployment",
        "daemonsets": "DaemonSet",
        "replicasets": "ReplicaSet",
    },
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
}
UNSPACED = ("nodes", "namespaces")


class Refused(Exception):
    """An answer that is a Status: its code, its reason, and what is told."""

    def __init__(self, code: int, reason: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def status(self) -> Object:
        told: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        return told | {
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
            "details": self.details,
        }


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def version_of(resource: str) -> str:
    return next(version for version, kinds in GROUPS.items() if resource in kinds)


def is_ready(pod: Object) -> bool:
    """Whether a pod counts as available: ready, and not on its way out."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def is_same(one: Object, other: Object) -> bool:
    return bool(one["metadata"]["uid"] == other["metadata"]["uid"])


def selected(item: Object, query: dict[str, str]) -> bool:
    """Whether `labelSelector` and `fieldSelector` of a query, of `=` and `!=` terms, choose it."""
    labels = item["metadata"].get("labels") or {}
    wanted = [
        *(
            (labels.get(key, ""), value, same)
            for key, value, same in _terms(query, "labelSelector")
        ),
        *((_field(item, key), value, same) for key, value, same in _terms(query, "fieldSelector")),
    ]
    return all((found == value) == same for found, value, same in wanted)


def _terms(query: dict[str, str], name: str) -> list[tuple[str, str, bool]]:
    terms = []
    for term in filter(None, query.get(name, "").split(",")):
        key, _, value = term.replace("==", "=").partition("=")
        terms.append((key.rstrip("!").strip(), value.strip(), not key.endswith("!")))
    return terms


def _field(item: Object, path: str) -> str:
    found: Any = item
    for part in path.split("."):
        found = found.get(part, "") if isinstance(found, dict) else ""
    return str(found)
