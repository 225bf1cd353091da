"""Start-up: what `import holdfast` and the command cost before they do anything."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from figure import Row, in_turn

ROUNDS = 15
IMPORT_MS_MAX = 40.0
VERSION_MS_MAX = 100.0


def start_up() -> Iterator[Row]:
    """Whole processes, in turn with a bare python; bytecode is compiled by the first round."""
    _timed([sys.executable, "-m", "holdfast", "--version"])
    _timed(_USE)
    ours, bare, _ = in_turn(lambda: _timed(_USE), lambda: _timed(_BARE), ROUNDS)
    extra = (ours - bare) * 1e3
    yield Row(
        "import holdfast and its step, over bare python",
        f"≤ {IMPORT_MS_MAX:.0f} ms",
        f"{extra:.0f} ms",
        f"bare python: {bare * 1e3:.0f} ms",
        extra <= IMPORT_MS_MAX,
    )
    version, bare, _ = in_turn(
        lambda: _timed([sys.executable, "-m", "holdfast", "--version"]),
        lambda: _timed(_BARE),
        ROUNDS,
    )
    yield Row(
        "holdfast --version",
        f"≤ {VERSION_MS_MAX:.0f} ms",
        f"{version * 1e3:.0f} ms",
        f"bare python: {bare * 1e3:.0f} ms",
        version * 1e3 <= VERSION_MS_MAX,
    )


_BARE = [sys.executable, "-c", "pass"]
_USE = [sys.executable, "-c", "import holdfast"]


def _timed(command: Sequence[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )  # fmt: skip
    return time.perf_counter() - begin
