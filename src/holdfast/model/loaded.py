"""Classes of modules that few scripts need, and that take long to load."""

from __future__ import annotations

import sys


def loaded(module: str, name: str) -> type | None:
    """Return a class, if there can be any value of it: if its module is loaded."""
    return getattr(sys.modules.get(module), name, None)
