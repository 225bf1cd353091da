"""The commands that a person is offered: typed as they stand, they find the same store."""

from __future__ import annotations

import os
import shlex
import sys

from holdfast.app.next_ways import Next
from holdfast.cli.options import Common
from holdfast.cli.text import safe
from holdfast.model.typed import typed


def line_of(way: Next, common: Common) -> str:
    """Return what a person may type to go on, about the same store."""
    return _as_called(safe(way.line(*common.repeated)))


def to_type(text: str, common: Common) -> str:
    """Return a message in which what it says to type finds the same store."""
    # A note may come from a signal's handler: most name no command, and nothing is imported then.
    if not common.repeated or "holdfast " not in text:
        return text
    import re

    from holdfast.cli.commands import COMMANDS

    verbs = "|".join(verb for section in COMMANDS.values() for verb in section)
    given = typed(("holdfast", *common.repeated))
    return re.sub(rf"\bholdfast (?=(?:{verbs})\b)", lambda _: f"{given} ", text)


def next_command(common: Common, *words: str) -> str:
    """Return a command that a person may type next, about the same store."""
    return _as_called(typed(("holdfast", *common.repeated, *words)))


def _as_called(line: str) -> str:
    """Return the line for whoever has no `holdfast` on the path but called the module: with the
    Python that was typed, which is found in the same way again."""
    if os.path.basename(sys.argv[0]) != "__main__.py" or not line.startswith("holdfast"):
        return line
    from shutil import which  # Here alone: whoever calls the program needs none.

    if which("holdfast") == os.path.join(os.path.dirname(sys.executable), "holdfast"):
        return line
    return f"{shlex.quote(sys.orig_argv[0])} -m {line}"
