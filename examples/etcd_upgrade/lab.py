"""Three real etcd members under load, on this machine: what `upgrade.py` upgrades.

python lab.py fetch               # get etcd 3.5 once (Debian has 3.4, kubectl and Prometheus)
python lab.py up [NAME]           # start: members, Kubernetes API, Prometheus, a client that writes
python lab.py tally [NAME]        # what the client saw so far
python lab.py down [NAME]         # stop everything, read every write back, print the tally
python lab.py run [NAME]          # up, the whole upgrade, down; words after NAME go to holdfast run

NAME is staging or prod, as in holdfast.toml; all of a lab is in the folder .lab/NAME.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import client
from kube import KubeApi
from kubelet import Kubelet, Member, Ports, wait_until_ready
from processes import (
    HERE,
    Missing,
    Processes,
    etcd_34,
    etcd_35,
    fetch,
    free_ports,
    is_free,
    program,
    started_at,
    stop,
)

MEMBERS = ("etcd-0", "etcd-1", "etcd-2")
WRITES_PER_S = 75.0
START_S_MAX = 30.0
END_S_MAX = 60.0
NAMES = ("staging", "prod")
EXIT_USAGE = 2


class Lab:
    """The lab in one folder, in this process. `stop()` returns the client's tally."""

    def __init__(
        self, folder: Path, *, prometheus_port: int = 0, writes_per_s: float = WRITES_PER_S
    ) -> None:
        self.folder = folder = folder.resolve()
        self.images = {"etcd:3.4": etcd_34(), "etcd:3.5": etcd_35()}
        self._prometheus_binary = program("prometheus", "prometheus")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.processes = Processes(folder)
        self.members = self._lay_out()
        self.api = KubeApi()
        self.kubelet = Kubelet(self.api, self.members, self.images, self.processes)
        self.kubeconfig = self.api.kubeconfig(folder / "kubeconfig")
        self._prometheus_port = prometheus_port or free_ports(1)[0]
        self._prometheus: subprocess.Popen[bytes] | None = None
        self._client: subprocess.Popen[bytes] | None = None
        self._writes_per_s = writes_per_s

    @property
    def prometheus_url(self) -> str:
        return f"http://127.0.0.1:{self._prometheus_port}"

    def _lay_out(self) -> list[Member]:
        numbers = free_ports(3 * len(MEMBERS))
        ports = [Ports(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)]
        pairs = list(zip(MEMBERS, ports, strict=True))
        cluster = ",".join(f"{name}=http://127.0.0.1:{each.peer}" for name, each in pairs)
        found = [Member(name, self.folder / name, each, cluster) for name, each in pairs]
        for member in found:
            member.folder.mkdir()
        return found

    def start(self) -> Lab:
        """Start everything; on return the members are healthy, the client writes, and Prometheus
        knows how fast."""
        self.api.start()
        self.kubelet.start()
        for number, member in enumerate(self.members):
            self.api.add_node(f"node-{number}")
            self._add_pod(member, f"node-{number}")
        self.start_prometheus()
        wait_until_ready(self.members, START_S_MAX)
        self._start_client()
        self._wait_for_data()
        return self

    def _start_client(self) -> None:
        endpoints = [member.url for member in self.members]
        file = self.folder / "tally.json"
        argv = [sys.executable, HERE / "client.py", file, str(self._writes_per_s), *endpoints]
        self._client = self.processes.start(argv, self.folder / "client.log")

    def _wait_for_data(self) -> None:
        """Return once Prometheus can tell a rate. Raises TimeoutError."""
        asked = urlencode({"query": "sum(rate(grpc_server_handled_total[10s])) > 0"})
        deadline = time.monotonic() + START_S_MAX
        while time.monotonic() < deadline:
            try:
                with urlopen(f"{self.prometheus_url}/api/v1/query?{asked}", timeout=1) as answer:
                    if json.load(answer)["data"]["result"]:
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise TimeoutError("Prometheus has no data: see its log")

    def _add_pod(self, member: Member, node: str) -> None:
        port = {"name": "client", "containerPort": 2379}
        at = {"hostIP": "127.0.0.1", "hostPort": member.ports.client}
        container = {"name": "etcd", "image": "etcd:3.4", "ports": [port | at]}
        self.api.add_pod(member.name, node, "etcd:3.4", container="etcd", labels={"app": "etcd"})
        pod = self.api.find("pods", member.name)
        pod["spec"]["containers"] = [container]
        self.api.store("pods", pod)  # the ports, which a pod is born without

    def start_prometheus(self) -> None:
        """Start a Prometheus that scrapes every member each second."""
        jobs = [
            {"targets": [f"127.0.0.1:{m.ports.metrics}"], "labels": {"member": m.name}}
            for m in self.members
        ]
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [{"job_name": "etcd", "static_configs": jobs}],
        }
        file = self.folder / "prometheus.yml"
        file.write_text(json.dumps(config))  # which is YAML
        flags = {
            "config.file": file,
            "storage.tsdb.path": self.folder / "prometheus",
            "web.listen-address": urlsplit(self.prometheus_url).netloc,
        }
        argv = [self._prometheus_binary, *(f"--{name}={value}" for name, value in flags.items())]
        self._prometheus = self.processes.start(argv, self.folder / "prometheus.log")

    def stop_prometheus(self) -> None:
        """Kill Prometheus, as the kernel would."""
        assert self._prometheus is not None
        stop(self._prometheus, signal.SIGKILL)

    def tally(self) -> dict[str, Any]:
        """Return what the client saw so far."""
        return told_in(self.folder)

    def stop(self) -> dict[str, Any]:
        """Let the client read everything back, stop all, and return its tally."""
        if self._client is not None:
            self._client.send_signal(signal.SIGTERM)
            self._client.wait(END_S_MAX)
        self.kubelet.stop()
        if self._prometheus is not None:
            stop(self._prometheus, signal.SIGKILL)
        self.api.stop()
        return self.tally()

    def __enter__(self) -> Lab:
        return self.start()

    def __exit__(self, *failure: object) -> None:
        self.stop()


