"""Python's garbage collector, kept from looking for garbage where there is none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Let no collection begin in a block that makes many objects which stay: modules, or the
    state of a long journal. Walking them again and again costs up to a third more.

    It is as it was afterwards, whichever of several threads leaves its block first.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
