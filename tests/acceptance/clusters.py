"""A cluster of the lab's Kubernetes API, which can stop at a moment of a request, and its shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.shell import Shell

LAB = Path(__file__).parent.parent.parent / "examples" / "etcd_upgrade"
if str(LAB) not in sys.path:
    sys.path.append(str(LAB))

from kube import KubeApi  # type: ignore[import-not-found]  # noqa: E402
from kube_desk import Desk  # type: ignore[import-not-found]  # noqa: E402
from kube_objects import Refused  # type: ignore[import-not-found]  # noqa: E402

DEADLINE_S = 30.0
OLD, NEW = "etcd:3.4", "etcd:3.5"
LABELS = {"app": "etcd"}


def needs_kubectl() -> pytest.MarkDecorator:
    """Return the mark of tests that need a kubectl; on CI it has to be there."""
    is_away = shutil.which("kubectl") is None and os.environ.get("CI") != "true"
    return pytest.mark.skipif(is_away, reason="kubectl is not here")


def kubectl_minor(home: Path) -> int:
    """Return the minor version of the kubectl that is here, 0 when it does not say."""
    words = ["kubectl", "version", "--client", "--output=json"]
    env = {**os.environ, "HOME": str(home), "KUBECONFIG": str(home / "none")}
    done = subprocess.run(words, env=env, capture_output=True, timeout=DEADLINE_S)
    minor = json.loads(done.stdout)["clientVersion"]["minor"] if done.returncode == 0 else "0"
    return int("".join(c for c in minor if c.isdigit()) or 0)


class StoppingDesk(Desk):  # type: ignore[misc]
    """A connection whose request, or answer, may have to wait."""

    def _route(self, url: Any, body: bytes) -> None:
        if self._waits(after=False):
            raise Refused(503, "ServiceUnavailable", "the request was lost")
        super()._route(url, body)

    def _send(self, code: int, kind: str, content: bytes) -> None:
        self._waits(after=True)
        super()._send(code, kind, content)

    def _waits(self, *, after: bool) -> bool:
        api = self.server
        with api.changed:
            stop = api.stops_at
            if stop is None or stop[0] != self.command or stop[1] not in self.path:
                return False
            if stop[2] != after:
                return False
            api.stops_at = None
        api.reached.set()
        assert api.released.wait(DEADLINE_S)
        return True


class Cluster:
    """Three nodes, a pod of etcd on each, and a shell whose kubectl finds them.

    `sick` is what the kubelet makes of an image: a reason to wait for; whatever is not in it runs
    and is ready.
    """

    def __init__(self, folder: Path, script: str) -> None:
        self.api = KubeApi()
        self.api.RequestHandlerClass = StoppingDesk
        self.api.stops_at, self.api.reached, self.api.released = (
            None,
            threading.Event(),
            threading.Event(),
        )
        self.api.start()
        self.home = folder / "home"
        self.home.mkdir()
        self.sick: dict[str, str] = {}
        self.api.on_pod_change(self._kubelet)
        for number in (1, 2, 3):
            self.api.add_node(f"n{number}")
            self.api.add_pod(
                f"etcd-{number}", f"n{number}", OLD, container="etcd", labels=LABELS, owner="etcd"
            )
        self.shell = Placed(folder, script, self.home, self.api.kubeconfig(self.home / "config"))

    def _kubelet(self, event: str, pod: Any) -> None:
        name, image = pod["metadata"]["name"], pod["spec"]["containers"][0]["image"]
        if event == "DELETED" or "nodeName" not in pod["spec"]:
            return
        if reason := self.sick.get(image):
            phase = "Running" if reason == "CrashLoopBackOff" else "Pending"
            restarts = 3 if phase == "Running" else 0
            self.api.set_pod(
                name, phase=phase, ready=False, reason=reason, message=f"about {image}",
                restarts=restarts,
            )  # fmt: skip
        else:
            self.api.set_pod(name)

    # --- requests that wait

    def stop_at(self, method: str, part: str, *, after: bool) -> None:
        """Let the first request of this kind wait: before it takes effect, and then it never
        does, or after, and then its answer waits."""
        self.api.stops_at = (method, part, after)

    def wait_until_stopped(self) -> None:
        assert self.api.reached.wait(DEADLINE_S), "no such request came"

    def let_go(self) -> None:
        self.api.released.set()

    # --- how it stands

    def is_cordoned(self, node: str) -> bool:
        return bool(self.api.find("nodes", node)["spec"].get("unschedulable"))

    def image(self, pod: str) -> str:
        return str(self.api.find("pods", pod)["spec"]["containers"][0]["image"])

    def cordon(self, node: str) -> None:
        """Cordon a node as somebody else would."""
        self._change("nodes", node, {"spec": {"unschedulable": True}})

    def give_image(self, pod: str, image: str) -> None:
        """Change a pod as somebody else would."""
        containers = [{"name": "etcd", "image": image}]
        self._change("pods", pod, {"spec": {"containers": containers}})

    def _change(self, resource: str, name: str, change: Any) -> None:
        kind = "application/strategic-merge-patch+json"
        item = self.api.patched(resource, name, "default", kind, change)
        self.api.follow(resource, self.api.store(resource, item))

    def asked(self, method: str, part: str) -> int:
        """Return how many requests of a kind there were."""
        return sum(m == method and part in path for m, path, _ in self.api.requests)


class Placed(Shell):
    """A shell with a HOME and a kubeconfig of its own."""

    def __init__(self, folder: Path, script: str, home: Path, config: Path) -> None:
        super().__init__(folder, script)
        self._own = {"HOME": str(home), "KUBECONFIG": str(config)}

    def env(self, **more: str) -> dict[str, str]:
        return super().env(**{**self._own, **more})


@contextmanager
def cluster(folder: Path, script: str) -> Iterator[Cluster]:
    """Give a cluster that is gone afterwards."""
    made = Cluster(folder, script)
    try:
        yield made
    finally:
        made.let_go()
        if not made.api.is_stopped:
            made.api.stop()
