"""A real Prometheus that scrapes a tiny exporter every second, both on loopback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

DEADLINE_S = 60.0
CONFIG = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: lab
    static_configs: [{targets: ["127.0.0.1:%d"]}]
"""


def needs_prometheus() -> pytest.MarkDecorator:
    """Return the mark of tests that need a Prometheus; on CI it has to be there."""
    is_away = shutil.which("prometheus") is None and os.environ.get("CI") != "true"
    return pytest.mark.skipif(is_away, reason="prometheus is not here")


class Exporter(ThreadingHTTPServer):
    """Serves `lines` as metrics; a line's `@` is the number of the scrape, so that it grows."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Scraped)
        self.lines: list[str] = []
        self.scrapes = 0
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Be gone, as a process that was killed."""
        self.shutdown()
        self.server_close()


class _Scraped(BaseHTTPRequestHandler):
    server: Exporter

    def do_GET(self) -> None:
        self.server.scrapes += 1
        text = "".join(f"{line}\n" for line in self.server.lines)
        body = text.replace("@", str(self.server.scrapes)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


class Prometheus:
    """A Prometheus of its own, and its exporter."""

    def __init__(self, folder: Path) -> None:
        self.exporter = Exporter()
        config = folder / "prometheus.yml"
        config.write_text(CONFIG % self.exporter.server_address[1])
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._words = [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        ]  # fmt: skip
        self._log = (folder / "prometheus.log").open("wb")
        self.process = self._begin()

    def _begin(self) -> subprocess.Popen[bytes]:
        log = self._log
        return subprocess.Popen(self._words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def value(self, query: str) -> float | None:
        """Return the first value of a query now, None when there is none."""
        with urlopen(f"{self.url}/api/v1/query?{urlencode({'query': query})}", timeout=5) as reply:
            found = json.load(reply)["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def until(self, query: str, is_well: Callable[[float | None], bool]) -> None:
        """Wait until a query says what is wanted."""
        ends = time.monotonic() + DEADLINE_S
        pause = threading.Event()
        while True:
            try:
                if is_well(self.value(query)):
                    return
            except OSError:
                pass  # it does not listen yet
            assert time.monotonic() < ends, f"{query} never came to what is wanted"
            pause.wait(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        self.process = self._begin()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self._log.close()
        self.exporter.stop()


@contextmanager
def prometheus(folder: Path) -> Iterator[Prometheus]:
    """Give a Prometheus that is gone afterwards."""
    made = Prometheus(folder)
    try:
        yield made
    finally:
        made.close()
