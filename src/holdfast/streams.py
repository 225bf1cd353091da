"""Standard input, output and error, also where whoever started this process has closed them."""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """Let what was closed be /dev/null, in this process and in what it starts.

    Python begins without a stream for a closed number. The next file that is opened then gets that
    number, and what a library or the child of a step writes to its standard error would go into a
    file of the store.
    """
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    if not closed:
        return
    # The lowest free number is always given out first: these fill the gaps.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name in closed:
        stream = open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8")
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
