"""Threads, also where the system has none left, and where some outlive the life of their run."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from threading import Event, Thread
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


_ITEMS_LEFT: Final = Event()


def leave_items() -> None:
    """Note that items of a life that is over go on in this process, until it ends."""
    _ITEMS_LEFT.set()


def end_if_items_left(code: int) -> None:
    """End this process at once with that code where items of a life that is over go on in it: the
    interpreter would wait for the threads of an executor, however long they take."""
    if not _ITEMS_LEFT.is_set():
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
