"""The commands of shell scripts as click knows them: for help, and for what is not well-formed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from holdfast.cli.options import Common, store_options
from holdfast.cli.shell import words
from holdfast.cli.shell.words import Option, Shape, Taken


def command_of(shape: Shape, help: str, do: Callable[[Taken], int] | None = None) -> click.Command:
    """Return the click command of a shape: it reads the same words, and does what they say."""

    def run(common: Common, **given: Any) -> None:
        from holdfast.cli.shell.calling import perform

        _tell_store(common)
        click.get_current_context().exit((do or perform)(_taken(shape, given, common.store)))

    function: Callable[..., Any] = run
    function.__doc__ = help
    decorated = store_options(function)
    if shape.has_command:
        decorated = click.argument(
            "argv", nargs=-1, metavar="-- CMD...", required=True, type=click.UNPROCESSED
        )(decorated)
    for option in reversed(shape.options):
        decorated = _option(option)(decorated)
    for number, word in enumerate(shape.words):
        decorated = click.argument(word.lower(), metavar=word, required=number < shape.fewest)(
            decorated
        )
    return click.command(shape.name, help=help)(decorated)


def _option(option: Option) -> Callable[[Any], Any]:
    if option.metavar:
        return click.option(option.name, option.key, metavar=option.metavar, help=option.help)
    return click.option(option.name, option.key, is_flag=True, help=option.help)


def _taken(shape: Shape, given: dict[str, Any], store: str | None) -> Taken:
    texts = [given[word.lower()] for word in shape.words]
    values = {
        option.key: "" if given[option.key] is True else str(given[option.key])
        for option in shape.options
        if given[option.key] not in (None, False)
    }
    present = tuple(text for text in texts if text is not None)
    return Taken(shape.name, present, values, tuple(given.get("argv", ())), store)


def _tell_store(common: Common) -> None:
    """What was said here wins over what `begin` has exported."""
    if common.store:
        os.environ["HOLDFAST_STORE"] = common.store
    if common.claimed:
        os.environ["HOLDFAST_USER"] = common.claimed


step = command_of(
    words.STEP,
    "Run a command once to success, in a script that has begun a run.\n\n"
    "Its streams and its exit code pass through; what it wrote to standard output is written again "
    "when the script is run again and the step is done.",
)
stage = command_of(
    words.STAGE,
    "Begin a stage, in which names are its own, or end the innermost one with --end.\n\n"
    "With --on-failure undo, a script that fails in it has what the stage did undone.",
)
confirm = command_of(
    words.CONFIRM,
    "Hold until a person says yes; 1 for a no. Without a terminal the run parks, exit 3.",
)
ask = command_of(words.ASK, "Ask a person for a value, once, and print the answer.")
gate = command_of(
    words.GATE, "Wait until a command passes (exits with 0); what it writes goes to the log."
)
end = command_of(
    words.END,
    "End the script's run with its exit STATUS (0 unless given).\n\n"
    "`begin` arranges that it is called when the script ends: only a script that sets an EXIT trap "
    "of its own later has to call it.",
)
