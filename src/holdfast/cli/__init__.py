"""The command line: thin faces over `holdfast.app`. Nothing is imported before it is used."""

from __future__ import annotations

import sys

from holdfast.version import VERSION


def main() -> int:
    """Run the `holdfast` command with this process's arguments and return its exit status."""
    if sys.argv[1:] == ["--version"]:
        print(f"holdfast {VERSION}")
        return 0
    from holdfast.cli.main import enter

    return enter()
