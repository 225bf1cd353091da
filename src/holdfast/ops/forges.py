"""How the steps of `holdfast.ops.pulls` ask a forge: by HTTP with a token, or through `gh`."""

from __future__ import annotations

import json
from shutil import which
from typing import Final
from urllib.parse import urlsplit

from holdfast.errors import UsageError
from holdfast.integrations.forge import Answer, ForgeBusy, decoded, request
from holdfast.ops.programs import unlogged
from holdfast.ops.tokens import token_of

VERSION = "1"
"""Part of the code hash of steps that use this: it changes when what it does does."""
GITHUB: Final = "https://api.github.com"
NOT_LOGGED_IN: Final = 4
"""How `gh` ends then."""


def ask(api: str, token: str | None, method: str, path: str, body: object = None) -> Answer:
    """Return the answer to one request to the API at a URL, whatever its status. `token` names a
    secret; without one `gh` speaks. Raises ForgeBusy when there is no answer, and UsageError."""
    if token is None:
        return _by_gh(api, method, path, body)
    return request(f"{api}/{path}", method, body, token_of(token))


def _by_gh(api: str, method: str, path: str, body: object) -> Answer:
    if which("gh") is None:
        raise UsageError("pulls: give token=, or install the program gh and log in")
    words = ["gh", "api", "--include", "--method", method, path]
    words += [] if api == GITHUB else ["--hostname", urlsplit(api).netloc]
    words += [] if body is None else ["--input", "-"]
    done = unlogged(words, input=None if body is None else json.dumps(body))
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
