"""The HTTP side of the lab's Kubernetes API: discovery, objects, watches, logs, and exec."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

from kube_objects import GROUPS, UNSPACED, Object, Refused, version_of

if TYPE_CHECKING:
    from kube import KubeApi

WATCH_S_MAX = 300.0
TICK_S = 1.0
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERBS = ["create", "delete", "get", "list", "patch", "watch"]
STDOUT, STDERR, STATUS = 1, 2, 3
"""Channels of the websocket protocol v5: the first byte of each frame."""
SUBRESOURCES = {"pods/eviction": "Eviction", "pods/log": "Pod", "pods/exec": "PodExecOptions"}
SHORT = {
    "nodes": "no",
    "pods": "po",
    "namespaces": "ns",
    "statefulsets": "sts",
    "deployments": "deploy",
}


class Desk(BaseHTTPRequestHandler):
    """One connection: requests in, objects or Status out."""

    server: KubeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PATCH = do_DELETE = do_PUT = do_GET

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.changed:
            self.server.requests.append((self.command, self.path, body.decode("utf-8", "replace")))
        try:
            if refused := self.server.refuse(self.command, self.path):
                raise refused
            self._route(urlsplit(self.path), body)
        except Refused as failure:
            self._answer(failure.status(), failure.code)

    def _route(self, url: Any, body: bytes) -> None:
        parts = [unquote(part) for part in url.path.split("/") if part]
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        size = 2 if parts[0] == "api" else 3
        if len(parts) <= size:
            return self._answer(_discovery(parts))
        group, rest, space = "/".join(parts[1:size]), parts[size:], ""
        if rest[0] == "namespaces" and len(rest) > 2:
            space, rest = rest[1], rest[2:]
        resource = rest[0]
        if resource not in GROUPS.get(group, {}):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        if len(rest) == 1:
            return self._collection(resource, space, query, body)
        if len(rest) == 3:
            return self._part(rest[1], space, rest[2], url.query, body)
        return self._object(resource, rest[1], space, query, body)

    def _collection(self, resource: str, space: str, query: dict[str, str], body: bytes) -> None:
        if self.command == "POST":
            made = self.server.add(resource, json.loads(body), namespace=space or "default")
            if resource == "pods":
                self.server.tell("ADDED", made)
            return self._answer(made, 201)
        if query.get("watch") in ("true", "1"):
            return self._watch(resource, space, query)
        with self.server.changed:
            items = self.server.listed(resource, space, query)
            about = {"resourceVersion": str(self.server.version)}
        version = version_of(resource)
        about_all = {"kind": f"{GROUPS[version][resource]}List", "apiVersion": version}
        self._answer(about_all | {"metadata": about, "items": items})

    def _object(
        self, resource: str, name: str, space: str, query: dict[str, str], body: bytes
    ) -> None:
        api, is_try = self.server, "dryRun" in query
        if self.command == "PATCH":
            with api.changed:
                change, kind = json.loads(body), self.headers["Content-Type"]
                item = api.patched(resource, name, space, kind, change)
                item = item if is_try else api.store(resource, item)
            if not is_try:
                api.follow(resource, item)
            self._answer(item)
        elif self.command == "DELETE":
            gone = api.find(resource, name, space)
            if not is_try:
                api.delete(resource, name, space)
            told = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
            self._answer(told | {"details": {"name": name, "uid": gone["metadata"]["uid"]}})
        else:
            self._answer(api.find(resource, name, space))

    def _part(self, name: str, space: str, part: str, query: str, body: bytes) -> None:
        """A part of a pod: its log, its eviction, or a command in it."""
        values = parse_qs(query)
        pod = self.server.find("pods", name, space)
        if part == "log":
            container = values.get("container", [pod["spec"]["containers"][0]["name"]])[0]
            is_previous = values.get("previous") == ["true"]
            text = self.server.logs(pod, container, is_previous)
            lines = text.splitlines(keepends=True)[-int(values.get("tailLines", ["10000"])[0]) :]
            self._send(200, "text/plain", "".join(lines).encode())
        elif part == "eviction" and self.command == "POST":
            is_try = "dryRun" in values or "dryRun" in json.loads(body or b"{}").get(
                "deleteOptions", {}
            )
            self.server.evict(name, space, is_try=is_try)
            done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
            self._answer(done, 201)
        elif part == "exec":
            self._exec(pod, values)
        else:
            raise Refused(404, "NotFound", "the server could not find the requested resource")

    def _watch(self, resource: str, space: str, query: dict[str, str]) -> None:
        """Stream changes after the version asked for; without one, what is there comes first."""
        api, ends = self.server, time.monotonic() + float(query.get("timeoutSeconds", WATCH_S_MAX))
        with api.changed:
            seen = int(query.get("resourceVersion") or 0) or api.version
            news: list[tuple[str, Object]] = []
            if query.get("resourceVersion") in (None, "", "0"):
                news = [("ADDED", item) for item in api.listed(resource, space, query)]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while time.monotonic() < ends and not api.is_stopped:
                for event, item in news:
                    line = json.dumps({"type": event, "object": item}).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
                news, seen = api.news(resource, space, query, seen, TICK_S)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True  # whoever watched has seen enough

    def _exec(self, pod: Object, values: dict[str, list[str]]) -> None:
        """Run a command over a websocket; the protocol that kubectl speaks from 1.31 on."""
        asked = self.headers.get("Sec-WebSocket-Protocol", "")
        if "v5.channel.k8s.io" not in asked:
            raise Refused(400, "BadRequest", "exec needs websockets (v5.channel.k8s.io)")
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        accepted = base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accepted)
        self.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
        self.end_headers()
        self.close_connection = True
        stdin = _input(self.rfile) if values.get("stdin") == ["true"] else b""
        code, out, err = self.server.run(pod, values.get("command", []), stdin)
        status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        if code:
            causes = [{"reason": "ExitCode", "message": str(code)}]
            told = f"command terminated with non-zero exit code {code}"
            status |= {"status": "Failure", "reason": "NonZeroExitCode", "message": told}
            status["details"] = {"causes": causes}
        for channel, content in (STDOUT, out), (STDERR, err), (STATUS, json.dumps(status).encode()):
            if content:
                self.wfile.write(_frame(0x82, bytes([channel]) + content))
        self.wfile.write(_frame(0x88, struct.pack(">H", 1000)))
        self.wfile.flush()

    def _answer(self, item: Object, code: int = 200) -> None:
        self._send(code, "application/json", json.dumps(item).encode())

    def _send(self, code: int, kind: str, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _discovery(parts: list[str]) -> Object:
    """What kubectl asks first: which groups there are, and what is in them."""
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if parts == ["apis"]:
        groups = []
        for version in sorted(set(GROUPS) - {"v1"}):
            about = {"groupVersion": version, "version": "v1"}
            name = version.partition("/")[0]
            groups.append({"name": name, "versions": [about], "preferredVersion": about})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if (group := "/".join(parts[1:])) not in GROUPS:
        raise Refused(404, "NotFound", "the server could not find the requested resource")
    found: list[Object] = [
        {
            "name": name,
            "singularName": kind.lower(),
            "kind": kind,
            "namespaced": name not in UNSPACED,
        }
        | {"verbs": VERBS, "shortNames": [SHORT[name]] if name in SHORT else []}
        for name, kind in GROUPS[group].items()
    ]
    if group == "v1":
        found += [
            {"name": name, "singularName": "", "kind": kind, "namespaced": True, "verbs": VERBS}
            | ({"group": "policy", "version": "v1"} if kind == "Eviction" else {})
            for name, kind in SUBRESOURCES.items()
        ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group,
        "resources": found,
    }


def _frame(first: int, content: bytes) -> bytes:
    """Return a websocket frame as a server sends it: whole and unmasked."""
    size = len(content)
    if size < 126:
        return bytes([first, size]) + content
    if size < 1 << 16:
        return bytes([first, 126]) + struct.pack(">H", size) + content
    return bytes([first, 127]) + struct.pack(">Q", size) + content


def _input(stream: BinaryIO) -> bytes:
    """Read what the client sends as standard input until it closes that channel, or all."""
    found = b""
    while True:
        first, size = stream.read(2)
        size &= 0x7F
        if size > 125:
            size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
        mask = stream.read(4)
        content = bytes(byte ^ mask[n % 4] for n, byte in enumerate(stream.read(size)))
        if first & 0x0F == 0x08 or content[:1] == b"\xff":
            return found
        if content[:1] == b"\x00":
            found += content[1:]
