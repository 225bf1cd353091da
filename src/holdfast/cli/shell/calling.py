"""`holdfast step`, `stage`, `gate`, `confirm`, `ask` and `end`: what each does once it is read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from holdfast.cli.shell.joining import Signalled, joined, say
from holdfast.cli.shell.words import Taken
from holdfast.engine.spec import Rules
from holdfast.errors import ConfigError, HoldfastError, Leaving, UsageError
from holdfast.flow.shell_calls import Asked, ShellCall
from holdfast.flow.shell_words import as_bytes
from holdfast.model.durations import seconds
from holdfast.model.facts import Commands
from holdfast.model.retry import Retry
from holdfast.runtime.passing import write_all

STATUS_MAX = 255
EVERY = "30s"


def perform_and_exit(taken: Taken, do: Callable[[Taken], int]) -> NoReturn:
    """Do what was read, and end this process at once with the exit code that `do` returns.

    Nothing is taken down: what is recorded is durable, and the next process of the script would
    put it up again. A store that is left open is one whose process was killed, at no cost; closed
    by the last one that has it open, it would be tidied up after each step, with three syncs.
    """
    code = do(taken)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def perform(taken: Taken, do: Callable[[Taken], int] | None = None) -> int:
    """Do what was read and return the exit code. It says what is wrong, and raises nothing but
    KeyboardInterrupt, where no life was joined yet."""
    try:
        code = (do or _DO[taken.command])(taken)
    except (HoldfastError, Leaving) as error:
        text = str(error) or type(error).__name__
        for line in text.splitlines() if isinstance(error, ConfigError) else [text]:
            say(line)
        return error.exit_code
    except Signalled as signalled:
        return signalled.end()
    except Exception as error:
        from holdfast.cli.failing import unexpected

        return unexpected(error, sys.argv[1:])
    return code


def _step(taken: Taken) -> int:
    asked = Asked(taken.words[0], _commands(taken), _rules(taken))
    return joined(
        lambda call: call.step(asked),
        lambda call: call.replay(asked),
        accepts_drift=taken.has("accept_drift"),
    )


def _commands(taken: Taken) -> Commands:
    given = [taken.get(name) for name in ("check", "undo", "owes")]
    if "" in given:
        raise UsageError("--check, --undo and --owes: give a command line, or leave them out")
    try:
        folder = os.getcwd()
    except OSError:
        folder = ""
    return Commands(taken.argv, folder, *(text or "" for text in given))


def _rules(taken: Taken) -> Rules:
    once, retry, timeout = taken.has("once"), taken.get("retry"), taken.get("timeout")
    if retry is not None and not (retry.isdecimal() and int(retry) >= 1):
        raise UsageError(f"--retry {retry!r}: give a number of attempts, from 1")
    if once and retry is not None:
        raise UsageError("--once and --retry: what runs at most once has no second attempt")
    return Rules(
        retry=Retry(attempts=int(retry or 1)),
        timeout_s=None if timeout is None else seconds(timeout),
        once=once,
        confirm=taken.has("confirm"),
        has_check=taken.has("check"),
        owes=taken.has("owes"),
        undoes=taken.has("undo"),
    )


def _stage(taken: Taken) -> int:
    if taken.has("end") == bool(taken.words):
        raise UsageError("stage: give the NAME of a stage that begins, or --end")
    on_failure = taken.get("on_failure") or "stop"
    if on_failure not in ("stop", "undo"):
        raise UsageError(f"--on-failure {on_failure!r}: choose stop or undo")

    def begin(call: ShellCall) -> int:
        from holdfast.flow.shell_stages import begin_stage

        begin_stage(call, taken.words[0], undoes=on_failure == "undo")
        return 0

    def end(call: ShellCall) -> int:
        from holdfast.flow.shell_stages import end_stage

        end_stage(call)
        return 0

    return joined(
        end if taken.has("end") else begin,
        lambda call: 0,
        accepts_drift=taken.has("accept_drift"),
    )


def _asking(taken: Taken) -> int:
    from holdfast.flow import shell_questions as questions

    text = taken.words[0]
    if taken.command == "ask":
        choices = taken.get("choices")
        ask = questions.asked_value(
            text, None if choices is None else tuple(choices.split(",")), taken.get("default")
        )
        return joined(
            lambda call: _printed(questions.ask(call, ask)),
            lambda call: call.replay(Asked(ask.label, Commands(()))),
            accepts_drift=taken.has("accept_drift"),
        )
    confirm = questions.asked_yes(text)
    return joined(
        lambda call: questions.confirm(call, confirm),
        lambda call: 0,
        accepts_drift=taken.has("accept_drift"),
    )


def _printed(value: object) -> int:
    write_all(1, as_bytes(value) + b"\n")  # type: ignore[arg-type]
    return 0


def _gate(taken: Taken) -> int:
    from holdfast.flow.shell_questions import gate

    asked = Asked(taken.words[0], _commands(taken), Rules(reads=True))
    timeout = taken.get("timeout")
    every_s = seconds(taken.get("every") or EVERY)
    timeout_s = None if timeout is None else seconds(timeout)
    return joined(
        lambda call: gate(call, asked, every_s, timeout_s),
        lambda call: 0,
        accepts_drift=taken.has("accept_drift"),
    )


def _end(taken: Taken) -> int:
    text = taken.words[0] if taken.words else "0"
    if not (text.isdecimal() and int(text) <= STATUS_MAX):
        raise UsageError(f"end {text!r}: give the exit status of the script, 0 to {STATUS_MAX}")
    status = int(text)
    if not os.environ.get("HOLDFAST_RUN"):
        return status
    from holdfast.cli.shell.ending import end

    return end(status, accepts_drift=taken.has("accept_drift"))


_DO: dict[str, Callable[[Taken], int]] = {
    "step": _step,
    "stage": _stage,
    "confirm": _asking,
    "ask": _asking,
    "gate": _gate,
    "end": _end,
}
