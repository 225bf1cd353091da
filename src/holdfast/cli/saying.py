"""One line on stderr, from the commands of a shell script as from all others."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from holdfast.model.shown import safe

if TYPE_CHECKING:
    from holdfast.cli.options import Common

GIVEN: Final = "HOLDFAST_GIVEN"
"""The variable with the options of `begin` by which a command that is typed after the script has
ended finds the same store: what the script's shell exports is not there any more."""


def say(text: str) -> None:
    """Print one line on stderr, if anybody is left to read it."""
    if os.environ.get(GIVEN):
        from holdfast.cli.offered import to_type

        text = to_type(text, given())
    with suppress(OSError, ValueError):
        print(f"holdfast: {safe(' '.join(text.split()))}", file=sys.stderr, flush=True)


def given() -> Common:
    """Return what the script's `begin` was given to find its store and inventory."""
    from shlex import split

    from holdfast.cli.options import Common

    words = split(os.environ.get(GIVEN, ""))
    options = dict(zip(words[::2], words[1::2], strict=False))
    return Common(options.get("--store"), config=options.get("--config"))
