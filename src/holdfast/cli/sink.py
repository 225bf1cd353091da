"""Where progress and prompts are written: a stream, past its buffer."""

from __future__ import annotations

import os
import select
from typing import TextIO

WRITE_WAIT_S = 1.0


class Sink:
    """Writes straight to the stream's descriptor: a signal handler may write in between."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding or "utf-8"
        self.is_dead = False
        try:
            self._fd: int | None = stream.fileno()
        except (OSError, ValueError, AttributeError):
            self._fd = None

    def write(self, text: str) -> None:
        """Write `text` now, or nothing any more once nobody reads."""
        if self.is_dead:
            return
        try:
            if self._fd is None:
                self._stream.write(text)
                self._stream.flush()
            else:
                _write_all(self._fd, text.encode(self._encoding, "backslashreplace"))
        except (OSError, ValueError):
            self.is_dead = True


def _write_all(fd: int, left: bytes) -> None:
    while left:
        try:
            left = left[os.write(fd, left) :]
        except BlockingIOError:
            if not select.select([], [fd], [], WRITE_WAIT_S)[1]:
                raise
