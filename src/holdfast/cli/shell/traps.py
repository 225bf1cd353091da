"""The traps of a shell that owns a run: the one that ends it, and what was trapped before."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from shlex import quote, split

from holdfast.cli.shell.code import called

MARK = "holdfast_status=$?"
"""How the trap that ends a run begins, so that it is told from the user's own."""
_SETS = re.compile(r"^[^#'\"(]*\btrap\s.*\s(EXIT|0)(\s+\w+)*\s*([;&|}#].*)?$")
_READS = re.compile(r"(?m)^([^#'\"\n]*[\s;&|({])?(\.|source)[ \t]+(\S+)")
"""A line that has the shell read another file as a part of the script, and its name."""
_BEGINS, _ENDS = "holdfast begin", "holdfast end"


def replaced_at(script: str, *, is_around: bool, read: Callable[[str], str | None]) -> int | None:
    """Return the line of a script that, as far as its text tells, sets a trap on EXIT in the place
    of ours and never calls what ends the run; None without one. `read` returns the text of another
    file that the shell reads as a part of the script: where there is none to be had, it may be in
    there that the run is ended. `is_around` says that the run was begun around the script, and not
    by it."""
    lines = script.splitlines()
    begun = (number for number, line in enumerate(lines, 1) if _BEGINS in line)
    first = 0 if is_around else next(begun, len(lines))
    parts = [script, *(read(word) for _, _, word in _READS.findall(script))]
    if any(part is None or _ENDS in part for part in parts):
        return None
    later = enumerate(lines[first:], first + 1)
    return next((number for number, line in later if _SETS.match(line)), None)


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
unset holdfast_status
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
