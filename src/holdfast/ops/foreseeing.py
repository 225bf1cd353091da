"""What a check must not say in a plan: what it sees is of today, and not of its turn."""

from __future__ import annotations

from holdfast.runtime.context import FRAME

VERSION = "1"
"""Part of the code hash of steps that use this: it changes when what it does does."""


def is_foreseen() -> bool:
    """Whether only a plan asks: what a step before this one will change stands as it is then, and
    a check of it would say of today what is meant for later."""
    found = FRAME.get()
    return found is not None and found.life.doubts is not None
