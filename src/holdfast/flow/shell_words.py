"""The words of a shell script's commands, and how their output is recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from shlex import quote
from shlex import split as split_words
from typing import Final

from holdfast.engine.spec import Check
from holdfast.model.codec import decode, digest
from holdfast.model.facts import Commands, Owed
from holdfast.model.json import Json
from holdfast.model.state import RunState, StepState
from holdfast.runtime.life import Life
from holdfast.runtime.processes import run_program
from holdfast.runtime.watchdog import SHELL

SHELL_STEP: Final = "sh"
"""The name under which a command that gives back is met again."""
SHOWN_CHARS_MAX: Final = 200
_ABSENT: Final = 1
_CODE: Final = re.compile(r"exit status (\d+)")


def shown_words(argv: tuple[str, ...]) -> str:
    """Return a command as a person would type it, cut where it is long."""
    text = " ".join(map(quote, argv))
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[: SHOWN_CHARS_MAX - 1]}…"


def as_value(out: bytes) -> str | bytes | None:
    """Return a command's output as it is recorded: as text where that says exactly the same."""
    if not out:
        return None
    try:
        return out.decode()
    except UnicodeDecodeError:
        return out


def as_bytes(result: Json) -> bytes:
    """Return the output that a recorded result stands for; a person's own value in lines."""
    value = decode(result)
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else f"{value}\n".encode()


def code_of(seen: StepState) -> int:
    """Return the exit code with which a step failed, as far as it is recorded."""
    found = _CODE.match(seen.error)
    return int(found[1]) if found else 1


def undo_shown(commands: Commands) -> str:
    """Return what a person is shown of how a step is given back."""
    owes = f"owes {commands.owes}" if commands.owes else ""
    return "; ".join(filter(None, (commands.undo, owes)))


def words_of(command: str) -> list[str]:
    """Return the words of a command line, or all of it where only a shell can tell them."""
    try:
        return split_words(command)
    except ValueError:
        return [command]


def owed_by(command: str) -> Owed:
    """Return what a step borrows that this command gives back: a step whose command is the same,
    word by word, settles it."""
    return Owed(SHELL_STEP, command, (), digest([*words_of(command)]))


def settled_by(argv: tuple[str, ...], state: RunState) -> tuple[str, ...]:
    """Return the steps whose open debts this command settles."""
    if not state.ledger.owing:
        return ()
    known = {digest([*argv])}
    if len(argv) == 3 and argv[1] == "-c":
        known.add(digest([*words_of(argv[2])]))
    return tuple(
        debt.key
        for debt in state.ledger.open_debts
        if debt.owed.step == SHELL_STEP and debt.owed.digest in known
    )


def check_says(
    life: Life,
    key: str,
    attempt: int,
    commands: Commands,
    env: Mapping[str, str] | None = None,
) -> Check:
    """Return what a check's command says: 0 done, 1 absent, and anything else nothing."""

    def sink(stream: str, text: str) -> None:
        life.write_output(key, attempt, stream, text)

    done = run_program(
        [SHELL, "-c", commands.check], env=env, cwd=commands.cwd or None, check=False, sink=sink,
        group=life.groups_of(f"{key}#check"),
    )  # fmt: skip
    return {0: Check.DONE, _ABSENT: Check.ABSENT}.get(done.code, Check.UNKNOWN)
