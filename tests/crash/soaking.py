"""What lets `python3 dev kill` play a test again and again: other dice, and blows that are counted.

In the suite the dice of a test fall the same way every time. The soak sets `SOAK_SEED` to another
text for every round, and `SOAK_BLOWS` to a file that gets a line for each blow.
"""

from __future__ import annotations

import os
import random
import signal


def dice_for(*words: object) -> random.Random:
    """Return the dice of a test, which `words` tell from those of others."""
    return random.Random(" ".join(map(str, (*words, os.environ.get("SOAK_SEED", "")))))


def blows(suite: int, soak: int) -> int:
    """Return how often a test strikes: in the suite, which has to end soon, and in the soak."""
    return soak if os.environ.get("SOAK_SEED") else suite


def struck(blow: int | str) -> None:
    """Count a signal that was sent, or what was done to a disk."""
    path = os.environ.get("SOAK_BLOWS")
    if not path:
        return
    name = blow if isinstance(blow, str) else signal.Signals(blow).name
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, f"{name}\n".encode())
    finally:
        os.close(fd)
