"""`holdfast each`: in a script's run where there is one, else as a run of its own."""

from __future__ import annotations

from holdfast.cli.shell import words
from holdfast.cli.shell.calling import perform
from holdfast.cli.shell.commands import command_of
from holdfast.cli.shell.words import Taken


def perform_each(taken: Taken) -> int:
    """Do what was read and return the exit code. Never raises: it says what is wrong."""
    return perform(taken, _each)


def _each(taken: Taken) -> int:
    from holdfast.cli.shell.each import asked_of, in_script, is_joined, refusal

    asked = asked_of(taken)
    if code := refusal(asked):
        return code
    if is_joined():
        return in_script(taken, asked)
    from holdfast.cli.each_alone import alone

    return alone(taken, asked)


each = command_of(
    words.EACH,
    "Run a command for every item, each once to success, in a script's run or as a run of its "
    "own.\n\n"
    "In the words of the command {} is the item, {.} without its extension, {/} its last part, "
    "{//} its folder, {/.} its last part without extension, {#} its number; without any of them "
    "the item comes last. Killed and called again, it goes on with the items that are not done. "
    "Outside a script the run is known by NAME, the folder and the file of the items.",
    perform_each,
)
