"""A kubelet whose containers are real etcd processes.

It runs what the pods of the Kubernetes API say: another image stops the member and starts the
other binary on the same data, an image that is not known waits with ErrImagePull, and a process
that ends by itself is counted and started again, later each time.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kube import KubeApi
from processes import Processes, stop

LOOK_S = 0.05
BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
HEALTH_S_MAX = 1.0
EXEC_S_MAX = 60.0
LOG_CHARS_MAX = 20_000


@dataclass(frozen=True)
class Ports:
    """Where one member listens, on the loopback interface."""

    client: int
    peer: int
    metrics: int


@dataclass
class Member:
    """One member of the cluster: a folder with its data, and the process of the moment."""

    name: str
    folder: Path
    ports: Ports
    initial_cluster: str
    image: str = ""
    process: subprocess.Popen[bytes] | None = None
    starts: list[str] = field(default_factory=list)
    """The images that it was started with, one after another."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports.client}"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def argv(self, etcd: Path) -> list[str | Path]:
        peer, metrics = (f"http://127.0.0.1:{p}" for p in (self.ports.peer, self.ports.metrics))
        flags = {
            "name": self.name,
            "data-dir": str(self.folder / "data"),
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "listen-metrics-urls": metrics,
            "metrics": "extensive",
            "initial-cluster": self.initial_cluster,
            "initial-cluster-state": "new",
            "logger": "zap",
        }
        return [etcd, *(f"--{name}={value}" for name, value in flags.items())]

    def is_healthy(self) -> bool:
        """Whether the member says that it has a leader and takes writes."""
        link = http.client.HTTPConnection("127.0.0.1", self.ports.client, timeout=HEALTH_S_MAX)
        try:
            link.request("GET", "/health")
            return b'"true"' in link.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            link.close()


class Kubelet:
    """Runs the pods of one API server, a thread for each."""

    def __init__(
        self,
        api: KubeApi,
        members: list[Member],
        images: Mapping[str, Path],
        processes: Processes,
    ) -> None:
        self._api, self._images, self._processes = api, dict(images), processes
        self.withdrawn: set[str] = set()
        """Images that cannot be pulled for the time being."""
        self.members = {member.name: member for member in members}
        self._wanted: dict[str, str] = dict.fromkeys(self.members, "")
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._tend, args=(m,)) for m in members]
        api.on_pod_change(self._heed)
        api.run, api.logs = self._exec, self._log

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop every member at once, and return when all have."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    # -- what the API asks

    def _heed(self, event: str, pod: dict[str, Any]) -> None:
        """Take note of what a pod is to run; one that is to change is not ready from now on."""
        name = pod["metadata"]["name"]
        is_gone = event == "DELETED" or "nodeName" not in pod["spec"]
        image = "" if is_gone else pod["spec"]["containers"][0]["image"]
        with self._api.changed:
            if image == self._wanted[name]:
                return
            self._wanted[name] = image
            if image:
                self._api.set_pod(name, phase="Pending", ready=False)

    def _exec(self, pod: dict[str, Any], argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        """Run a program as if inside of the pod: with its binaries, in its folder."""
        member = self.members[pod["metadata"]["name"]]
        if member.process is None:
            return 1, b"", b"the container is not running\n"
        binaries = self._images[member.image]
        env = {
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "ETCDCTL_API": "3",
            "ETCDCTL_ENDPOINTS": member.url,
        }
        try:
            done = subprocess.run(
                argv, cwd=member.folder, env=env, input=stdin, capture_output=True,
                timeout=EXEC_S_MAX,
            )  # fmt: skip
        except OSError as error:
            return 126, b"", f"{error}\n".encode()
        return done.returncode, done.stdout, done.stderr

    def _log(self, pod: dict[str, Any], container: str, is_previous: bool) -> str:
        """Return the end of a member's log, which goes on over its restarts."""
        log = self.members[pod["metadata"]["name"]].log
        return log.read_text(errors="replace")[-LOG_CHARS_MAX:] if log.exists() else ""

    # -- what runs

    def _tend(self, member: Member) -> None:
        """Keep one member as its pod wants it."""
        failures = 0
        while not self._is_over.wait(LOOK_S):
            wanted = self._wanted[member.name]
            is_to_be_pulled = member.process is None and self._has(wanted)
            if wanted != member.image or is_to_be_pulled:
                failures = 0
                self._change(member, wanted)
            elif member.process is not None and member.process.poll() is not None:
                self._crashed(member, failures)
                self._is_over.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                failures += 1
                if wanted == self._wanted[member.name] and not self._is_over.is_set():
                    self._begin(member)
            elif member.process is not None:
                self._look(member, failures)
        self._stop(member, signal.SIGKILL)

    def _has(self, image: str) -> bool:
        return image in self._images and image not in self.withdrawn

    def _change(self, member: Member, image: str) -> None:
        self._stop(member)
        member.image = image
        if self._has(image):
            self._begin(member)
        elif image:
            told = f'failed to pull image "{image}": not found'
            self._api.set_pod(
                member.name, phase="Pending", ready=False, reason="ErrImagePull", message=told
            )

    def _begin(self, member: Member) -> None:
        member.starts.append(member.image)
        argv = member.argv(self._images[member.image] / "etcd")
        member.process = self._processes.start(argv, member.log, cwd=member.folder)

    def _crashed(self, member: Member, failures: int) -> None:
        assert member.process is not None
        last = {"exitCode": member.process.returncode, "reason": "Error"}
        told = f"back-off {BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]:g}s restarting"
        self._api.set_pod(
            member.name, ready=False, reason="CrashLoopBackOff", message=told,
            restarts=failures + 1, last=last,
        )  # fmt: skip

    def _look(self, member: Member, restarts: int) -> None:
        """Tell the API when readiness changed."""
        pod = self._api.find("pods", member.name)
        was = pod["status"]["containerStatuses"][0]
        is_ready = member.is_healthy()
        if (was["ready"], "running" in was["state"]) == (is_ready, True):
            return
        with self._api.changed:
            if self._wanted[member.name] == member.image:
                self._api.set_pod(member.name, ready=is_ready, restarts=restarts)

    def _stop(self, member: Member, number: int = signal.SIGTERM) -> None:
        process, member.process = member.process, None
        if process is not None:
            stop(process, number)


def wait_until_ready(members: list[Member], seconds: float) -> None:
    """Return once all members are healthy. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not all(member.is_healthy() for member in members):
        if time.monotonic() > deadline:
            raise TimeoutError("the members did not become healthy: see their logs")
        time.sleep(LOOK_S)
