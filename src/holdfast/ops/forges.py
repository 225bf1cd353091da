"""How the steps of `holdfast.ops.pulls` ask a forge: by HTTP with a token, or through `gh`.

Patiently: a forge that asks to be left alone is not asked before that time has passed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from shutil import which
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from holdfast.errors import CommandFailed, UsageError
from holdfast.flow.inside import save, saved
from holdfast.integrations.forge import (
    PATIENCE_S_MAX,
    Answer,
    ForgeBusy,
    ForgeRefused,
    checked,
    decoded,
    next_page,
    request,
)
from holdfast.ops.programs import unlogged
from holdfast.ops.tokens import token_of
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.context import is_in_step

VERSION = "1"
"""Part of the code hash of steps that use this: it changes when what it does does."""
GITHUB: Final = "https://api.github.com"
PAGES_MAX: Final = 40
GH_S: Final = 120.0
"""How long `gh` may take for one request."""
NOT_LOGGED_IN: Final = 4
"""How `gh` ends then."""


class Repository(Protocol):
    """A repository on a forge: its name, the URL of the API, and the name of a secret."""

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def token(self) -> str | None: ...


def answer_of(forge: Repository, method: str, path: str, body: object = None) -> Answer:
    """Return the answer to one request about the repository, whatever its status."""
    url = path if "://" in path else f"{forge.url}/repos/{forge.name}{path}"
    if not url.startswith(f"{forge.url}/"):
        raise ForgeRefused(f"{method} {url}", 0, "the next page is on another host")
    path = url.removeprefix(f"{forge.url}/")
    if forge.token is None:
        return _by_gh(forge.url, method, path, body)
    return request(url, method, body, token_of(forge.token))


def well(forge: Repository, method: str, path: str, body: object = None) -> Answer:
    """Return the answer to one request that went well. Raises ForgeBusy and ForgeRefused."""
    answer = answer_of(forge, method, path, body)
    return checked(answer, f"{method} {forge}{path}", SystemClock().now().timestamp())


def patiently(forge: Repository, method: str, path: str, body: object = None) -> Answer:
    """Ask, but in a step not before the time that the forge asked for has passed."""
    left = _not_before(saved()) - SystemClock().now().timestamp() if is_in_step() else 0.0
    if 0 < left <= PATIENCE_S_MAX:
        raise ForgeBusy(f"{method} {forge}{path}", "not asked again yet", left)
    try:
        return well(forge, method, path, body)
    except ForgeBusy as busy:
        if busy.retry_after_s and is_in_step():
            note("not_before", SystemClock().now().timestamp() + busy.retry_after_s)
        raise


def note(name: str, value: object) -> None:
    """Save one thing beside what the step saved."""
    kept = saved()
    save({**(kept if isinstance(kept, dict) else {}), name: value})


def _not_before(kept: object) -> float:
    return float(kept.get("not_before", 0.0)) if isinstance(kept, dict) else 0.0


def pages(forge: Repository, path: str, kind: type) -> Iterator[Any]:
    """Yield the bodies of all pages of a list. Raises ForgeRefused when there is no end of them:
    what was not read could be what is looked for."""
    for _ in range(PAGES_MAX):
        answer = well(forge, "GET", path)
        if not isinstance(answer.body, kind):
            raise ForgeBusy(f"GET {forge}{path}", "what answered is no forge: it gave no list")
        yield answer.body
        more = next_page(answer)
        if more is None:
            return
        path = more
    raise ForgeRefused(f"GET {forge}{path}", 0, f"more than {PAGES_MAX} pages")


def _by_gh(api: str, method: str, path: str, body: object) -> Answer:
    if which("gh") is None:
        raise UsageError("pulls: give token=, or install the program gh and log in")
    words = ["gh", "api", "--include", "--method", method, path]
    words += [] if api == GITHUB else ["--hostname", urlsplit(api).netloc]
    words += [] if body is None else ["--input", "-"]
    try:
        done = unlogged(words, input=None if body is None else json.dumps(body), limit_s=GH_S)
    except CommandFailed as error:
        raise ForgeBusy(" ".join(words), error.tail) from error
    if done.code == NOT_LOGGED_IN:
        raise UsageError("pulls: gh is not logged in: run `gh auth login`, or give token=")
    head, _, text = done.out.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    status = first.split(" ")[1] if first.startswith("HTTP/") and " " in first else ""
    if not status.isdecimal():
        why = "".join(f": {line}" for line in done.err.splitlines()[-1:])
        raise ForgeBusy(" ".join(words), f"gh ended with {done.code} and gave no answer{why}")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Answer(int(status), decoded(text.encode()), headers)
