"""`holdfast run` and `plan` of a shell script: begun around it, in its own shell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from json import dumps
from pathlib import Path
from shlex import join, quote, split
from typing import Final, NoReturn

from holdfast.app.finding import find_run
from holdfast.app.planning import Plan, Planned
from holdfast.cli.options import Common
from holdfast.cli.reading import reading
from holdfast.cli.shell.code import AGAIN, called, refuse_others
from holdfast.cli.shell.joining import INPUT, NOBODY, UNTIL, WAITS
from holdfast.errors import UsageError
from holdfast.model.making import dataclass
from holdfast.model.state import RunState
from holdfast.ports.store import StoreAbsent
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.journal import Journal

SHELLS: Final = frozenset(("sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "busybox"))
SUFFIXES: Final = frozenset(f".{name}" for name in SHELLS)
LINE_BYTES_MAX: Final = 1024
UNKNOWN: Final = (
    "a shell script does not tell ahead what it will run: only what it has reached is known"
)


@dataclass(frozen=True, slots=True)
class Given:
    """What the run of a script was given, as `begin` takes it."""

    id: str | None
    target: str | None
    mode: str | None
    ask: str | None
    pairs: Sequence[str]
    steal: str | None = None

    def words(self) -> list[str]:
        """Return the options of `begin`."""
        stolen = () if self.steal is None else ("--steal", "-m", self.steal)
        return [*self.again(), *stolen]

    def again(self) -> list[str]:
        """Return those with which the same is run again: a target is taken once."""
        options = {"--id": self.id, "--target": self.target, "--mode": self.mode, "--ask": self.ask}
        named = [word for name, value in options.items() if value for word in (name, value)]
        return [*named, *(word for pair in self.pairs for word in ("-p", pair))]


def with_params(pairs: Sequence[str], params: Mapping[str, object]) -> list[str]:
    """Return what `-p` says, and of a file's parameters those that it does not: texts as they
    are, all other values as JSON."""
    given = {pair.partition("=")[0] for pair in pairs}
    texts = {
        name: value if isinstance(value, str) else dumps(value) for name, value in params.items()
    }
    return [*pairs, *(f"{name}={text}" for name, text in texts.items() if name not in given)]


def attending(*, no_input: bool, wait: bool, budget_s: float | None) -> dict[str, str]:
    """Return the variables that tell the calls of a script who answers, and by when they leave."""
    variables = {}
    if no_input or wait:
        variables[INPUT] = WAITS if wait else NOBODY
    if budget_s is not None:
        variables[UNTIL] = repr(SystemClock().monotonic() + budget_s)
    return variables


def shell_of(file: str) -> list[str] | None:
    """Return the shell that a file is written for, with its options; None when it is for none.
    Raises UsageError for a shell that is none of POSIX."""
    path = Path(file)
    if not path.is_file():
        return None
    with path.open("rb") as opened:
        first = opened.readline(LINE_BYTES_MAX).decode(errors="replace")
    words = _words(first[2:]) if first.startswith("#!") else []
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if word != "-S"]
    if words:
        refuse_others(words[0], file)
    if words and os.path.basename(words[0]) in SHELLS:
        return words
    return ["sh"] if not words and path.suffix in SUFFIXES else None


def _words(line: str) -> list[str]:
    """Return the words of a script's first line, without what is said about it. A quote that has
    no end is a letter, as every quote there is to the system."""
    try:
        return split(line, comments=True)
    except ValueError:
        return line.split()


def run_script(
    common: Common,
    shell: list[str],
    file: str,
    given: Given,
    rest: Sequence[str],
    attending: Mapping[str, str],
) -> NoReturn:
    """Become the script's shell, which begins the run and then reads the script; its calls find
    the variables of `attending`. Raises UsageError when there is no such shell."""
    name = Path(file).stem
    options = [*common.repeated, *(("--as", common.claimed) if common.claimed else ())]
    begin = f"{called()} {join(['begin', *options, name, *given.words()])}"
    place = file if "/" in file else f"./{file}"
    line = join(["holdfast", "run", *given.again(), file, *rest])
    environment = {**os.environ, AGAIN: line, **attending}
    code = f'eval "$({begin})"\nunset {AGAIN}\n. "$0"'
    try:
        os.execvpe(shell[0], [*shell, "-c", code, place, *rest], environment)
    except OSError as error:
        raise UsageError(f"{file}: {quote(shell[0])}: {error.strerror}") from error


def plan_of(common: Common, file: str, run: str | None) -> Plan:
    """Return what is known of a script's run that is not done yet: of `run`, else of the newest
    one of the script's name, else nothing. Raises UsageError for an unknown run."""
    name, state = Path(file).stem, RunState()
    try:
        with reading(common, run) as store:
            rows = [find_run(store, run)] if run else [*store.rows(workflow=name, limit=1)]
            if rows:
                state, name = Journal(store, rows[0].id).refresh(), rows[0].workflow
    except StoreAbsent:
        pass  # Nothing of the script has begun yet.
    return _plan(name, file, state)


def _plan(name: str, file: str, state: RunState) -> Plan:
    found = Plan(name, file, dict(state.params), 0, state.terms)
    for step in state.steps.values():
        if step.is_finished:
            found.recorded += 1
            continue
        marks = [mark for mark, is_so in (("once", step.once), ("undo", step.undoes)) if is_so]
        rule = step.decided_by or state.terms.rule
        found.steps.append(
            Planned(step.key, "run", rule, step.shown, step.location, tuple(marks), step.status)
        )
    found.owes = [debt.owed.label for debt in state.ledger.open_debts]
    found.depends_on = UNKNOWN
    return found
