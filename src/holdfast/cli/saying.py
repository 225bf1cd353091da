"""One line on stderr, from the commands of a shell script."""

from __future__ import annotations

import sys
from contextlib import suppress

from holdfast.model.shown import safe


def say(text: str) -> None:
    """Print one line on stderr, if anybody is left to read it."""
    with suppress(OSError, ValueError):
        print(f"holdfast: {safe(' '.join(text.split()))}", file=sys.stderr, flush=True)
