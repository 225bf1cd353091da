"""What a deliverer is sent out with: whose notices, where to, and how long it may try."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from holdfast.model.hashing import blake2b

ERRAND_BYTES_MAX: Final = 64 * 1024
"""Fits into a fresh socket, so that nobody waits for its reader."""
ADDRESS_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """How often, and for how long. Whatever happens, a deliverer ends `total_s` after it took
    the last notice."""

    pauses_s: tuple[float, ...] = (1.0, 5.0, 25.0, 125.0)
    """Between two attempts; so there is one attempt more."""
    attempt_s: float = 30.0
    total_s: float = 600.0
    at_once: int = 4
    """Programs that run beside one another for one receiver."""
    idle_s: float = 30.0
    """How long a deliverer with nothing to do waits for the next notice."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Everything a deliverer needs to know. It travels through a socket and is never on disk:
    the URLs of services hold their passwords."""

    folder: Path
    urls: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    cwd: str = "/"
    limits: Limits = field(default=Limits())

    @property
    def address(self) -> str:
        """Return a name for where the notices go, which tells nothing of it."""
        text = json.dumps([self.urls, self.command])
        return blake2b(text.encode(), digest_size=ADDRESS_BYTES).hexdigest()

    def dump(self) -> bytes:
        """Return one line. Raises ValueError when it is too long."""
        line = json.dumps({**asdict(self), "folder": str(self.folder)}).encode() + b"\n"
        if len(line) > ERRAND_BYTES_MAX:
            raise ValueError(f"URLs and command are over {ERRAND_BYTES_MAX // 1024} KiB long")
        return line


def program_of(module: str) -> tuple[str, ...]:
    """Return the words that run `main` of a module of ours in another Python.

    It finds what this one finds, wherever it is started, and nothing of a script's folder goes
    before the standard library. Raises ValueError when this Python does not know its program.
    """
    if not sys.executable:
        raise ValueError("this Python does not know its own program")
    code = f"import sys; sys.path += sys.argv[1:]; from {module} import main; main()"
    return sys.executable, "-P", "-c", code, *(os.path.abspath(path) for path in sys.path)


def load_errand(line: bytes) -> Errand:
    """Return what `dump` wrote."""
    seen: dict[str, Any] = json.loads(line)
    limits = seen["limits"]
    return Errand(
        Path(seen["folder"]),
        tuple(seen["urls"]),
        tuple(seen["command"]),
        seen["cwd"],
        Limits(**{**limits, "pauses_s": tuple(limits["pauses_s"])}),
    )
