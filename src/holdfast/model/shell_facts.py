"""The facts of a shell script: what its steps run, and how far the present life has come.

A script in Python is walked by one process, which knows what it has reached. A shell script is
walked by many short ones, so what each reaches is written down.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from holdfast.model.making import dataclass, made_often
from holdfast.model.parties import Owner

Place: TypeAlias = Literal["step", "stage", "end"]
"""What was reached: a step, the beginning of a stage, the end of the innermost one."""


@made_often
@dataclass(frozen=True, slots=True)
class Commands:
    """What a step of a shell script runs, word by word, and where.

    `check`, `undo` and `owes` are command lines for `sh -c`, run in the same folder: whoever goes
    back needs them when there is no script to walk.
    """

    argv: tuple[str, ...]
    cwd: str = ""
    check: str = ""
    undo: str = ""
    owes: str = ""


@made_often
@dataclass(frozen=True, slots=True)
class PlaceReached:
    """The shell script has come to a place, in this life. `by` is the process that says so, and
    that runs the step; it is not the run's owner, which is the shell."""

    at: datetime
    key: str
    place: Place = "step"
    by: Owner | None = None