def told_in(folder: Path) -> dict[str, Any]:
    """Return the tally that a client left in a lab's folder."""
    try:
        told: dict[str, Any] = json.loads((folder / "tally.json").read_text())
    except FileNotFoundError:
        return client.tally([], None)
    return told


# --- the command line -------------------------------------------------------------------------


def folder_of(name: str) -> Path:
    return Path(".lab") / name


def port_in_inventory(name: str) -> int:
    """Return the port of Prometheus that holdfast.toml names for a target."""
    inventory = tomllib.loads((HERE / "holdfast.toml").read_text())
    target = inventory["targets"][f"etcd/{name}"]
    return urlsplit(target["env"]["PROMETHEUS_URL"]).port or 0


def up(name: str) -> int:
    """Start a lab in a process of its own, and return when it can be used."""
    folder = folder_of(name)
    if pid := alive(folder):
        return say(f"{name} is up already, pid {pid}: python lab.py down {name}", EXIT_USAGE)
    Processes(folder).stop_all()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lab.json").unlink(missing_ok=True)
    log = (folder.parent / f"{name}.log").open("wb")
    serving = subprocess.Popen(
        [sys.executable, HERE / "lab.py", "serve", name],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + START_S_MAX
    while not (folder / "lab.json").exists():
        if serving.poll() is not None or time.monotonic() > deadline:
            down(name)
            return say(f"it did not start:\n{Path(log.name).read_text()[-2000:]}", 1)
        time.sleep(0.05)
    about = json.loads((folder / "lab.json").read_text())
    say(f"{name} is up: three members of etcd 3.4, written to all the time")
    say(f"Prometheus: {about['prometheus']}")
    say(f"kubectl: export KUBECONFIG={about['kubeconfig']}")
    return say(f"now: holdfast run upgrade.py --target etcd/{name}")


def serve(name: str) -> int:
    """Hold a lab until SIGTERM."""
    is_over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_over.set())
    port = port_in_inventory(name)
    if not is_free(port):
        return say(f"port {port}, which holdfast.toml names for Prometheus, is taken", 1)
    lab = Lab(folder_of(name), prometheus_port=port)
    lab.processes.note(os.getpid())
    about = {
        "pid": os.getpid(),
        "started_at": started_at(os.getpid()),
        "prometheus": lab.prometheus_url,
        "kubeconfig": str(lab.kubeconfig),
        "members": {member.name: member.url for member in lab.members},
    }
    with lab:
        client.save(lab.folder / "lab.json", about)
        is_over.wait()
    (lab.folder / "lab.json").unlink()
    return 0


def alive(folder: Path) -> int:
    """Return the pid of the process that holds a lab, 0 when there is none."""
    try:
        about = json.loads((folder / "lab.json").read_text())
    except FileNotFoundError:
        return 0
    return about["pid"] if started_at(about["pid"]) == about["started_at"] else 0


def down(name: str) -> int:
    """Stop a lab, also what one that was killed left behind; exit 1 when a write failed."""
    folder = folder_of(name)
    if pid := alive(folder):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + END_S_MAX
        while started_at(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
    if left := Processes(folder).stop_all():
        say(f"stopped {left} processes that were left behind")
    (folder / "lab.json").unlink(missing_ok=True)
    return tally(name)


def tally(name: str) -> int:
    """Print what the client saw; exit 1 when a write failed or is lost."""
    told = told_in(folder_of(name))
    print(client.shown(told), flush=True)
    return 1 if told["failed"] or told["lost"] else 0


def run(name: str, words: list[str]) -> int:
    """Start a lab, upgrade it, stop it. Options such as --mode go to `holdfast run`."""
    if code := up(name):
        return code
    try:
        upgraded = subprocess.run(
            [sys.executable, "-m", "holdfast", "--config", str(HERE / "holdfast.toml"), "run",
             str(HERE / "upgrade.py"), "--target", f"etcd/{name}", *words],
        ).returncode  # fmt: skip
    finally:
        failed = down(name)
    return upgraded or failed


def say(text: str, code: int = 0) -> int:
    print(text, file=sys.stderr, flush=True)
    return code


def main(words: list[str]) -> int:
    verbs = {"up": up, "down": down, "tally": tally, "serve": serve}
    verb, name, *more = [*words[:1], *(words[1:2] or NAMES[:1]), *words[2:]] if words else ["", ""]
    try:
        if verb == "fetch":
            return say(f"etcd 3.5 is in {fetch()}")
        if name not in NAMES or (more and verb != "run"):
            return say(__doc__ or "", EXIT_USAGE)
        if verb == "run":
            return run(name, more)
        return verbs[verb](name) if verb in verbs else say(__doc__ or "", EXIT_USAGE)
    except Missing as missing:
        return say(str(missing), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
