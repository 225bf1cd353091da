"""The POSIX shell code that `begin` prints: for bash, dash and zsh alike."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from shlex import quote, split

from holdfast.errors import UsageError

AGAIN = "HOLDFAST_AGAIN"
"""The variable that says how a script is run again which `holdfast run` has begun."""
MARK = "holdfast_status=$?"
"""How the trap that ends a run begins, so that it is told from the user's own."""


OTHERS = frozenset(("fish", "csh", "tcsh"))
"""Shells that do not read this code."""


def refuse_others(shell: str, what: str) -> None:
    """Raise UsageError for a shell, called by any path, that is none of POSIX."""
    name = os.path.basename(shell).removeprefix("-")
    if name in OTHERS:
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


def refusal(exit_code: int) -> str:
    """Return the code that ends the script: a failing command substitution would not."""
    return f"exit {exit_code}"


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
    yield f'{called()} begin --take {own} "$0" "$$"{reason} || exit "$?"'
    # In zsh a trap on EXIT that is set in a function is the function's, but for this.
    read = f". {own}"
    yield f'if [ -n "${{ZSH_VERSION-}}" ]; then emulate sh -c {quote(read)}; else {read}; fi'
    yield f"rm -f {own}"


def traps(listing: str) -> Iterator[str]:
    """Yield the lines that set the traps: what ends the run, with what was trapped before in it.

    A shell that a signal ends runs the EXIT trap with the status of the last command, which is 0
    as a rule (bash), or not at all: so what ends a shell is trapped, too, where nobody has. A
    shell that a person types in is left to its person.
    """
    before = trapped(listing)
    known = {name.removeprefix("SIG") for name in before}
    yield _at_end(before.get("EXIT", before.get("0", "")))
    yield from (_on(name) for name in _ALWAYS if name not in known)
    yield "case $- in *i*) ;; *)"
    yield from (_on(name) for name in _IN_SCRIPTS if name not in known)
    yield "esac"
    yield f'[ -z "${{ZSH_VERSION-}}" ] || eval {quote(_ZSH_EXIT.format(called()))}'


_ZSH_EXIT = """\
holdfast_subshell=$ZSH_SUBSHELL
holdfast_at_exit() {{
local code=$?
[[ -n ${{holdfast_status-}} || $ZSH_SUBSHELL != $holdfast_subshell ]] && return
holdfast_status=$code
{} end "$code" || exit "$?"
}}
zshexit_functions+=(holdfast_at_exit)"""
"""Ends the run where our trap was lost: when a function in which `begin` was called returns, zsh
sets the trap on EXIT again that stood before it, and does not show it before."""


def _on(name: str) -> str:
    """Return the line in which a signal ends the shell; not every shell knows each by this name."""
    code = SIGNALLED + signal.Signals[f"SIG{name}"].value
    return f"{{ trap 'exit {code}' {name}; }} 2>/dev/null || :"


SIGNALLED = 128
_ALWAYS = ("HUP", "TERM")
_IN_SCRIPTS = (
    "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "SYS", "PIPE", "ALRM", "XCPU",
    "XFSZ", "VTALRM", "USR1", "USR2",
)  # fmt: skip
"""Every signal after which bash runs the EXIT trap."""


def _at_end(before: str) -> str:
    if before.startswith(MARK):
        return f"trap -- {quote(before)} EXIT"
    lines = [MARK]
    if before:
        # In both places: what was trapped finds the script's status in `$?`, as it did before.
        kept = f"eval {quote(before)}"
        lines.append(f'if (exit "$holdfast_status"); then {kept}; else {kept}; fi')
    lines.append(f'{called()} end "$holdfast_status" || exit "$?"')
    return f"trap -- {quote(chr(10).join(lines))} EXIT"


_QUOTED = re.compile(r"""(?s)'[^']*'|"(?:[^"\\]|\\.)*"|\\.|\$'((?:[^'\\]|\\.)*)'""")
"""What is quoted in a listing. zsh, ksh and mksh write what holds a quote or a newline in the last
way, with escapes, also in the middle of a word."""
_ESCAPE = re.compile(r"(?s)\\([0-7]{1,3}|.)")
_MEANT = {
    "n": "\n", "t": "\t", "r": "\r", "e": "\x1b", "E": "\x1b", "a": "\a", "b": "\b", "f": "\f",
    "v": "\v",
}  # fmt: skip
_FUNCTION = re.compile(r"(?ms)^TRAP([A-Z0-9]+) \(\) \{\n(.*?)^\}$")
"""How zsh lists a trap that is a function, TRAPEXIT say."""


def trapped(listing: str) -> dict[str, str]:
    """Return what `trap` lists, by the name of the signal; an empty text is one that is ignored."""
    # Called as zsh calls it, with a number; `return` and `local` mean what they did.
    found = {name: f"() {{\n{body}}} 0" for name, body in _FUNCTION.findall(listing)}
    try:
        words = split(_QUOTED.sub(_plainly, _FUNCTION.sub("", listing)))
    except ValueError:
        return found
    for at in range(len(words) - 3):
        if words[at : at + 2] == ["trap", "--"]:
            found[words[at + 3]] = words[at + 2]
    return found


def _plainly(quoted: re.Match[str]) -> str:
    """Return what is quoted as every shell reads it."""
    text = quoted[1]
    return quoted[0] if text is None else quote(_ESCAPE.sub(_meant, text))


def _meant(escape: re.Match[str]) -> str:
    name = escape[1]
    if name.isdecimal():
        return os.fsdecode(bytes((int(name, 8) & 0xFF,)))
    return _MEANT.get(name, name)
