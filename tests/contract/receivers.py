"""Real receivers of notices: a command, and a web server on the loopback interface."""

from __future__ import annotations

import json
import os
import queue
import select
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

DEADLINE_S = 30.0
COMMAND = """
cd "$1" || exit
cat >"$$.part"
read -r mode <mode
case $mode in
refuse)
    echo refused >events
    echo "the receiver refuses" >&2
    exit 1 ;;
hang)
    echo begun >events
    read -r _ <gate ;;
esac
mv "$$.part" "$$.json"
echo "taken $$" >events
"""


class CommandReceiver:
    """A command that keeps each notice in a file, and tells of it through a named pipe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("events", "gate"):
            os.mkfifo(folder / name)
        # Open for both, so that neither side ever waits for the other to come.
        self._events = os.open(folder / "events", os.O_RDWR)
        self._gate = os.open(folder / "gate", os.O_RDWR)
        self._seen = b""
        self._hanging = 0
        self.command = ("sh", "-c", COMMAND, "receiver", str(folder))
        self._mode("work")

    def hang(self) -> None:
        self._mode("hang")

    def refuse(self) -> None:
        self._mode("refuse")

    def work(self) -> None:
        self._mode("work")
        os.write(self._gate, b"\n" * self._hanging)
        self._hanging = 0

    def wait_for_begun(self) -> None:
        assert "begun" == self.event()
        self._hanging += 1

    def wait_for_refused(self) -> None:
        assert "refused" == self.event()

    def titles(self, count: int) -> list[str]:
        return [notice["title"] for notice in self.notices(count)]

    def notices(self, count: int) -> list[dict[str, Any]]:
        """Wait for the next `count` notices that are taken, and return them."""
        taken: list[dict[str, Any]] = []
        while len(taken) < count:
            word, _, pid = self.event().partition(" ")
            if word == "taken":
                taken.append(json.loads((self.folder / f"{pid}.json").read_text()))
        return taken

    def event(self) -> str:
        """Return the next thing that the command told."""
        while b"\n" not in self._seen:
            assert select.select([self._events], [], [], DEADLINE_S)[0], "no notice came"
            self._seen += os.read(self._events, 4_096)
        line, _, self._seen = self._seen.partition(b"\n")
        return line.decode()

    def is_quiet(self) -> bool:
        """Return whether nothing was told that is not read yet."""
        return not self._seen and not select.select([self._events], [], [], 0)[0]

    def close(self) -> None:
        # Whatever still comes finds plain files, and waits for nobody.
        for name in ("events", "gate"):
            (self.folder / name).unlink()
        self.work()
        os.close(self._events)
        os.close(self._gate)

    def _mode(self, mode: str) -> None:
        aside = self.folder / "mode.part"
        aside.write_text(f"{mode}\n")
        aside.rename(self.folder / "mode")


class WebReceiver:
    """A web server that takes what is posted, or does not."""

    def __init__(self) -> None:
        self._begun: queue.Queue[None] = queue.Queue()
        self._refused: queue.Queue[None] = queue.Queue()
        self.taken: queue.Queue[dict[str, Any]] = queue.Queue()
        self._may_answer = threading.Event()
        self._may_answer.set()
        self._refuses = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.status_for(json.loads(text)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"json://127.0.0.1:{self._server.server_port}/hook"

    def status_for(self, notice: dict[str, Any]) -> int:
        """Keep a notice, and return what is answered; may wait for long."""
        if self._refuses:
            self._refused.put(None)
            return 503
        if not self._may_answer.is_set():
            self._begun.put(None)
            self._may_answer.wait(DEADLINE_S)
        self.taken.put(notice)
        return 200

    def hang(self) -> None:
        self._may_answer.clear()

    def refuse(self) -> None:
        self._refuses = True

    def work(self) -> None:
        self._refuses = False
        self._may_answer.set()

    def wait_for_begun(self) -> None:
        self._begun.get(timeout=DEADLINE_S)

    def wait_for_refused(self) -> None:
        self._refused.get(timeout=DEADLINE_S)

    def titles(self, count: int) -> list[str]:
        return [self.taken.get(timeout=DEADLINE_S)["title"] for _ in range(count)]

    def close(self) -> None:
        self.work()
        self._server.shutdown()
        self._thread.join(DEADLINE_S)
        self._server.server_close()
