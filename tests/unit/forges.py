"""A small GitHub, or Gitea: their REST API over HTTP as far as pull requests need it.

Paths, fields, states and statuses are those of the published schemas: lists in pages with a `Link`
header, 401 for a wrong token, 403 with `Retry-After`, 422 (GitHub) or 409 (Gitea) for a second pull
request, 405 and 409 for one that cannot be merged.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

Kind = Literal["github", "gitea"]
TOKEN = "tok-1f0e9d8c7b6a"
NAME = "acme/config"
HEAD_SHA = "a" * 40


class Forge(ThreadingHTTPServer):
    """The forge: its pull requests, the states of the checks one after the other, what was asked.

    `forced` are answers given instead, each once: (method, part of the path, status, headers), and
    what it says, JSON or bytes. Several runs of one check are written as "success failure".
    While `gate` is cleared an answer to a POST or PUT is held back when its work is done.
    """

    daemon_threads = True

    def __init__(self, kind: Kind) -> None:
        super().__init__(("127.0.0.1", 0), _Desk)
        self.kind: Kind = kind
        self.pulls: list[dict[str, Any]] = []
        self.checks: deque[dict[str, str]] = deque([{}])
        self.asked: list[str] = []
        self.forced: list[Any] = []
        self.mergeable, self.page = True, 2
        self.gate, self.reached = threading.Event(), threading.Event()
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def api(self) -> str:
        return self.url + ("/api/v1" if self.kind == "gitea" else "")

    def add(self, head: str, base: str = "main", state: str = "open", body: str = "") -> Any:
        number = len(self.pulls) + 1
        where = {"ref": head, "sha": HEAD_SHA, "repo": {"full_name": NAME}}
        self.pulls.append(
            {
                "number": number,
                "html_url": f"{self.url}/{NAME}/pull/{number}",
                "state": state,
                "title": "",
                "body": body,
                "merged": False,
                "merged_at": None,
                "head": where,
                "base": {"ref": base},
            }
        )
        return self.pulls[-1]

    def count(self, method: str, part: str) -> int:
        """Return how often something was asked."""
        return sum(line.startswith(f"{method} ") and part in line for line in self.asked)

    # --- what it does ---

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        prefix = ("/api/v1" if self.kind == "gitea" else "") + f"/repos/{NAME}"
        if not path.startswith(prefix):
            return 404, {"message": "Not Found"}
        match method, path.removeprefix(prefix).strip("/").split("/"):
            case "GET", ["pulls"]:
                return 200, self._listed(query)
            case "POST", ["pulls"]:
                return self._opened(body)
            case "GET", ["pulls", number]:
                return 200, self.pulls[int(number) - 1]
            case "PATCH", ["pulls", number]:
                self.pulls[int(number) - 1] |= body
                return 200, self.pulls[int(number) - 1]
            case ("PUT" | "POST") as verb, ["pulls", number, "merge"]:
                assert verb == ("PUT" if self.kind == "github" else "POST")
                return self._merged(self.pulls[int(number) - 1], body)
            case "GET", ["commits", _, "status"]:
                return 200, self._statuses()
            case "GET", ["commits", _, "check-runs"]:
                return 200, self._runs()
        return 404, {"message": "Not Found"}

    def _listed(self, query: dict[str, str]) -> list[Any]:
        found = [p for p in self.pulls if query.get("state", "open") in ("all", p["state"])]
        head = query.get("head")
        if self.kind == "github" and head is not None:
            found = [p for p in found if f"acme:{p['head']['ref']}" == head]
        return found[::-1]

    def _opened(self, body: Any) -> tuple[int, Any]:
        for pull in self.pulls:
            if pull["state"] == "open" and pull["head"]["ref"] == body["head"]:
                return self._exists(body)
        return 201, self.add(body["head"], body["base"], body=body["body"])

    def _exists(self, body: Any) -> tuple[int, Any]:
        if self.kind == "github":
            text = f"A pull request already exists for acme:{body['head']}."
            error = {"resource": "PullRequest", "code": "custom", "message": text}
            return 422, {"message": "Validation Failed", "errors": [error]}
        return 409, {"message": "pull request already exists for these targets [id: 1]"}

    def _merged(self, pull: Any, body: Any) -> tuple[int, Any]:
        if pull["merged"]:
            return 405, {"message": "Pull Request is not mergeable"}
        if body.get("sha", body.get("head_commit_id")) != pull["head"]["sha"]:
            return 409, {"message": "Head branch was modified. Review and try the merge again."}
        if not self.mergeable:
            return (405 if self.kind == "github" else 409), {"message": "Merge conflict"}
        pull |= {"merged": True, "merged_at": "2026-01-01T00:00:00Z", "state": "closed"}
        return 200, {"merged": True, "sha": "b" * 40, "message": "merged"}

    def _statuses(self) -> Any:
        now = self.checks[0]
        word = "state" if self.kind == "github" else "status"
        mine = {} if self.kind == "github" else now
        if self.kind == "gitea" and len(self.checks) > 1:
            self.checks.popleft()
        items = [{"context": name, word: state} for name, state in mine.items()]
        return {"state": "pending", "total_count": len(items), "statuses": items or None}

    def _runs(self) -> Any:
        now = self.checks[0]
        if len(self.checks) > 1:
            self.checks.popleft()
        runs = [
            {"name": name, "status": "in_progress" if state == "pending" else "completed",
             "conclusion": None if state == "pending" else state}
            for name, states in now.items()
            for state in states.split()
        ]  # fmt: skip
        return {"total_count": len(runs), "check_runs": runs}


class _Desk(BaseHTTPRequestHandler):
    server: Forge

    def _handle(self) -> None:
        forge, parts = self.server, urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        forge.asked.append(f"{self.command} {self.path}")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        for forced in forge.forced:
            if forced[0] == self.command and forced[1] in self.path:
                forge.forced.remove(forced)
                said = {"message": "You have exceeded a secondary rate limit"}
                self._say(forced[2], forced[4] if len(forced) > 4 else said, forced[3])
                return
        if TOKEN not in self.headers.get("Authorization", ""):
            self._say(401, {"message": "Bad credentials"}, {})
            return
        status, found = forge.answer(self.command, parts.path, query, body)
        headers = {}
        if isinstance(found, list):
            page = int(query.get("page", 1))
            if len(found) > page * forge.page:
                more = urlencode({**query, "page": page + 1})
                headers["Link"] = f'<{forge.url}{parts.path}?{more}>; rel="next"'
            found = found[(page - 1) * forge.page : page * forge.page]
        if self.command != "GET" and not forge.gate.is_set():
            forge.reached.set()
            forge.gate.wait(30)
        self._say(status, found, headers)

    do_GET = do_POST = do_PUT = do_PATCH = _handle

    def _say(self, status: int, body: Any, headers: dict[str, str]) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)
        except ConnectionError:  # whoever asked is dead
            self.close_connection = True

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextmanager
def serving(kind: Kind) -> Iterator[Forge]:
    """Give a forge on a port of its own; it is gone when the block is left."""
    with Forge(kind) as forge:
        thread = threading.Thread(target=forge.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield forge
        finally:
            forge.gate.set()
            forge.shutdown()
            thread.join()
