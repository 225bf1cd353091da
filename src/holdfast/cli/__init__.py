"""The command line: thin faces over `holdfast.app`. Nothing is imported before it is used."""

from __future__ import annotations


def main() -> int:
    """Run the `holdfast` command with this process's arguments and return its exit status."""
    from holdfast.cli.main import enter

    return enter()
