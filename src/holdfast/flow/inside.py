"""What a step's function may call while it runs: its log, its cursor, its programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, overload

from holdfast.engine.effects import NOW, Program, record
from holdfast.engine.spec import Call
from holdfast.errors import UsageError
from holdfast.flow.recorded import value_of
from holdfast.flow.secret import Secret, find_secret, refuse_secrets
from holdfast.model.codec import encode
from holdfast.model.facts import CursorSaved, StepLeft
from holdfast.model.inventory_secrets import is_reference
from holdfast.model.making import dataclass
from holdfast.model.undoing import origin_of
from holdfast.runtime.capture import current_place
from holdfast.runtime.context import FRAME, Frame, frame, in_step
from holdfast.runtime.driving import drive
from holdfast.runtime.life import Life
from holdfast.runtime.processes import Done, Groups, Sink, run_program
from holdfast.runtime.watchdog import TOKEN

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Here:
    """Where the calling code is in its run."""

    run_id: str
    workflow: str
    target: str | None
    labels: Mapping[str, str]
    params: Mapping[str, Any]
    mode: str


def here() -> Here:
    """Return the run, workflow, target, labels, parameters and mode of the calling code."""
    life = frame("here").life
    state = life.journal.state
    created = state.created
    assert created is not None
    labels, params = dict(life.target.labels), dict(life.params)
    return Here(life.run, created.workflow, created.target, labels, params, state.mode)


def progress(done: float, total: float | None = None, note: str = "") -> None:
    """Say how far the step is. Shown, never recorded: call it as often as you like."""
    life, step = in_step("progress")
    for listener in life.listeners:
        listener.progress(step.key, done, total, life.redactor(note))


def save(value: object) -> None:
    """Make `value` the step's cursor, durably; `saved()` returns it after a crash.

    Also a boundary: a stop, a signal or spent time end the life here, at the cost of no attempt
    and of nothing done before. Raises Unrecordable.
    """
    life, step = in_step("save")
    refuse_secrets(life, f"what step {step.key!r} saves", value)
    if frame("save").is_aside:
        raise UsageError(f"save was called in the check of step {step.key!r}; only the step saves")
    life.uninterrupted(lambda: drive(_save_program(step, value), life.performer()))
    if life.is_due():
        life.uninterrupted(lambda: drive(_leave_program(step.key), life.performer()))
        life.raise_if_leaving()


def leave_step(value: object) -> None:
    """Save, and record that the step is left in order: it costs no attempt and is not in doubt.
    What calls this leaves the step's body next."""
    save(value)
    life, step = in_step("leave_step")
    life.uninterrupted(lambda: drive(_leave_program(step.key), life.performer()))


def _save_program(step: Call, value: object) -> Program[None]:
    yield from record(CursorSaved((yield NOW), step.key, encode(value, step.types)))


def _leave_program(key: str) -> Program[None]:
    yield from record(StepLeft((yield NOW), key))


@overload
def saved() -> Any: ...
@overload
def saved(default: T) -> T: ...
def saved(default: Any = None) -> Any:
    """Return what the step last saved, in this life or an earlier one, else `default`. In an
    undo, what the step saved that it gives back, unless the undo saved something itself."""
    life, step = in_step("saved")
    state = life.journal.state.steps.get(step.key)
    if step.gives_back and (state is None or not state.has_saved):
        state = origin_of(life.journal.state, step.gives_back)
    if state is None or not state.has_saved:
        return default
    return value_of(life, state.saved, step.types)


def attempt() -> int:
    """Return which attempt of the step this is, from 1, over all lives."""
    life, step = in_step("attempt")
    state = life.journal.state.steps.get(step.key)
    return 1 if state is None else max(1, state.attempts)


def token() -> str:
    """Return one string for all attempts of the step: an idempotency key for the other side.
    An execution that a new `version=` forces has another."""
    return _token(*in_step("token"))


def _token(life: Life, step: Call) -> str:
    return life.journal.state.token_of(life.run, step.key, step.rules.version)


def secret(name: str) -> str:
    """Return a secret from the environment or a file of that name.

    It is never recorded, and its exact text is replaced wherever the step's output shows it.
    Raises UsageError saying where it was looked for.
    """
    value = find_secret(name, SECRET_DIRECTORIES)
    found = FRAME.get()
    if found is not None:
        found.life.redact(name, value)
    return value


SECRET_DIRECTORIES: Sequence[Path] = (Path("/run/secrets"),)


def sh(
    *argv: str | Path | int | float,
    input: str | bytes | None = None,
    env: Mapping[str, str | None] | None = None,
    cwd: str | Path | None = None,
    check: bool = True,
) -> Done:
    """Run a program, without a shell, and return its output and exit code.

    Each word of its command line is an argument: text, a path or a number. What it prints goes to
    the step's log while it runs. It has a process group of its own, which is killed, grandchildren
    too, when the step times out or this process dies in any way. In a run, the target's `env` of
    the inventory is laid over our environment, and `env` over both; None takes a variable away. In
    a step it finds `token()` as HOLDFAST_TOKEN.
    Raises CommandFailed, with the last lines, unless `check=False`, and UsageError for a word that
    is none: `None` would be a name like any other.
    """
    words = [_word(each) for each in argv]
    return run_logged(words, input=input, env=env, cwd=cwd, check=check)


def run_logged(
    words: Sequence[str | Path],
    *,
    input: str | bytes | None = None,
    env: Mapping[str, str | None] | None = None,
    cwd: str | Path | None = None,
    check: bool = True,
    limit_s: float | None = None,
) -> Done:
    """Run a program as `sh` does. Raises CommandFailed also when it has not ended after
    `limit_s`."""
    found = FRAME.get()
    sink: Sink = _ignore
    group = _LOOSE
    if found is not None and found.step is not None:
        sink, group = _log_of(found.life, found.step), found.life.groups_of(found.step.key)
    env = {**program_env(found), **(env or {})}
    return run_program(
        words, input=input, env=env, cwd=cwd, check=check, sink=sink, group=group, limit_s=limit_s
    )


def _log_of(life: Life, step: Call) -> Sink:
    mark = current_place()
    attempt_now = mark[1] if mark else 1

    def sink(stream: str, text: str) -> None:
        life.write_output(step.key, attempt_now, stream, text)

    return sink


def _word(given: str | Path | int | float) -> str | Path:
    """Write a number as text; what is none of these is for who knows its place to refuse."""
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return str(given) if is_number else cast(str | Path, given)


def program_env(found: Frame | None) -> dict[str, str]:
    """Return what a program called there finds beside our environment: the variables of the run's
    target and, in a step, its token. Raises UsageError as `target_env` does."""
    if found is None:
        return {}
    env = target_env(found.life)
    return env if found.step is None else {**env, TOKEN: _token(found.life, found.step)}


def target_env(life: Life) -> dict[str, str]:
    """Return the variables that the run's target gives to programs, secrets revealed.

    A secret is looked up each time and replaced wherever output shows it. Raises UsageError,
    naming its reference, when it is not there.
    """
    return {
        name: Secret.parse(text).reveal() if is_reference(text) else text
        for name, text in life.target.env.items()
    }


def _ignore(stream: str, text: str) -> None:
    return None


_LOOSE = Groups()
