"""What a shell script asks: a person for a yes or a value, and the world until it is so."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.engine.effects import Program
from holdfast.engine.question import Question, check_default, question
from holdfast.engine.spec import Call
from holdfast.engine.waiting import wait_for
from holdfast.errors import StepFailed
from holdfast.flow.shell_calls import Asked, CommandNeverRan, Log, ShellCall
from holdfast.flow.shell_words import code_of
from holdfast.model.facts import Commands, Spilled
from holdfast.model.json import Json
from holdfast.model.making import dataclass
from holdfast.model.terms import ANYBODY
from holdfast.runtime.passing import cannot_run
from holdfast.runtime.processes import run_program


@dataclass(frozen=True, slots=True)
class Questioned:
    """A question of a script, and the label under which its answer is recorded."""

    label: str
    question: Question


def asked_yes(text: str) -> Questioned:
    """Return the question that wants a yes."""
    return Questioned(f"confirm {text}", Question(text, "confirm"))


def asked_value(text: str, choices: tuple[str, ...] | None, default: str | None) -> Questioned:
    """Return the question that wants a text, perhaps one of `choices`. Raises UsageError."""
    check_default(choices, default)
    return Questioned(f"ask {text}", Question(text, "question", str, choices, default, ANYBODY))


def confirm(call: ShellCall, asked: Questioned) -> int:
    """Return 0 when a person said yes, once; 1 when they said no. Raises Leaving to wait."""
    return _driven(call, asked.label, lambda own: question(own, asked.question))[0]


def ask(call: ShellCall, asked: Questioned) -> Json:
    """Return what a person answered, once. Raises Leaving to wait, StepFailed on a no."""
    code, value = _driven(call, asked.label, lambda own: question(own, asked.question))
    if code:
        raise StepFailed(asked.label, "Rejected", "nobody gives the value", 1)
    return value


def gate(call: ShellCall, asked: Asked, every_s: float, timeout_s: float | None) -> int:
    """Return 0 once the command has passed, in this life or an earlier one.

    It is tried `every_s`; what it writes goes to the log. When the time is up a person is asked
    whether to wait longer. Raises Leaving.
    """
    key = call.key_of(asked.name)
    call.reach(key)
    own = call.call(asked, key, lambda own: _passes(call, own))
    try:
        call.drive(wait_for(own, every_s, timeout_s))
    except StepFailed as failure:
        call.life.tell(str(failure))
        return code_of(call.state.steps[key])
    return 0


def _passes(call: ShellCall, own: Call) -> bool:
    commands = own.commands
    assert commands is not None
    code = cannot_run(commands.argv[0])
    if code:
        raise CommandNeverRan(commands.argv, code)
    log = Log(call.life, own.key, 1)
    done = run_program(
        commands.argv, check=False, sink=lambda stream, line: log.take(stream, _bytes(line)),
        group=call.life.groups_of(own.key),
    )  # fmt: skip
    return done.code == 0


def _bytes(line: str) -> bytes:
    return f"{line}\n".encode(errors="replace")


def _driven(
    call: ShellCall, label: str, program: Callable[[Call], Program[Json | Spilled]]
) -> tuple[int, Json]:
    key = call.key_of(label)
    call.reach(key)
    own = call.call(Asked(label, Commands(())), key, lambda own: None)
    try:
        result = call.drive(program(own))
    except StepFailed as failure:
        call.life.tell(str(failure))
        return 1, None
    return 0, call.life.journal.load(result)
