"""One attempt to deliver a notice: a program that reads it, for a limited time.

A URL is a program too, `post`: whatever a service or a library does, it ends in time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final

from holdfast.integrations.errand import Errand, program_of

POLL_S: Final = 0.02
DRAIN_S: Final = 1.0
TAIL_BYTES: Final = 2_000
HOPELESS: Final = 69
"""With this status a program says that another attempt is of no use."""


class Undeliverable(Exception):
    """An attempt failed; the text says why. Without `hope` another one would fail, too."""

    def __init__(self, why: str, *, hope: bool = True) -> None:
        super().__init__(why)
        self.hope = hope


@dataclass(frozen=True, slots=True)
class Channel:
    """One place where notices go. `name` tells no secret."""

    name: str
    send: Callable[[bytes, float], None]
    """Deliver a notice within so many seconds. Raises Undeliverable."""


def channels_of(errand: Errand) -> tuple[Channel, ...]:
    """Return where each notice of an errand goes."""
    found = []
    if errand.command:
        found.append(Channel(f"command {errand.command[0]}", _command(errand)))
    for number, url in enumerate(errand.urls, 1):
        # What follows the scheme may be a password.
        scheme = url.partition(":")[0]
        found.append(Channel(f"URL {number} ({scheme}:)", _url(url)))
    return tuple(found)


def _command(errand: Errand) -> Callable[[bytes, float], None]:
    cwd = errand.cwd if os.path.isdir(errand.cwd) else "/"
    return lambda notice, limit_s: run(errand.command, notice, cwd, limit_s)


def _url(url: str) -> Callable[[bytes, float], None]:
    argv = program_of("holdfast.integrations.post")

    def send(notice: bytes, limit_s: float) -> None:
        run(argv, json.dumps({"url": url, "notice": json.loads(notice)}).encode(), "/", limit_s)

    return send


def run(argv: tuple[str, ...], text: bytes, cwd: str, limit_s: float) -> None:
    """Run a program that reads `text`; then kill whatever is left in its group.

    Raises Undeliverable when it cannot be started, fails, or does not end in time.
    """
    try:
        program = subprocess.Popen(
            argv, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise Undeliverable(f"it cannot be started: {error}") from error
    assert program.stdin is not None and program.stderr is not None
    tail = bytearray()
    feeding = _beside(_feed, program.stdin, text)
    draining = _beside(_drain, program.stderr, tail)
    in_time = _has_ended(program.pid, limit_s)
    _kill(program.pid)
    code = program.wait()
    for thread in (feeding, draining):
        thread.join(DRAIN_S)
    said = bytes(tail).decode(errors="replace").strip().rpartition("\n")[2]
    if not in_time:
        raise Undeliverable(f"it did not end within {limit_s:.0f} s")
    if code != 0:
        how = f"exit {code}" if code > 0 else f"signal {-code}"
        raise Undeliverable(f"{how}: {said}" if said else how, hope=code != HOPELESS)


def _has_ended(pid: int, limit_s: float) -> bool:
    """Return whether the program ended in time. It stays a zombie: its group's number is its."""
    deadline = time.monotonic() + limit_s
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _beside(work: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=args, daemon=True)
    thread.start()
    return thread


def _feed(stdin: IO[bytes], text: bytes) -> None:
    try:
        with stdin:
            stdin.write(text)
    except OSError:
        pass  # It did not want to read all of it; its status tells the rest.


def _drain(stderr: IO[bytes], tail: bytearray) -> None:
    """Keep the end of what the program writes, so that it never waits for a reader."""
    try:
        with stderr:
            while chunk := os.read(stderr.fileno(), 65_536):
                tail += chunk
                del tail[:-TAIL_BYTES]
    except OSError:
        pass
