"""The POSIX shell code that `begin` prints: for bash, dash and zsh alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from shlex import quote

from holdfast.errors import UsageError

AGAIN = "HOLDFAST_AGAIN"
"""The variable that says how a script is run again which `holdfast run` has begun."""
OTHERS = frozenset(("fish", "csh", "tcsh"))
"""Shells that do not read this code."""


def other(shell: str) -> str:
    """Return the name of a shell, called by any path, that is none of POSIX; else nothing."""
    name = os.path.basename(shell).removeprefix("-")
    return name if name in OTHERS else ""


def refuse_others(shell: str, what: str) -> None:
    """Raise UsageError for a shell that is none of POSIX."""
    if name := other(shell):
        raise UsageError(
            f"{what} is in {name}, which does not read POSIX shell code: write it for sh, bash, "
            "dash or zsh"
        )


def called() -> str:
    """Return how this program is called from anywhere, quoted."""
    path = sys.argv[0]
    if os.path.basename(path) != "__main__.py" and os.access(path, os.X_OK):
        return quote(os.path.abspath(path))
    return f"{quote(sys.executable)} -m holdfast"


def refusal(exit_code: int | str) -> str:
    """Return the code that ends the script: a failing command substitution would not. A shell that
    a person types in stays open."""
    return f"case $- in *i*) (exit {exit_code}) ;; *) exit {exit_code} ;; esac"


def exports(variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that set and export variables."""
    yield "# shellcheck disable=SC2016  # What is quoted is meant as it stands."
    for name, value in variables.items():
        yield f"export {name}={quote(value)}"


def taking(file: str, steal: str | None = None) -> Iterator[str]:
    """Yield the lines in which the shell takes the run up, and sets the trap that ends it.

    The traps that are set are written to `file`, which can only be done by the shell itself; it
    comes back with the trap that keeps them. `steal` is why the target is taken from another run.
    """
    own, reason = quote(file), "" if steal is None else f" {quote(steal)}"
    yield f"trap >|{own}"
    # In a function of zsh `$0` is the function's name.
    script = '"${ZSH_ARGZERO:-$0}"'
    yield f'if {called()} begin --take {own} {script} "$$"{reason}; then'
    # In zsh a trap on EXIT that is set in a function is the function's, but for this.
    read = f". {own}"
    yield f'if [ -n "${{ZSH_VERSION-}}" ]; then emulate sh -c {quote(read)}; else {read}; fi'
    yield f"rm -f {own}"
    yield "else"
    yield f"holdfast_status=$?; rm -f {own}"
    yield refusal('"$holdfast_status"')
    yield "fi"
