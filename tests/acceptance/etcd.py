"""The etcd lab of the example in this process, and the command line beside it.

What a test can do to it: stop a request of kubectl in the middle, refuse one, kill Prometheus, and
count what was really done to nodes and members.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.clusters import kubectl_minor
from tests.acceptance.shell import Background, Said, Shell

FOLDER = Path(__file__).parent.parent.parent / "examples" / "etcd_upgrade"
sys.path.append(str(FOLDER))

import kube_objects  # noqa: E402  # type: ignore[import-not-found]
import lab as labs  # noqa: E402  # type: ignore[import-not-found]
import processes  # noqa: E402  # type: ignore[import-not-found]

UPGRADE = str(FOLDER / "upgrade.py")
DEADLINE_S = 120.0
"""An upgrade takes half a minute where the machine has nothing else to do."""
MEMBERS: tuple[str, ...] = labs.MEMBERS
NEW = "etcd:3.5"
QUICK = {"window": "3s", "samples": "1", "soak": "1s", "slower_s": "9"}
"""A rate over few scrapes, and a machine that may be busy with other tests."""


def missing() -> str:
    """Return what the lab needs and this machine does not have; on CI all but a kubectl that
    execs over websockets has to be there, which only versions from 1.31 on do."""
    try:
        processes.etcd_34(), processes.etcd_35()
        for name in ("prometheus", "kubectl"):
            processes.program(name, name)
    except processes.Missing as absent:
        return "" if os.environ.get("CI") == "true" else str(absent)
    with tempfile.TemporaryDirectory() as home:
        minor = kubectl_minor(Path(home))
    return "" if minor >= 31 else f"kubectl 1.{minor} is too old for exec: 1.31 is needed"


needs_lab = pytest.mark.skipif(bool(missing()), reason=missing() or "all is here")


class Middle:
    """One request, or one command in a pod, that waits in the middle until it is let go on."""

    def __init__(self, *words: str) -> None:
        self._words, self._taken = words, threading.Lock()
        self._reached, self._released = threading.Event(), threading.Event()

    def meets(self, *said: str) -> None:
        """Wait here when this is what the test wants to stop; only the first one is."""
        text = " ".join(said)
        if all(word in text for word in self._words) and self._taken.acquire(blocking=False):
            self._reached.set()
            assert self._released.wait(DEADLINE_S)

    def wait_until_reached(self) -> None:
        assert self._reached.wait(DEADLINE_S), f"nobody came to {self._words}"

    def let_go(self) -> None:
        self._released.set()


class Cluster:
    """A lab, a shell whose inventory names it, and what a test may do to them."""

    def __init__(self, folder: Path) -> None:
        self.lab: Any = labs.Lab(folder / "lab", writes_per_s=30)
        self.shell = Shell(folder, "", deadline_s=DEADLINE_S)
        self.executed: list[list[str]] = []
        self.refuses: Callable[[str, str], bool] = lambda method, path: False
        """Which requests the API answers with a 403."""
        self._middles: list[Middle] = []
        self.lab.api.refuse, run = self._refuse, self.lab.api.run
        self.lab.api.run = lambda pod, argv, stdin: self._exec(run, pod, argv, stdin)

    def _refuse(self, method: str, path: str) -> Any:
        for middle in self._middles:
            middle.meets(method, path)
        if self.refuses(method, path):
            return kube_objects.Refused(403, "Forbidden", "the tests do not want it")
        return None

    def _exec(self, run: Any, pod: Any, argv: list[str], stdin: bytes) -> Any:
        self.executed.append(argv)
        done = run(pod, argv, stdin)
        for middle in self._middles:
            middle.meets(*argv)
        return done

    @contextmanager
    def stopping(self, *words: str) -> Iterator[Middle]:
        """Give a middle that the first request, or command in a pod, with these words comes to."""
        middle = Middle(*words)
        self._middles.append(middle)
        try:
            yield middle
        finally:
            self._middles.remove(middle)
            middle.let_go()

    # -- what a person types

    def given(self, **params: str) -> tuple[str, ...]:
        """Return the parameters as they are typed."""
        pairs = {**QUICK, **params}
        return tuple(word for name, value in pairs.items() for word in ("-p", f"{name}={value}"))

    def words(self, run: str, target: str = "etcd/staging", **params: str) -> tuple[str, ...]:
        options = ("--id", run, "--target", target, "--plain")
        return ("run", UPGRADE, *options, *self.given(**params))

    def __call__(self, *words: str) -> Said:
        return self.shell("--config", self.inventory(), *words)

    def begin(self, *words: str) -> Background:
        return self.shell.begin("--config", self.inventory(), *words)

    def inventory(self) -> str:
        """Write the example's inventory with this lab's kubeconfig; two clean ones are enough."""
        file = self.shell.folder / "holdfast.toml"
        if not file.exists():
            text = (FOLDER / "holdfast.toml").read_text("utf-8")
            for name in labs.NAMES:
                text = text.replace(f".lab/{name}/kubeconfig", str(self.lab.kubeconfig))
            text = re.sub(r"http://127.0.0.1:\d+", self.lab.prometheus_url, text)
            file.write_text(text.replace("high = 5", "high = 2"), "utf-8")
            file.chmod(0o600)
        return str(file)

    def shown(self, run: str) -> Any:
        return json.loads(self("show", run, "--json").out)

    def status_of(self, run: str) -> str:
        status: str = self.shown(run)["run"]["status"]
        return status

    def kubectl(self, *words: str) -> str:
        """Do something by hand, beside holdfast."""
        env = {**os.environ, "KUBECONFIG": str(self.lab.kubeconfig)}
        return subprocess.check_output(["kubectl", *words], env=env, text=True, timeout=DEADLINE_S)

    # -- what was really done

    def changes(self) -> Counter[str]:
        """Return how often nodes and pods were changed, by what."""
        found: Counter[str] = Counter()
        for method, path, body in self.lab.api.requests:
            if method == "PATCH" and "dryRun" not in path:
                name = path.partition("?")[0].rpartition("/")[2]
                is_uncordon = "nodes" in path and '"unschedulable":true' not in body
                found[f"{'un' * is_uncordon}{'cordon' * ('nodes' in path)} {name}".strip()] += 1
        moved = [argv for argv in self.executed if "move-leader" in argv]
        return found + Counter({"move-leader": len(moved)})

    def cordoned(self) -> list[str]:
        nodes = self.lab.api.listed("nodes", "", {})
        return [n["metadata"]["name"] for n in nodes if n["spec"].get("unschedulable")]

    def images(self) -> list[str]:
        return [member.image for member in self.lab.members]

    def starts(self) -> list[list[str]]:
        return [member.starts for member in self.lab.members]

    def log_of(self, member: str) -> str:
        text: str = (self.lab.folder / member / "log").read_text(errors="replace")
        return text

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so with the objects of the API. Fails after the deadline."""
        with self.lab.api.changed:
            assert self.lab.api.changed.wait_for(is_so, DEADLINE_S)

    def waits_for(self, member: str) -> str:
        """Return why a member's container waits: `CrashLoopBackOff`, or "" when it does not."""
        status = self.lab.api.find("pods", member)["status"]["containerStatuses"][0]
        reason: str = status["state"].get("waiting", {}).get("reason", "")
        return reason


def killed(life: Background) -> None:
    """Kill a command as the kernel does when memory is short."""
    life.signal(signal.SIGKILL)
    assert -signal.SIGKILL == life.end().code
