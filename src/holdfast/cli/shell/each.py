"""`holdfast each`: a command for every item, in a script's run or as a run of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
from typing import Any, Final

from holdfast.cli.live import Progress, progress_on
from holdfast.cli.saying import say
from holdfast.cli.shell.joining import ACCEPT, LIFE, RUN, joined
from holdfast.cli.shell.words import Taken
from holdfast.errors import UsageError
from holdfast.flow.shell_calls import STEP, WHY_NOT, ShellCall
from holdfast.flow.shell_each import EachAsked, Printer, each_in_script, each_replayed
from holdfast.flow.shell_template import Template
from holdfast.model.budget import Budget
from holdfast.model.durations import seconds
from holdfast.model.facts import Commands
from holdfast.model.making import replace
from holdfast.model.rate import Rate
from holdfast.model.retry import Retry
from holdfast.outputs import JsonLines
from holdfast.ports.outputs import OutputFile
from holdfast.runtime.batches.rules import BatchRules
from holdfast.runtime.listening import Quiet
from holdfast.runtime.passing import cannot_run
from holdfast.sources.words import raw_of, words

AT_ONCE_MAX: Final = 10_000
FILES_EACH, FILES_OURS = 3, 40
"""Open files that a command takes here, and those that we have beside them."""
PROGRESS_EVERY_S: Final = 10.0


def is_joined() -> bool:
    """Whether a script has begun the run that a call belongs to."""
    return any(os.environ.get(name) for name in (RUN, LIFE, STEP))


def refusal(asked: EachAsked) -> int:
    """Return 126 or 127 when no item can be done, for there is no such program, which is said."""
    program = Template(asked.commands.argv, asked.is_shell).program
    code = cannot_run(program) if program else 0
    if code:
        say(f"{program}: {WHY_NOT[code]}; no item was begun")
    return code


def in_script(taken: Taken, asked: EachAsked) -> int:
    """Do the items in the run that the script has begun, and return the exit code. Raises what
    the call raises, when nothing of the run is left by that."""
    for option in ("id", "target"):
        if taken.has(option):
            raise UsageError(f"--{option} is for a run of its own; in a script give it to `begin`")
    shown = Shown()
    told = replace(asked, aside=shown.aside)

    def do(call: ShellCall) -> int:
        shown.attend(call)
        try:
            return each_in_script(call, told)
        finally:
            shown.close()

    accepts = taken.has("accept_drift") or bool(os.environ.get(ACCEPT))
    return joined(do, lambda call: each_replayed(call, asked), accepts_drift=accepts)


# --- what was asked for -----------------------------------------------------------------------


def asked_of(taken: Taken) -> EachAsked:
    """Return what the words say. Raises UsageError."""
    name, source, null = taken.words[0], taken.get("items"), taken.has("null")
    if source is None and _is_terminal():
        raise UsageError("no items: give --items FILE, or pipe them in (--items - for a terminal)")
    if not taken.argv:
        raise UsageError("each: give the command after --")
    out, held = _output(taken)
    try:
        folder = os.getcwd()
    except OSError:
        folder = ""
    return EachAsked(
        name,
        Commands(taken.argv, folder),
        taken.has("shell"),
        _rules(taken),
        words(source or "-", null=null),
        raw_of,
        out,
        held,
    )


def _is_terminal() -> bool:
    try:
        return os.isatty(0)
    except OSError:
        return False


def _rules(taken: Taken) -> BatchRules:
    given = {name: taken.get(name) for name in ("for", "timeout", "rate")}
    at_once = _whole("-j", taken.get("j"), AT_ONCE_MAX) or 1
    _refuse_too_many(at_once)
    return BatchRules(
        at_once=at_once,
        retry=Retry(attempts=_whole("--retry", taken.get("retry"), AT_ONCE_MAX) or 1),
        timeout_s=None if given["timeout"] is None else seconds(given["timeout"]),
        order="input" if taken.has("keep_order") else "any",
        budget=Budget.of(taken.get("budget")),
        rate=None if given["rate"] is None else Rate.of(given["rate"]),
        time_budget_s=None if given["for"] is None else seconds(given["for"]),
    )


def _refuse_too_many(at_once: int) -> None:
    """Raise UsageError when so many commands take more open files than this process may have."""
    needed, limit = FILES_EACH * at_once + FILES_OURS, getrlimit(RLIMIT_NOFILE)[0]
    if limit not in (-1, RLIM_INFINITY) and needed > limit:
        raise UsageError(
            f"-j {at_once} takes {needed:,} open files, and `ulimit -n` is {limit:,}: raise that, "
            f"or give -j {max(1, (limit - FILES_OURS) // FILES_EACH)} at most"
        )


def _whole(name: str, text: str | None, most: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise UsageError(f"{name} {text!r}: give a whole number, 1 to {most:,}")
    return int(text)


def _output(taken: Taken) -> tuple[Callable[[Printer], OutputFile] | None, tuple[str, ...]]:
    """Return what makes the file for what the items write, and what is not passed on beside it."""
    path = taken.get("out")
    if path is not None:
        return lambda printer: JsonLines(path), ("out",)
    if taken.has("keep_order"):
        return InOrder, ("out", "err")
    return None, ()


class InOrder:
    """Our own outputs as the place where what items wrote goes, each in its turn."""

    path = "standard output"
    cut_bytes = 0

    def __init__(self, printer: Printer) -> None:
        self._printer, self._length = printer, 0

    def open(self, length_bytes: int | None, *, is_closed: bool = False) -> int:
        self._length = length_bytes or 0
        return self._length

    def write(self, value: Any) -> int:
        out, err = _bytes(value["out"]), _bytes(value.get("err", ""))
        self._printer.pass_on((out,), (err,))
        self._length += len(out) + len(err)
        return self._length

    def sync(self) -> None:
        """What was written is whoever reads it's."""

    def close(self) -> None:
        """It was open before us."""


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


# --- what is seen of it -----------------------------------------------------------------------


class Shown(Quiet):
    """What a person at a script sees of a batch: drawn on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._progress: Progress = progress_on(sys.stderr)
        self._is_drawn = hasattr(self._progress, "aside")
        self._told_at = time.monotonic()

    def attend(self, call: ShellCall) -> None:
        """Show what comes of a call."""
        call.life.listeners.append(self)
        if self._is_drawn:
            call.life.journal.observers.append(self._progress.fact)

    def aside(self, write: Callable[[], None]) -> None:
        """Write to the terminal beside what is drawn on it."""
        beside(self._progress, write)

    def close(self) -> None:
        self._progress.close()

    def progress(self, key: str, done: float, total: float | None, note: str) -> None:
        if self._is_drawn:
            self._progress.progress(key, done, total, note)
            return
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_EVERY_S:
            self._told_at = now
            of = "" if total is None else f" of {total:,.0f}"
            say(f"{key}: {done:,.0f}{of} done{f', {note}' if note else ''}")


def beside(progress: Progress, write: Callable[[], None]) -> None:
    """Write to our outputs, beside what is drawn on the terminal."""
    drawn: Callable[[Callable[[], None]], None] | None = getattr(progress, "aside", None)
    (drawn or _plainly)(write)


def _plainly(write: Callable[[], None]) -> None:
    write()
