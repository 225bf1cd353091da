"""The command line: thin faces over `holdfast.app`. Nothing is imported before it is used."""

from __future__ import annotations

import gc
import sys

from holdfast.collector import without_collector
from holdfast.streams import open_closed_streams
from holdfast.version import VERSION


def main() -> int:
    """Run the `holdfast` command with this process's arguments and return its exit status."""
    try:
        return _entered()
    except KeyboardInterrupt:
        return _interrupted()


def _entered() -> int:
    open_closed_streams()
    if sys.argv[1:] == ["--version"]:
        print(f"holdfast {VERSION}")
        return 0
    if (code := _shell(sys.argv[1:])) is not None:
        return code
    with without_collector():
        from holdfast.cli.main import enter

    return enter()


def _interrupted() -> int:
    """Nothing has begun that would have to be said: end as a program that is interrupted."""
    import os
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    return 128 + signal.SIGINT


def _shell(args: list[str]) -> int | None:
    """Do what a shell script asks for, thousands of times, without the weight of the command
    line; return its exit code, or None where the command line is to read the words."""
    if not args or args[0] not in _SHELL:
        return None
    if args[:2] == ["begin", "--take"] and len(args) in (5, 6):
        from holdfast.cli.shell.beginning import take

        return take(*args[2:])
    # What is imported stays; and most of these live too short to be worth a collection.
    gc.disable()
    from holdfast.cli.shell.words import read

    taken = read(args)
    if taken is None:
        gc.enable()
        return None
    from holdfast.cli.shell.calling import perform, perform_and_exit

    if args[0] == "each":
        from holdfast.cli.each import perform_each

        gc.enable()
        perform_and_exit(taken, perform_each)
    if args[0] != "end":
        perform_and_exit(taken, perform)
    return perform(taken)


_SHELL = frozenset(("begin", "step", "each", "stage", "confirm", "ask", "gate", "end"))
