"""The HTTP API of a Prometheus, or of what speaks like one, with the standard library.

One request, one answer, nothing kept open: a gate asks every few seconds, and a process that dies
leaves nothing behind. No redirect is followed: it would carry the token to another host, and leave
the query behind.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from holdfast.errors import HoldfastError, UsageError
from holdfast.model.making import dataclass

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.request import Request

ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
TEXT_CHARS_MAX: Final = 500
CHUNK_BYTES: Final = 64 * 1024
_WELL, _BAD_QUERY = 200, 400
_REDIRECTS: Final = range(300, 400)


class PrometheusFailed(HoldfastError):
    """A Prometheus did not answer, or not with what was asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave: its kind (vector, matrix, scalar, string), the result, and what the
    server warned of, such as a store that did not answer."""

    kind: str
    result: Any
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Server:
    """Where a Prometheus listens. `headers` are sent with every request and never shown."""

    url: str
    timeout_s: float = 10.0
    headers: Mapping[str, str] | None = None

    def query(self, query: str) -> Answer:
        """Return the value of a query now. Raises UsageError for what is no PromQL, and
        PrometheusFailed."""
        limit = f"{max(1, round(self.timeout_s * 1000))}ms"  # A fraction is no duration there.
        return _answer(self._post("query", {"query": query, "timeout": limit}))

    def query_range(self, query: str, start: float, end: float, step_s: float) -> Answer:
        """Return the values of a query between two times. Raises UsageError for what is no
        PromQL, and PrometheusFailed."""
        asked = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step_s}"}
        return _answer(self._post("query_range", asked))

    def names(self) -> list[str]:
        """Return the names of all metrics. Raises PrometheusFailed."""
        found = self._ask(self._request("label/__name__/values", None)).get("data")
        return [str(name) for name in found] if isinstance(found, list) else []

    def _post(self, path: str, form: Mapping[str, str]) -> Mapping[str, Any]:
        return self._ask(self._request(path, urlencode(form).encode()))

    def _request(self, path: str, body: bytes | None) -> Request:
        from urllib.request import Request

        url = address(self.url)
        return Request(f"{url.rstrip('/')}/api/v1/{path}", body, dict(self.headers or {}))

    def _ask(self, request: Request) -> Mapping[str, Any]:
        """Return the answer as JSON. Raises UsageError and PrometheusFailed."""
        # TLS and all the rest take 50 ms: whoever only mentions a query does not pay for them.
        from http.client import HTTPException
        from urllib.error import URLError

        ends_at = time.monotonic() + self.timeout_s
        try:
            with _replied(request, self.timeout_s) as reply:
                text = _read(reply, ends_at)
        except TimeoutError as error:
            raise self._silent(f"no answer within {self.timeout_s:g} s") from error
        except URLError as error:
            raise self._silent(str(error.reason)) from error
        except (OSError, HTTPException, ValueError) as error:
            raise self._silent(f"{type(error).__name__}: {error}") from error
        if reply.status in _REDIRECTS:
            to = urlsplit(reply.headers.get("Location", ""))
            raise self._silent(f"it sends us elsewhere ({reply.status}): {to.scheme}://{to.netloc}")
        if reply.status != _WELL:
            raise self._refused(reply.status, text)
        if len(text) > ANSWER_BYTES_MAX:
            raise PrometheusFailed(f"Prometheus at {self.url} answered with more than 32 MiB")
        return self._json(text)

    def _json(self, text: bytes) -> Mapping[str, Any]:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("status") != "success":
            begins = text[:TEXT_CHARS_MAX].decode(errors="replace")
            raise PrometheusFailed(f"what listens at {self.url} is no Prometheus: {begins!r}")
        return found

    def _refused(self, code: int, text: bytes) -> HoldfastError:
        try:
            said = str(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            said = text.decode(errors="replace").strip()
        said = said[:TEXT_CHARS_MAX]
        if code == _BAD_QUERY:
            return UsageError(f"Prometheus cannot read the query: {said}")
        return PrometheusFailed(f"Prometheus at {self.url} answered {code}: {said}")

    def _silent(self, why: str) -> PrometheusFailed:
        return PrometheusFailed(f"Prometheus at {self.url} does not answer: {why}")


def address(url: str) -> str:
    """Return the address of a Prometheus. Raises UsageError for what is none, and for one that
    holds a user or a password, which would be recorded."""
    try:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise UsageError(
                "a Prometheus address must not hold a password, which would be recorded: give "
                "token= the name of a secret"
            )
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return url
    except ValueError:
        pass  # Brackets without an IPv6 address, or a port that is none.
    raise UsageError(
        f"{url!r} is no address of a Prometheus: write http://HOST:9090 in server= or "
        "PROMETHEUS_URL"
    )


def _replied(request: Request, timeout_s: float) -> HTTPResponse:
    """Send a request and return the reply, whatever its status. Raises OSError, HTTPException and
    ValueError."""
    from urllib.request import HTTPErrorProcessor, build_opener

    class Whatever(HTTPErrorProcessor):
        """Follows no redirect, and takes no status for an error."""

        def http_response(self, request: object, response: Any) -> Any:
            return response

        https_response = http_response

    found: HTTPResponse = build_opener(Whatever).open(request, timeout=timeout_s)
    return found


def _read(reply: HTTPResponse, ends_at: float) -> bytes:
    """Return what a reply holds, as far as it may. Raises TimeoutError, also where each byte comes
    in time; OSError and HTTPException when its end is missing."""
    wanted, text = reply.length, bytearray()
    while len(text) <= ANSWER_BYTES_MAX and len(text) != wanted:
        chunk = reply.read1(CHUNK_BYTES)
        if time.monotonic() > ends_at:
            raise TimeoutError
        if not chunk:
            break
        text += chunk
    if wanted is not None and len(text) < min(wanted, ANSWER_BYTES_MAX):
        raise ConnectionError(f"the answer ended after {len(text)} of {wanted} bytes")
    return bytes(text)


def _answer(found: Mapping[str, Any]) -> Answer:
    inner, warnings = found.get("data"), found.get("warnings") or ()
    if not isinstance(inner, dict) or "result" not in inner:
        raise PrometheusFailed("Prometheus answered without a result")
    kind, told = str(inner.get("resultType")), tuple(str(text) for text in warnings)
    return Answer(kind, inner["result"], told)
