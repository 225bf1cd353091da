"""Which boot of the machine this is.

No process outlives it, and what an unsynced file says is worth nothing after the next.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Return what tells this boot from every other, as `Owner.boot` has it; empty where the
    system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
