"""Posts one notice to one URL through apprise; a program of its own, which `channels` runs.

On stdin `{"url": …, "notice": …}`; on stderr, in one line, why it could not be delivered.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any, Final, NoReturn
from urllib.parse import unquote

from holdfast.integrations.channels import HOPELESS

try:
    import apprise
except ImportError:  # an extra
    apprise = None  # type: ignore[assignment,unused-ignore]

NOT_INSTALLED: Final = "apprise is not installed: install holdfast[notify]"
SECRET_CHARS_MIN: Final = 4
_KINDS: Final = {"hold": "warning", "failed": "failure", "succeeded": "success"}


class _Said(logging.Handler):
    """Keeps the last thing that apprise warned of."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


def main() -> None:
    """Post the notice on stdin, and exit: 0 when the service took it."""
    asked: dict[str, Any] = json.load(sys.stdin)
    url, notice = asked["url"], asked["notice"]
    if apprise is None:
        _give_up(NOT_INSTALLED, HOPELESS)
    said = _Said(logging.WARNING)
    log = logging.getLogger("apprise")
    log.handlers, log.propagate = [said], False
    service = apprise.Apprise()
    if not service.add(url):
        _give_up("apprise does not know such a URL", HOPELESS)
    delivered = service.notify(
        body=notice["text"],
        title=notice["title"],
        notify_type=_KINDS.get(notice["event"], "info"),
        body_format="text",
    )
    if not delivered:
        _give_up(_without(url, said.text) or "the service did not take it", 1)


def _without(url: str, text: str) -> str:
    """Return one line of text without any part of the URL that may be a password."""
    written = re.split(r"[/:@?&=]+", url)[1:]
    # A service may show what it was given, and not as the URL has it.
    parts = {*written, *map(unquote, written)}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SECRET_CHARS_MIN:
            text = text.replace(part, "…")
    return " ".join(text.split())


def _give_up(why: str, status: int) -> NoReturn:
    print(why, file=sys.stderr)
    sys.exit(status)
