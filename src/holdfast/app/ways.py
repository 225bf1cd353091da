"""A command that goes on from where a run stands."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Next:
    """A command that goes on, as its arguments, and what it does."""

    argv: tuple[str, ...]
    does: str

    def line(self, *options: str) -> str:
        """Return what to type; `options` stand after the program's name."""
        return shlex.join(("holdfast", *options, *self.argv))
