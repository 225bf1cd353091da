"""A batch in the order of its input, whose first item has to wait.

Where it is told to, its process dies when the first lines of a life are in the output, before any
checkpoint has them.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from holdfast import JsonLines, Retry, each, workflow

OUT = Path(os.environ["EFFECTS"]).with_name("out.jsonl")


class Dying(JsonLines):
    """An output that kills its process at the first sync after something was written."""

    has_lines = False

    def write(self, value: object) -> int:
        self.has_lines = True
        return super().write(value)

    def sync(self) -> None:
        super().sync()
        if self.has_lines and "DIES" in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)


def numbered(number: int) -> int:
    if number == 0:
        raise ValueError("no such number")
    return number


@workflow
def turns(append: bool = True) -> int:
    out = Dying(OUT, append=append)
    retry = Retry(attempts=2, first="1h", most="1h")
    return each(range(4), numbered, name="numbers", order="input", out=out, retry=retry).done
