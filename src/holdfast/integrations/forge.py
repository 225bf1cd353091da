"""One request to the REST API of GitHub or Gitea, and its answer.

By HTTP with urllib3, which is an extra and imported at the first request. Nothing is followed or
repeated here: a redirect would carry the token to another host, and a repeated POST could do the
same thing twice. Whoever asks decides what an answer means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from holdfast.errors import HoldfastError, UsageError
from holdfast.version import VERSION

if TYPE_CHECKING:
    from urllib3 import PoolManager

CONNECT_S: Final = 10.0
READ_S: Final = 60.0
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
PATIENCE_S_MAX: Final = 86_400.0
"""More than a day is a clock that is wrong, here or there."""
SHOWN_CHARS_MAX: Final = 300
NOT_INSTALLED: Final = "urllib3 is not installed: install holdfast[ops]"
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY, SERVER_ERROR = 401, 403, 404, 429, 500


class ForgeRefused(HoldfastError):
    """The forge answered that it will not: `status` is that of its answer."""

    def __init__(self, what: str, status: int, said: str) -> None:
        super().__init__(f"{what}: HTTP {status}: {said}" + _HINTS.get(status, ""))
        self.status = status


class ForgeBusy(HoldfastError):
    """The forge cannot be reached, is in trouble, or asks to be left alone for `retry_after_s`."""

    def __init__(self, what: str, said: str, retry_after_s: float = 0.0) -> None:
        wait = f"; it asks for {retry_after_s:g} s of patience" if retry_after_s else ""
        super().__init__(f"{what}: {said}{wait}")
        self.retry_after_s = retry_after_s


_HINTS: Final = {
    UNAUTHORIZED: "; the token is wrong or has expired: set it anew and resume",
    FORBIDDEN: "; the token may not do this",
    NOT_FOUND: "; it is not there, or the token may not see it",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the JSON, and the headers by their names in small letters."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_well(self) -> bool:
        return 200 <= self.status < 300

    def says(self) -> str:
        """Return the forge's own words about a failure."""
        if not isinstance(self.body, dict) or not self.body.get("message"):
            return "it gave no reason"
        texts = [str(self.body["message"])]
        errors = self.body.get("errors")
        for error in errors if isinstance(errors, list) else []:
            texts.append(str(error.get("message", "")) if isinstance(error, dict) else str(error))
        return " ".join("; ".join(filter(None, texts)).split())[:SHOWN_CHARS_MAX]


def request(url: str, method: str, body: object, token: str) -> Answer:
    """Send one request and return its answer, whatever its status. Raises ForgeBusy when there is
    none, and UsageError without urllib3. The token stands in a header and nowhere else."""
    try:
        import urllib3
    except ImportError:
        raise UsageError(NOT_INSTALLED) from None
    headers = {
        "Accept": "application/json",
        "Authorization": f"token {token}",
        "User-Agent": f"holdfast/{VERSION}",
    }
    what = f"{method} {url}"
    try:
        with _pool(url) as pool:
            answer = pool.request(
                method, url, headers=headers, json=body, redirect=False, preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
            ) if body is not None else pool.request(
                method, url, headers=headers, redirect=False, preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
            )  # fmt: skip
            text = answer.read(ANSWER_BYTES_MAX, decode_content=True)
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, decoded(text), found)
    except urllib3.exceptions.HTTPError as error:
        raise ForgeBusy(what, f"no answer: {type(error).__name__}") from None


def _pool(url: str) -> PoolManager:
    """Return what connects to a URL, through the proxy that the environment names for it."""
    from urllib.request import getproxies, proxy_bypass

    from urllib3 import PoolManager, ProxyManager, make_headers

    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return PoolManager(retries=False)
    there = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    who = f"{unquote(there.username)}:{unquote(there.password or '')}" if there.username else None
    bare = there._replace(netloc=there.netloc.rpartition("@")[2]).geturl()
    headers = make_headers(proxy_basic_auth=who) if who else None
    return ProxyManager(bare, proxy_headers=headers, retries=False)


def decoded(text: bytes) -> Any:
    """Return an answer's JSON, and None when it is none: a proxy's page, or nothing."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def checked(answer: Answer, what: str, now_s: float) -> Answer:
    """Return an answer that is well. Raises ForgeBusy when it may be well later, and ForgeRefused
    when it will not. `now_s` is the time, for limits that tell when they end."""
    if answer.is_well:
        return answer
    patience_s = _patience_s(answer, now_s)
    limited = answer.status == TOO_MANY or (answer.status == FORBIDDEN and patience_s is not None)
    if limited or answer.status >= SERVER_ERROR:
        raise ForgeBusy(what, f"HTTP {answer.status}: {answer.says()}", patience_s or 0.0)
    raise ForgeRefused(what, answer.status, answer.says())


def _patience_s(answer: Answer, now_s: float) -> float | None:
    """Return how long a rate limit lasts, or None when the answer speaks of none."""
    if after := answer.headers.get("retry-after", "").strip():
        return _after_s(after, now_s)
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return min(max(1.0, float(reset) - now_s), PATIENCE_S_MAX)
    return None


def _after_s(after: str, now_s: float) -> float:
    """Return how long a `Retry-After` asks for: it is a number of seconds, or a date."""
    if after.isdecimal():
        return min(float(after), PATIENCE_S_MAX)
    try:
        left_s = parsedate_to_datetime(after).timestamp() - now_s
    except ValueError:
        return 0.0
    return min(max(1.0, left_s), PATIENCE_S_MAX)


def next_page(answer: Answer) -> str | None:
    """Return the URL of a list's next page, as the `Link` header gives it."""
    for part in answer.headers.get("link", "").split(","):
        url, _, rest = part.strip().partition(";")
        if 'rel="next"' in rest and url.startswith("<") and url.endswith(">"):
            return url[1:-1]
    return None
