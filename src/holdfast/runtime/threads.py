"""Threads, also where the system has none left: a limit of processes counts them."""

from __future__ import annotations

from threading import Thread
from typing import Final

from holdfast.errors import ConfigError

NONE_LEFT: Final = "raise the limit on processes (ulimit -u, or the pids limit of the container)"


def start_thread(thread: Thread, state: str, again: str) -> None:
    """Start a thread that nothing goes on without. Raises ConfigError, which says in what `state`
    things are and how it is done `again`, where the system refuses it."""
    try:
        thread.start()
    except RuntimeError as refused:
        raise ConfigError(f"{refused}: {state}; {NONE_LEFT}, then {again}") from None
