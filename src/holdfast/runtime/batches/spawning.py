"""Start the program of an item: which file it is, and how it begins."""

from __future__ import annotations

import errno
import os
import signal
from typing import Any, Final

from holdfast.model.making import dataclass
from holdfast.runtime.watchdog import SHELL

_RESET_SIGNALS: Final = (signal.SIGPIPE, signal.SIGXFSZ)


@dataclass(frozen=True, slots=True)
class Program:
    """What is run for an item: the file, its words, and all of its environment."""

    path: str
    argv: list[str]
    env: dict[bytes, bytes]


def spawn(program: Program, null: int, out: int, err: int) -> int:
    """Start a program that leads a session and reads nothing; a text without `#!` is read by a
    shell, as a shell does it. Raises OSError."""
    moves = [(os.POSIX_SPAWN_DUP2, end, to) for to, end in enumerate((null, out, err))]
    try:
        return _spawned(program.path, program.argv, program.env, moves)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    return _spawned(SHELL, [SHELL, program.path, *program.argv[1:]], program.env, moves)


def _spawned(path: str, argv: list[str], env: dict[bytes, bytes], moves: list[Any]) -> int:
    return os.posix_spawn(
        path, argv, env, file_actions=moves, setsid=True, setsigmask=(), setsigdef=_RESET_SIGNALS
    )


def found(name: str) -> str:
    """Return where the search path has a program; an empty text where it has none."""
    if "/" in name:
        return name
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    paths = [os.path.join(folder or ".", name) for folder in folders]
    files = [path for path in paths if os.path.isfile(path)]
    return next((path for path in files if os.access(path, os.X_OK)), files[0] if files else "")
